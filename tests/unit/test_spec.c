/* test_spec.c - the table of settings, and that conf/authlinkd.conf tells people the same. */
#include "base/buffer.h"
#include "config/config.h"
#include "config/redis_url.h"
#include "config/spec.h"
#include "run_tests.h"
#include "support_config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONF_PATH TEST_SOURCE_DIR "/conf/authlinkd.conf"

static struct settings *defaults;

static void set_up(void)
{
    config_set_up();
    defaults = calloc(1, sizeof *defaults);
    ck_assert_ptr_nonnull(defaults);
    spec_set_defaults(defaults);
}

static void tear_down(void)
{
    free(defaults);
    config_tear_down();
}

START_TEST(the_table_is_alphabetical)
{
    for (size_t i = 1; i < config_spec_count; i++)
        ck_assert_msg(strcmp(config_spec[i - 1].name, config_spec[i].name) < 0, "%s before %s",
                      config_spec[i - 1].name, config_spec[i].name);
}
END_TEST

START_TEST(no_two_settings_share_memory)
{
    for (size_t i = 0; i < config_spec_count; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(config_spec[i].offset != config_spec[j].offset, "%s and %s",
                          config_spec[i].name, config_spec[j].name);
}
END_TEST

START_TEST(every_default_keeps_to_its_own_range_and_rule)
{
    for (size_t i = 0; i < config_spec_count; i++) {
        const struct setting_spec *spec = &config_spec[i];
        struct buffer why;
        buffer_init(&why, 1000);
        bool is_number = spec->type == SETTING_NUMBER || spec->type == SETTING_DOUBLE;
        ck_assert_msg(!is_number || (spec->min <= spec->default_number &&
                                     spec->default_number <= spec->max && spec->min < spec->max),
                      "%s", spec->name);
        ck_assert_msg(
            spec->type != SETTING_TEXT || spec->default_text[0] == '\0' ||
                (strlen(spec->default_text) < spec->size && spec->rule(spec->default_text, &why)),
            "%s: %s", spec->name, buffer_text(&why));
        ck_assert_ptr_eq(spec_find(NULL, spec->name), spec);
        buffer_done(&why);
    }
}
END_TEST

/* conf/authlinkd.conf, at most 64 KiB. */
static char *read_conf(void)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(CONF_PATH, "r");

    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(file);
    size_t len = fread(text, 1, 65535, file);
    ck_assert_uint_gt(len, 1000);
    ck_assert_uint_lt(len, 65535);
    fclose(file);
    return text;
}

/* The next line without blanks before it, NUL for its end; NULL behind the last. */
static char *next_line(char **rest)
{
    char *line = *rest;
    char *end = strchr(line, '\n');

    if (end == NULL)
        return NULL;
    *end = '\0';
    *rest = end + 1;
    return line + strspn(line, " ");
}

/*
 * Finds the setting in its group. What stands above it goes to `told`, as one line; how it is
 * set there, without comment marks, to `line`.
 */
static bool find_setting(const struct setting_spec *spec, struct buffer *told, char *line,
                         size_t size)
{
    const char *dot = strchr(spec->name, '.');
    const char *member = dot == NULL ? spec->name : dot + 1;
    char group_line[64] = "";
    bool is_in_group = dot == NULL;
    char *text = read_conf();
    char *rest = text;
    bool is_found = false;

    if (dot != NULL)
        snprintf(group_line, sizeof group_line, "%.*s = {", (int)(dot - spec->name), spec->name);
    for (char *at = next_line(&rest); at != NULL && !is_found; at = next_line(&rest)) {
        bool is_comment = strncmp(at, "// ", 3) == 0;
        const char *words = is_comment ? at + 3 : at;
        if (dot != NULL && !is_comment && words[strlen(words) - (words[0] != '\0')] == '{')
            is_in_group = strcmp(words, group_line) == 0;
        is_found = is_in_group && strncmp(words, member, strlen(member)) == 0 &&
                   strncmp(words + strlen(member), " = ", 3) == 0;
        if (is_found)
            snprintf(line, size, "%s", words);
        else if (is_comment)
            buffer_append_format(told, "%s ", words);
        else
            buffer_reset(told);
    }
    free(text);
    return is_found;
}

/* `label` and `value` must stand there, one behind the other. */
static void expect_told(const struct setting_spec *spec, const struct buffer *told,
                        const char *label, const char *value)
{
    char piece[256];

    snprintf(piece, sizeof piece, "%s%s", label, value);
    ck_assert_msg(strstr(buffer_text(told), piece) != NULL, "%s: no \"%s\" in: %s", spec->name,
                  piece, buffer_text(told));
}

/* Unit and range, default, and whether a change needs a restart. */
static void expect_all_told(const struct setting_spec *spec, const struct buffer *told,
                            const char *value)
{
    char words[128];

    if (strcmp(spec->name, "conductor.publishable_key") == 0)
        expect_told(spec, told, "Required.", "");
    else
        expect_told(spec, told, "Default: ", value);
    if (spec->unit != NULL) {
        snprintf(words, sizeof words, "%.10g..%.10g", spec->min, spec->max);
        expect_told(spec, told, "Range: ", words);
        snprintf(words, sizeof words, "%.*s.", (int)strcspn(spec->unit, ";"), spec->unit);
        expect_told(spec, told, "Unit: ", words);
    }
    if (spec->reload == NEEDS_RESTART)
        expect_told(spec, told, "Change: restart.", "");
    else
        ck_assert_msg(strstr(buffer_text(told), "restart") == NULL, "%s", spec->name);
}

START_TEST(the_file_for_people_tells_unit_range_and_default_of_every_setting)
{
    for (size_t i = 0; i < config_spec_count; i++) {
        const struct setting_spec *spec = &config_spec[i];
        const char *dot = strchr(spec->name, '.');
        char line[256] = "";
        char words[256];
        struct buffer told;
        struct buffer value;
        buffer_init(&told, 4096);
        buffer_init(&value, 4096);
        spec_append_value(spec, defaults, &value);

        ck_assert_msg(find_setting(spec, &told, line, sizeof line), "%s is missing", spec->name);
        snprintf(words, sizeof words, "%s = %s;", dot == NULL ? spec->name : dot + 1,
                 buffer_text(&value));
        ck_assert_str_eq(line, words);
        buffer_append_char(&value, '.');
        expect_all_told(spec, &told, buffer_text(&value));
        buffer_done(&told);
        buffer_done(&value);
    }
}
END_TEST

/* With its comment marks taken away from what is a setting, and a publishable key filled in. */
static void uncomment_all(struct buffer *changed)
{
    char filled_in[] = "publishable_key = \"pk_x\";";
    char *text = read_conf();
    char *rest = text;

    for (char *at = next_line(&rest); at != NULL; at = next_line(&rest)) {
        bool is_setting =
            strncmp(at, "// ", 3) == 0 && strstr(at, " = ") != NULL && at[strlen(at) - 1] == ';';
        if (strcmp(at, "publishable_key = \"\";") == 0)
            at = filled_in;
        buffer_append_format(changed, "%s\n", is_setting ? at + 3 : at);
    }
    free(text);
}

START_TEST(the_file_for_people_says_the_same_with_every_setting_uncommented)
{
    struct settings bare;
    struct settings uncommented;
    struct buffer text;

    buffer_init(&text, 65536);
    uncomment_all(&text);
    ck_assert_int_eq(config_load_text(MINIMAL, &bare), RESULT_OK);
    ck_assert_msg(config_load_text(buffer_text(&text), &uncommented) == RESULT_OK, "%s",
                  buffer_text(&config_messages));
    for (size_t i = 0; i < config_spec_count; i++)
        if (config_spec[i].default_text == NULL || config_spec[i].default_text[0] != '\0')
            ck_assert_msg(spec_is_equal(&config_spec[i], &bare, &uncommented), "%s",
                          config_spec[i].name);
    config_free(&bare);
    config_free(&uncommented);
    buffer_done(&text);
}
END_TEST

START_TEST(the_file_for_people_lacks_nothing_but_the_publishable_key)
{
    struct settings settings = {.secret_key = NULL};

    ck_assert_int_eq(config_load(CONF_PATH, &settings, &config_messages), RESULT_INVALID);
    const char *rest = strchr(buffer_text(&config_messages), '\n');
    ck_assert_ptr_nonnull(
        strstr(buffer_text(&config_messages), "conductor.publishable_key: is empty"));
    ck_assert_str_eq(rest, "\n");
}
END_TEST

static const struct {
    const char *url;
    const char *unix_path;
    const char *user;
    const char *host;
    uint16_t port;
    uint32_t db;
} sound_urls[] = {
    {"redis://h", "", "", "h", 6379, 0},
    {"redis://h/", "", "", "h", 6379, 0},
    {"redis://127.0.0.1:6379/0", "", "", "127.0.0.1", 6379, 0},
    {"redis://redis.example.com:7000/15", "", "", "redis.example.com", 7000, 15},
    {"redis://worker@h:1/65535", "", "worker", "h", 1, 65535},
    {"redis://[::1]", "", "", "::1", 6379, 0},
    {"redis://u@[2001:db8::1]:65535/1", "", "u", "2001:db8::1", 65535, 1},
    {"unix:///run/redis/redis.sock", "/run/redis/redis.sock", "", "", 0, 0},
};

START_TEST(a_redis_url_is_taken_apart)
{
    struct link_address address;
    const char *why = "";

    ck_assert_msg(redis_url_parse(sound_urls[_i].url, &address, &why) == RESULT_OK, "%s: %s",
                  sound_urls[_i].url, why);
    ck_assert_str_eq(address.unix_path, sound_urls[_i].unix_path);
    ck_assert_str_eq(address.user, sound_urls[_i].user);
    ck_assert_str_eq(address.host, sound_urls[_i].host);
    ck_assert_uint_eq(address.port, sound_urls[_i].port);
    ck_assert_uint_eq(address.db, sound_urls[_i].db);
}
END_TEST

#define P50 "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *url;
    const char *said;
} bad_urls[] = {
    {"", "must begin with"},
    {"h:6379", "must begin with"},
    {"rediss:/h", "must begin with"},
    {"rediss://u:secret@h", "must not hold a password"},
    {"REDIS://h", "must begin with"},
    {"redis://", "no valid host"},
    {"redis:///0", "no valid host"},
    {"redis://h:", "port that is none"},
    {"redis://h:0", "port that is none"},
    {"redis://h:65536", "port that is none"},
    {"redis://h:-1", "port that is none"},
    {"redis://h:6379x", "port that is none"},
    {"redis://h:1:2", "port that is none"},
    {"redis://::1", "no valid host"},
    {"redis://[::1", "no valid host"},
    {"redis://[]", "no valid host"},
    {"redis://[::1]x:1", "no valid host"},
    {"redis://h_x", "no valid host"},
    {"redis://h/x", "number of the database"},
    {"redis://h/0/1", "number of the database"},
    {"redis://h/-1", "number of the database"},
    {"redis://h/65536", "number of the database"},
    {"redis://h?db=1", "number of the database"},
    {"redis://h/0?x=1", "number of the database"},
    {"redis://:secret@h", "must not hold a password"},
    {"redis://u:secret@h", "must not hold a password"},
    {"redis://u:s@e@h", "must not hold a password"},
    {"redis://@h", "user name"},
    {"redis://u%40@h", "user name"},
    {"redis://u@v@h", "user name"},
    {"redis://h h", "blanks"},
    {"redis://h\n", "blanks or control bytes"},
    {"unix://", "absolute path"},
    {"unix:///", "absolute path"},
    {"unix://run/redis.sock", "absolute path"},
    {"unix:///run/redis.sock?db=1", "must end with the path"},
    {"unix://" P50 P50 "/aaaaaaa", "over 107 bytes"},
};

START_TEST(a_wrong_redis_url_is_refused)
{
    struct link_address address;
    const char *why = "";

    ck_assert_msg(redis_url_parse(bad_urls[_i].url, &address, &why) == RESULT_INVALID,
                  "%s was taken", bad_urls[_i].url);
    ck_assert_msg(strstr(why, bad_urls[_i].said) != NULL, "%s: %s", bad_urls[_i].url, why);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spec");
    TCase *tcase = tcase_create("spec");

    tcase_add_unchecked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, the_table_is_alphabetical);
    tcase_add_test(tcase, no_two_settings_share_memory);
    tcase_add_test(tcase, every_default_keeps_to_its_own_range_and_rule);
    tcase_add_test(tcase, the_file_for_people_tells_unit_range_and_default_of_every_setting);
    tcase_add_test(tcase, the_file_for_people_says_the_same_with_every_setting_uncommented);
    tcase_add_test(tcase, the_file_for_people_lacks_nothing_but_the_publishable_key);
    tcase_add_loop_test(tcase, a_redis_url_is_taken_apart, 0, ROWS(sound_urls));
    tcase_add_loop_test(tcase, a_wrong_redis_url_is_refused, 0, ROWS(bad_urls));
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
