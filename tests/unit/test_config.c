/* test_config.c - what a sound configuration file says, and who learns of it. */
#include "base/buffer.h"
#include "config/compose.h"
#include "config/config.h"
#include "run_tests.h"
#include "support_config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(the_publishable_key_alone_is_a_whole_configuration)
{
    struct settings settings;

    ck_assert_msg(config_load_text(MINIMAL, &settings) == RESULT_OK, "%s",
                  buffer_text(&config_messages));
    ck_assert_str_eq(settings.conductor.base_url, "https://api.conductor.is/v1");
    ck_assert_str_eq(settings.conductor.publishable_key, "pk_x");
    ck_assert_int_eq(settings.conductor.link_expiry_mins, 30);
    ck_assert_uint_eq(settings.conductor.link_hosts.count, 1);
    ck_assert_str_eq(settings.conductor.link_hosts.hosts[0], "connect.conductor.is");
    ck_assert_str_eq(settings.redis.address.host, "127.0.0.1");
    ck_assert_uint_eq(settings.redis.address.port, 6379);
    ck_assert_str_eq(settings.redis.queue, "authlink:queue");
    ck_assert_double_eq(settings.rate.per_sec, 10.0);
    ck_assert_int_eq(settings.log.level, LOG_LEVEL_INFO);
    ck_assert_int_eq(settings.log.format, LOG_FORMAT_TEXT);
    ck_assert_str_ne(settings.instance, "");
    ck_assert_ptr_null(settings.redis_password);
    config_free(&settings);
}
END_TEST

/* A piece of what config_dump() must say after each. */
static const struct {
    const char *name;
    const char *text;
    const char *dumped;
} sound[] = {
    {"whole number for a fraction", "rate = { per_sec = 5; };", "per_sec = 5.0;"},
    {"whole number of 64 bits for a fraction", "rate = { per_sec = 5L; };", "per_sec = 5.0;"},
    {"whole number of 64 bits", "retry = { max_attempts = 5L; };", "max_attempts = 5;"},
    {"fraction that no double holds", "rate = { per_sec = 0.3; };", "per_sec = 0.3;"},
    {"long fraction", "rate = { per_sec = 0.12345678901; };", "per_sec = 0.12345678901;"},
    {"exponent", "rate = { per_sec = 1e2; };", "per_sec = 100.0;"},
    {"unknown rate", "rate = { per_sec = 0; };", "per_sec = 0.0;"},
    {"lower bound", "retry = { max_attempts = 1; };", "max_attempts = 1;"},
    {"upper bound", "retry = { max_attempts = 100; };", "max_attempts = 100;"},
    {"empty group", "rate = { };", "per_sec = 10.0;"},
    {"colon and comma", "rate : { per_sec = 5, burst = 2 }", "burst = 2;"},
    {"include in a comment", "# x\n// @include \"a\"\n/*\n@include \"b\"\n*/", "per_sec = 10.0;"},
    {"comment marks within a text", "redis = { queue = \"a/*b//c#d\"; };",
     "queue = \"a/*b//c#d\";"},
    {"quote and backslash", "redis = { queue = \"a\\\"b\\\\c\"; };", "queue = \"a\\\"b\\\\c\";"},
    {"text in pieces", "redis = { queue = \"a\" \"b\"; };", "queue = \"ab\";"},
    {"hash tag", "redis = { key_prefix = \"{authlink}\"; };", "queue = \"{authlink}:queue\";"},
    {"hash tag in the queue", "redis = { key_prefix = \"x{a}\"; queue = \"jobs{a}\"; };",
     "queue = \"jobs{a}\";"},
    {"JSON logs", "log = { level = \"debug\"; format = \"json\"; };", "format = \"json\";"},
    {"long number within a text", "instance = \"i-1234567890123\";",
     "instance = \"i-1234567890123\";"},
    {"instance", "instance = \"a.B_c-9\";", "instance = \"a.B_c-9\";"},
};

START_TEST(a_sound_file_is_taken)
{
    struct settings settings;
    struct buffer dump;

    buffer_init(&dump, CONFIG_MESSAGES_MAX_BYTES);
    ck_assert_msg(config_load_more(sound[_i].text, &settings) == RESULT_OK, "%s: %s",
                  sound[_i].name, buffer_text(&config_messages));
    ck_assert_int_eq(config_dump(&settings, &dump), RESULT_OK);
    ck_assert_msg(strstr(buffer_text(&dump), sound[_i].dumped) != NULL, "%s: %s", sound[_i].name,
                  buffer_text(&dump));
    config_free(&settings);
    buffer_done(&dump);
}
END_TEST

START_TEST(a_dump_is_a_configuration_that_dumps_the_same)
{
    struct settings settings;
    struct settings again;
    struct buffer dump;
    struct buffer dump_again;

    buffer_init(&dump, CONFIG_MESSAGES_MAX_BYTES);
    buffer_init(&dump_again, CONFIG_MESSAGES_MAX_BYTES);
    ck_assert_int_eq(
        config_load_text(
            "conductor = { publishable_key = \"pk_x\"; redirect_hosts = [\"a.b\", \"[::1]\"];"
            " base_url = \"http://127.0.0.1:1/v1/\"; };\n"
            "rate = { per_sec = 0.1; max_per_sec = 333.3333333333333; };\n"
            "redis = { url = \"unix:///run/r.sock\"; queue = \"q\\\"\\\\\"; };",
            &settings),
        RESULT_OK);
    ck_assert_int_eq(config_dump(&settings, &dump), RESULT_OK);
    ck_assert_msg(config_load_text(buffer_text(&dump), &again) == RESULT_OK, "%s",
                  buffer_text(&config_messages));
    ck_assert_int_eq(config_dump(&again, &dump_again), RESULT_OK);
    ck_assert_str_eq(buffer_text(&dump), buffer_text(&dump_again));
    config_free(&settings);
    config_free(&again);
    buffer_done(&dump);
    buffer_done(&dump_again);
}
END_TEST

START_TEST(a_dump_shows_of_a_secret_only_that_and_which_it_is)
{
    struct settings settings;
    struct buffer dump;

    buffer_init(&dump, CONFIG_MESSAGES_MAX_BYTES);
    setenv("CONDUCTOR_SECRET_KEY", "sk_hunter2", 1);
    ck_assert_int_eq(config_load_text(MINIMAL, &settings), RESULT_OK);
    ck_assert_int_eq(config_dump(&settings, &dump), RESULT_OK);
    ck_assert_ptr_null(strstr(buffer_text(&dump), "hunter2"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&dump), "secret key: set (sha256:"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&dump), "from environment CONDUCTOR_SECRET_KEY"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&dump), "Redis password: unset"));
    config_free(&settings);
    buffer_done(&dump);
}
END_TEST

static const struct {
    const char *name;
    const char *key; /* NULL: none */
    const char *said;
} bad_keys[] = {
    {"none", NULL, "conductor.secret_key_file: no secret key is there"},
    {"swapped", "pk_hunter2",
     "conductor.secret_key_file: environment CONDUCTOR_SECRET_KEY is a publishable"},
    {"two words", "sk_a hunter2", "has bytes that no key has"},
    {"not ASCII", "sk_hunter2\xc3\xbc", "has bytes that no key has"},
    {"redacted in part only", "sk_a!hunter2", "has bytes that no key has"},
};

START_TEST(a_wrong_secret_key_is_refused_and_not_repeated)
{
    struct settings settings;

    unsetenv("CONDUCTOR_SECRET_KEY");
    if (bad_keys[_i].key != NULL)
        setenv("CONDUCTOR_SECRET_KEY", bad_keys[_i].key, 1);
    ck_assert_msg(config_load_text(MINIMAL, &settings) == RESULT_INVALID, "%s", bad_keys[_i].name);
    ck_assert_msg(strstr(buffer_text(&config_messages), bad_keys[_i].said) != NULL, "%s: %s",
                  bad_keys[_i].name, buffer_text(&config_messages));
    ck_assert_ptr_null(strstr(buffer_text(&config_messages), "hunter2"));
}
END_TEST

START_TEST(authlinkctl_needs_no_secret_key)
{
    struct settings settings = {.secret_key = NULL};

    unsetenv("CONDUCTOR_SECRET_KEY");
    config_write_bytes(MINIMAL, strlen(MINIMAL));
    ck_assert_int_eq(config_load_for_ctl(config_path, &settings, &config_messages), RESULT_OK);
    ck_assert_ptr_null(settings.secret_key);
    config_free(&settings);
}
END_TEST

/* So that it works on a host whose name would be no instance. */
START_TEST(the_daemon_alone_needs_an_instance)
{
    struct settings settings = {.secret_key = NULL};

    config_write_bytes(MINIMAL, strlen(MINIMAL));
    ck_assert_int_eq(config_load_for_ctl(config_path, &settings, &config_messages), RESULT_OK);
    ck_assert_str_eq(settings.instance, "");
    config_free(&settings);
    ck_assert_int_eq(config_for_redis("redis://h", &settings, &config_messages), RESULT_OK);
    ck_assert_str_eq(settings.instance, "");
    config_free(&settings);
    ck_assert_int_eq(config_load_to_look(config_path, &settings, &config_messages), RESULT_OK);
    ck_assert_str_ne(settings.instance, "");
    config_free(&settings);
}
END_TEST

START_TEST(a_url_of_redis_alone_makes_settings_too)
{
    struct settings settings = {.secret_key = NULL};

    ck_assert_int_eq(config_for_redis("redis://[::1]:7000/3", &settings, &config_messages),
                     RESULT_OK);
    ck_assert_str_eq(settings.redis.address.host, "::1");
    ck_assert_uint_eq(settings.redis.address.port, 7000);
    ck_assert_uint_eq(settings.redis.address.db, 3);
    ck_assert_str_eq(settings.redis.queue, "authlink:queue");
    config_free(&settings);
    ck_assert_int_eq(config_for_redis("http://x", &settings, &config_messages), RESULT_INVALID);
    ck_assert_str_eq(buffer_text(&config_messages),
                     "--redis: redis.url: must begin with redis://, rediss:// (TLS) or unix://\n");
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
    struct settings settings = {.secret_key = NULL};

    ck_assert_int_eq(config_load("/nonexistent/a.conf", &settings, &config_messages),
                     RESULT_INVALID);
    ck_assert_str_eq(buffer_text(&config_messages),
                     "/nonexistent/a.conf: cannot be opened: No such file or directory\n");
    ck_assert_int_eq(config_load(config_folder, &settings, &config_messages), RESULT_INVALID);
    ck_assert_ptr_nonnull(strstr(buffer_text(&config_messages), "cannot be read: Is a directory"));

    char pipe_path[512];
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", config_folder);
    ck_assert_int_eq(mkfifo(pipe_path, 0600), 0);
    ck_assert_int_eq(config_load(pipe_path, &settings, &config_messages), RESULT_INVALID);
    ck_assert_int_eq(unlink(pipe_path), 0);
    ck_assert_ptr_nonnull(strstr(buffer_text(&config_messages), "/pipe: is a pipe"));
}
END_TEST

START_TEST(a_file_that_everybody_may_write_to_is_refused)
{
    struct settings settings = {.secret_key = NULL};

    config_write_bytes(MINIMAL, strlen(MINIMAL));
    ck_assert_int_eq(chmod(config_path, 0646), 0);
    ck_assert_int_eq(config_load(config_path, &settings, &config_messages), RESULT_INVALID);
    ck_assert_ptr_nonnull(strstr(buffer_text(&config_messages), "chmod o-w"));
}
END_TEST

START_TEST(a_nul_byte_is_named_with_its_line)
{
    static const char text[] = MINIMAL "rate = { };\n\0bogus = 1;";
    struct settings settings = {.secret_key = NULL};

    config_write_bytes(text, sizeof text - 1);
    ck_assert_int_eq(config_load(config_path, &settings, &config_messages), RESULT_INVALID);
    ck_assert_ptr_nonnull(strstr(buffer_text(&config_messages), ":3: has a NUL byte"));
}
END_TEST

START_TEST(a_file_over_64_kib_is_refused)
{
    struct settings settings = {.secret_key = NULL};
    size_t len = CONFIG_FILE_MAX_BYTES + 1;
    char *text = malloc(len);

    ck_assert_ptr_nonnull(text);
    memset(text, '\n', len);
    memcpy(text, MINIMAL, strlen(MINIMAL));
    config_write_bytes(text, len);
    ck_assert_int_eq(config_load(config_path, &settings, &config_messages), RESULT_INVALID);
    ck_assert_ptr_nonnull(strstr(buffer_text(&config_messages), "is over 65536 bytes"));
    config_write_bytes(text, len - 1);
    ck_assert_int_eq(config_load(config_path, &settings, &config_messages), RESULT_OK);
    config_free(&settings);
    free(text);
}
END_TEST

/* NULL: the running daemon takes it up. */
static const struct {
    const char *text;
    const char *kept;
} reloads[] = {
    {"rate = { per_sec = 5; };", NULL},
    {"log = { level = \"debug\"; };", NULL},
    {"redis = { url = \"redis://127.0.0.1:6380/0\"; };", "redis.url"},
    {"redis = { key_prefix = \"other\"; queue = \"authlink:queue\"; };", "redis.key_prefix"},
    {"redis = { queue = \"other\"; };", "redis.queue"},
    {"instance = \"other\";", "instance"},
};

START_TEST(a_reload_names_what_needs_a_restart)
{
    struct settings old;
    struct settings fresh;
    char expected[128];

    ck_assert_int_eq(config_load_text(MINIMAL, &old), RESULT_OK);
    ck_assert_msg(config_load_more(reloads[_i].text, &fresh) == RESULT_OK, "%s",
                  buffer_text(&config_messages));
    enum result result = config_check_reload(&old, &fresh, &config_messages);
    if (reloads[_i].kept == NULL) {
        ck_assert_int_eq(result, RESULT_OK);
    } else {
        ck_assert_int_eq(result, RESULT_REFUSED);
        snprintf(expected, sizeof expected, "%s: takes effect at the next restart only\n",
                 reloads[_i].kept);
        ck_assert_str_eq(buffer_text(&config_messages), expected);
    }
    config_free(&old);
    config_free(&fresh);
}
END_TEST

START_TEST(what_needs_a_restart_stays_as_it_runs_and_is_named_at_every_reload)
{
    struct settings running;

    ck_assert_int_eq(config_load_text(MINIMAL, &running), RESULT_OK);
    for (int i = 0; i < 2; i++) {
        struct settings fresh;
        ck_assert_int_eq(
            config_load_more("redis = { url = \"redis://127.0.0.1:6380/0\"; };", &fresh),
            RESULT_OK);
        enum result result = config_check_reload(&running, &fresh, &config_messages);
        ck_assert_int_eq(result, RESULT_REFUSED);
        ck_assert_str_eq(fresh.redis.url, "redis://127.0.0.1:6379/0");
        ck_assert_uint_eq(fresh.redis.address.port, 6379);
        config_free(&running);
        running = fresh;
    }
    config_free(&running);
}
END_TEST

START_TEST(the_modules_get_what_the_file_says)
{
    struct settings settings;

    ck_assert_int_eq(
        config_load_text("conductor = { publishable_key = \"pk_x\"; max_in_flight = 7; };\n"
                         "retry = { give_up_after_mins = 2; max_attempts = 3; };\n"
                         "results = { failed_ttl_hours = 1; events_keep_hours = 2; };\n"
                         "redis = { queue = \"jobs\"; };\nrate = { burst = 4; };",
                         &settings),
        RESULT_OK);
    struct conductor_settings conductor = compose_conductor(&settings);
    struct queue_settings queue = compose_queue(&settings, "one@0123456789abcdef");
    struct retry_policy policy = compose_retry(&settings);

    ck_assert_str_eq(conductor.secret_key, "sk_test");
    ck_assert_uint_eq(conductor.max_in_flight, 7);
    ck_assert_str_eq(conductor.key_fp, queue.key_fp);
    ck_assert_uint_eq(strlen(queue.key_fp), KEY_FP_LEN);
    ck_assert_str_eq(queue.owner, "one@0123456789abcdef");
    ck_assert_str_eq(queue.queue_key, "jobs");
    ck_assert_int_eq(queue.failed_ttl_ms, 3600000);
    ck_assert_int_eq(queue.events_keep_ms, 7200000);
    ck_assert_double_eq(queue.burst, 4.0);
    ck_assert_int_eq(policy.give_up_after_ms, 120000);
    ck_assert_uint_eq(policy.max_attempts, 3);
    config_free(&settings);
}
END_TEST

START_TEST(the_password_of_redis_is_read_afresh)
{
    struct settings settings;
    char text[512];
    char password[LINK_PASSWORD_MAX_LEN + 1];

    snprintf(text, sizeof text, MINIMAL "redis = { password_file = \"%s\"; };",
             config_password_path);
    ck_assert_int_eq(config_load_text(text, &settings), RESULT_INVALID); /* named, but missing */
    ck_assert_ptr_nonnull(strstr(buffer_text(&config_messages), "redis.password_file: file "));

    FILE *file = fopen(config_password_path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("first pass\n", file);
    fclose(file);
    chmod(config_password_path, 0600);
    ck_assert_int_eq(config_load_text(text, &settings), RESULT_OK);
    ck_assert(compose_redis_password(&settings, password, sizeof password, &config_messages));
    ck_assert_str_eq(password, "first pass");

    file = fopen(config_password_path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("second", file);
    fclose(file);
    ck_assert(compose_redis_password(&settings, password, sizeof password, &config_messages));
    ck_assert_str_eq(password, "second");
    unlink(config_password_path);
    ck_assert(!compose_redis_password(&settings, password, sizeof password, &config_messages));
    config_free(&settings);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");

    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, config_set_up, config_tear_down);
    tcase_add_test(tcase, the_publishable_key_alone_is_a_whole_configuration);
    tcase_add_loop_test(tcase, a_sound_file_is_taken, 0, ROWS(sound));
    tcase_add_test(tcase, a_dump_is_a_configuration_that_dumps_the_same);
    tcase_add_test(tcase, a_dump_shows_of_a_secret_only_that_and_which_it_is);
    tcase_add_loop_test(tcase, a_wrong_secret_key_is_refused_and_not_repeated, 0, ROWS(bad_keys));
    tcase_add_test(tcase, authlinkctl_needs_no_secret_key);
    tcase_add_test(tcase, the_daemon_alone_needs_an_instance);
    tcase_add_test(tcase, a_url_of_redis_alone_makes_settings_too);
    tcase_add_test(tcase, what_cannot_be_read_is_said);
    tcase_add_test(tcase, a_file_that_everybody_may_write_to_is_refused);
    tcase_add_test(tcase, a_nul_byte_is_named_with_its_line);
    tcase_add_test(tcase, a_file_over_64_kib_is_refused);
    tcase_add_loop_test(tcase, a_reload_names_what_needs_a_restart, 0, ROWS(reloads));
    tcase_add_test(tcase, what_needs_a_restart_stays_as_it_runs_and_is_named_at_every_reload);
    tcase_add_test(tcase, the_modules_get_what_the_file_says);
    tcase_add_test(tcase, the_password_of_redis_is_read_afresh);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
