/* test_config_faults.c - what people are told whose configuration file is wrong. */
#include "base/buffer.h"
#include "config/config.h"
#include "run_tests.h"
#include "support_config.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define X250                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxx"                                                                                      \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxx"                                                                                      \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* Each text stands from line 2 on, behind MINIMAL. */
static const struct {
    const char *name;
    const char *text;
    const char *said; /* behind the config_path */
} faults[] = {
    /* what is no setting */
    {"unknown setting", "rate = {\n per_second = 5;\n};", ":3: rate.per_second: is no setting"},
    {"unknown group", "rates = { per_sec = 5; };", ":2: rates: is no setting"},
    {"setting outside of its group", "per_sec = 5;",
     ":2: per_sec: is no setting; meant is probably rate.per_sec"},
    {"setting in another group", "redis = {\n\n base_url = \"x\"; };",
     ":4: redis.base_url: is no setting; meant is probably conductor.base_url"},
    {"group that is a number", "rate = 5;", ":2: rate: must be a group, as in rate = { ... };"},
    {"group that is a list", "rate = ( 5 );", ":2: rate: must be a group"},
    {"setting that is a group", "instance = { name = \"a\"; };",
     ":2: instance: must be a text in double quotes"},
    {"setting twice", "rate = { burst = 1;\n burst = 2; };",
     ":3: duplicate setting name: it stands in the file before"},
    {"group twice", "rate = { };\nrate = { };", ":3: duplicate setting name"},
    /* numbers */
    {"below the range", "rate = {\n  per_sec = -1.0;\n};",
     ":3: rate.per_sec: must be a number 0..100000 (requests per second; 0: unknown, find it out)"},
    {"above the range", "rate = { per_sec = 100000.5; };", ":2: rate.per_sec: must be a number"},
    {"infinite", "rate = { per_sec = 1e999; };", ":2: rate.per_sec: must be a number"},
    {"slower than the pace can count", "rate = { per_sec = 0.001; };",
     ":2: rate.per_sec: must be 0 (unknown) or 0.01..100000"},
    {"whole number below the range", "retry = { max_attempts = 0; };",
     ":2: retry.max_attempts: must be a whole number 1..100 (attempts)"},
    {"whole number above the range", "retry = { max_attempts = 101; };",
     ":2: retry.max_attempts: "},
    {"number that libconfig would cut to 1", "retry = {\n max_attempts = 4294967297; };",
     ":3: has a number of more digits"},
    {"negative number that libconfig would cut to 1", "retry = { max_attempts = -4294967295; };",
     ":2: has a number of more digits"},
    {"number above 64 bits", "retry = { max_attempts = 18446744073709551617; };",
     ":2: has a number of more digits"},
    {"fraction for a whole number", "retry = { max_attempts = 5.0; };", ":2: retry.max_attempts: "},
    {"text for a whole number", "retry = { max_attempts = \"5\"; };", ":2: retry.max_attempts: "},
    {"boolean for a whole number", "retry = { max_attempts = true; };", ":2: retry.max_attempts: "},
    {"hexadecimal", "retry = { max_attempts = 0x5; };", ":2: retry.max_attempts: "},
    {"hexadecimal that libconfig would cut to 5", "retry = { max_attempts = 0x100000005; };",
     ":2: retry.max_attempts: "},
    {"text for a number", "rate = { per_sec = \"5\"; };", ":2: rate.per_sec: must be a number"},
    {"hexadecimal for a number", "rate = { per_sec = 0x5; };",
     ":2: rate.per_sec: must be a number"},
    {"number that is an array", "rate = { per_sec = [5]; };", ":2: rate.per_sec: must be a number"},
    {"longest delay below the first", "retry = { base_delay_ms = 5000;\n max_delay_ms = 1000; };",
     ":3: retry.max_delay_ms: must not be below retry.base_delay_ms"},
    /* texts */
    {"number for a text", "redis = { url = 5; };",
     ":2: redis.url: must be a text in double quotes"},
    {"text that is too long", "redis = { key_prefix = \"123456789012345678901234567890123\"; };",
     ":2: redis.key_prefix: is too long: 33 bytes, 32 are the most"},
    {"log level", "log = { level = \"verbose\"; };",
     ":2: log.level: must be one of error, warn, notice"},
    {"log format", "log = { format = \"xml\"; };", ":2: log.format: must be text or json"},
    {"instance with a blank", "instance = \"a b\";", ":2: instance: must be 1 to 64 of"},
    {"instance with a slash", "instance = \"a/b\";", ":2: instance: must be 1 to 64 of"},
    {"empty prefix", "redis = { key_prefix = \"\"; };", ":2: redis.key_prefix: must be 1 to 32"},
    {"prefix with a star", "redis = { key_prefix = \"a*\"; };",
     ":2: redis.key_prefix: must be 1 to 32"},
    {"prefix with half a tag", "redis = { key_prefix = \"{a\"; };",
     ":2: redis.key_prefix: has braces"},
    {"prefix with braces the wrong way", "redis = { key_prefix = \"}a{\"; };",
     ":2: redis.key_prefix: has braces"},
    {"prefix with an empty tag", "redis = { key_prefix = \"a{}\"; };",
     ":2: redis.key_prefix: has braces"},
    {"prefix with a tag in a tag", "redis = { key_prefix = \"{a{b}\"; };",
     ":2: redis.key_prefix: has braces"},
    {"prefix with two tags", "redis = { key_prefix = \"{a}{b}\"; };",
     ":2: redis.key_prefix: has braces"},
    {"queue with a line end", "redis = { queue = \"a\\nb\"; };",
     ":2: redis.queue: must be one word"},
    {"queue without the tag", "redis = { key_prefix = \"{a}\";\n queue = \"jobs\"; };",
     ":3: redis.queue: must bear the hash tag"},
    {"queue with another tag", "redis = { key_prefix = \"{a}\";\n queue = \"{ab}jobs\"; };",
     ":3: redis.queue: must bear the hash tag"},
    {"relative path", "redis = { password_file = \"secrets/redis\"; };",
     ":2: redis.password_file: must be an absolute path"},
    {"path with a line end", "redis = { password_file = \"/a\\nb\"; };",
     ":2: redis.password_file: has control bytes"},
    {"password in the URL", "redis = { url = \"redis://:hunter2@h/0\"; };",
     ":2: redis.url: must not hold a password"},
    /* what libconfig would take in silence, or what it refuses */
    {"include", "@include \"/etc/passwd\"", ":2: has @include"},
    {"include behind comments", "# a\n// b\n/* c\n*/ @include \"/etc/passwd\"", ":5: has @include"},
    {"include behind blanks", " \t@include \"/etc/passwd\"", ":2: has @include"},
    {"comment without an end", "rate = { burst = 2; };\n/* rate\n = { };",
     ":3: the comment that begins"},
    {"text without an end", "instance = \"a;\n", ":2: the text that begins here does not end"},
    {"no syntax", "rate = {\n burst 2; };", ":3: syntax error, here or just before"},
    {"group without an end", "rate = { burst = 2;", ":2: syntax error"},
    {"array of several types", "rate = { burst = [1, \"a\"]; };", ":2: mismatched element type"},
};

START_TEST(a_fault_is_named_with_its_line_and_what_is_right)
{
    struct settings settings;
    char expected[512];

    ck_assert_msg(config_load_more(faults[_i].text, &settings) == RESULT_INVALID, "%s: was taken",
                  faults[_i].name);
    snprintf(expected, sizeof expected, "%s%s", config_path, faults[_i].said);
    ck_assert_msg(strstr(buffer_text(&config_messages), expected) != NULL, "%s: said\n%swanted\n%s",
                  faults[_i].name, buffer_text(&config_messages), expected);
    ck_assert_ptr_null(strstr(buffer_text(&config_messages), "hunter2"));
    ck_assert_ptr_null(settings.secret_key);
}
END_TEST

/* Faults within conductor = { ... }: the text stands on line 2 beside the publishable key. */
static const struct {
    const char *name;
    const char *text;
    const char *said;
} conductor_faults[] = {
    {"plain http", "base_url = \"http://api.conductor.is/v1\";", "base_url: must be https"},
    {"no URL", "base_url = \"api\";", "base_url: "},
    {"user in the base URL", "base_url = \"https://u:p@h/v1\";", "base_url: must not hold a user"},
    {"http redirect", "redirect_url = \"http://a.example/\";", "redirect_url: must be https"},
    {"relative redirect", "redirect_url = \"/done\";", "redirect_url: is no absolute URL"},
    {"expiry below 15 minutes", "link_expiry_mins = 14;",
     "link_expiry_mins: must be a whole number 15..10080 (minutes)"},
    {"expiry above 7 days", "link_expiry_mins = 10081;",
     "link_expiry_mins: must be a whole number"},
    {"authorities in no file", "ca_file = \"/nonexistent/ca.pem\";",
     "ca_file: cannot be read: No such file"},
    {"hosts that are one text", "link_hosts = \"a.example\";",
     "link_hosts: must be an array of at most 16 host names"},
    {"no host for links", "link_hosts = [];", "link_hosts: must name a host"},
    {"host that is a URL", "link_hosts = [\"https://a.example\"];", "link_hosts: must be an array"},
    {"host with a port", "redirect_hosts = [\"a.example:80\"];",
     "redirect_hosts: must be an array"},
    {"host that is a number", "redirect_hosts = [5];", "redirect_hosts: must be an array"},
    {"seventeen hosts",
     "redirect_hosts = [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\","
     "\"m\",\"n\",\"o\",\"p\",\"q\"];",
     "redirect_hosts: must be an array"},
    {"host of 254 bytes", "redirect_hosts = [\"" X250 "xxxx\"];",
     "redirect_hosts: must be an array"},
    {"hosts of hosts", "redirect_hosts = ([\"a\"]);", "redirect_hosts: must be an array"},
};

START_TEST(a_fault_of_the_api_group_is_named)
{
    struct settings settings;
    char text[1024];
    char expected[512];

    snprintf(text, sizeof text, "conductor = { publishable_key = \"pk_x\";\n%s };",
             conductor_faults[_i].text);
    ck_assert_msg(config_load_text(text, &settings) == RESULT_INVALID, "%s: was taken",
                  conductor_faults[_i].name);
    snprintf(expected, sizeof expected, "%s:2: conductor.%s", config_path,
             conductor_faults[_i].said);
    ck_assert_msg(strstr(buffer_text(&config_messages), expected) != NULL, "%s: said\n%swanted\n%s",
                  conductor_faults[_i].name, buffer_text(&config_messages), expected);
}
END_TEST

static const struct {
    const char *name;
    const char *text;
    const char *said;
} key_faults[] = {
    {"no file content", "", ": conductor.publishable_key: is missing"},
    {"no key", "conductor = { };", ": conductor.publishable_key: is missing"},
    {"empty key", "conductor = { publishable_key = \"\"; };",
     ":1: conductor.publishable_key: is empty"},
    {"secret key for the publishable one", "conductor = { publishable_key = \"sk_hunter2\"; };",
     ":1: conductor.publishable_key: is a secret key"},
    {"two words", "conductor = { publishable_key = \"pk_a hunter2\"; };",
     ":1: conductor.publishable_key: must be one word"},
};

START_TEST(a_wrong_publishable_key_is_refused_and_not_repeated)
{
    struct settings settings;
    char expected[512];

    ck_assert_msg(config_load_text(key_faults[_i].text, &settings) == RESULT_INVALID, "%s",
                  key_faults[_i].name);
    snprintf(expected, sizeof expected, "%s%s", config_path, key_faults[_i].said);
    ck_assert_msg(strstr(buffer_text(&config_messages), expected) != NULL, "%s: said\n%swanted\n%s",
                  key_faults[_i].name, buffer_text(&config_messages), expected);
    ck_assert_ptr_null(strstr(buffer_text(&config_messages), "hunter2"));
}
END_TEST

START_TEST(every_fault_of_a_file_is_reported)
{
    struct settings settings;
    int lines = 0;

    ck_assert_int_eq(
        config_load_text(
            "rate = { per_sec = -1; burst = 0; };\nbogus = 1;\nredis = { url = \"x\"; };\n"
            "retry = { max_delay_ms = 10; };\n",
            &settings),
        RESULT_INVALID);
    for (const char *c = buffer_text(&config_messages); *c != '\0'; c++)
        lines += *c == '\n';
    ck_assert_msg(lines == 6, "%s", buffer_text(&config_messages));
}
END_TEST

/* libconfig 1.5 itself drops a text when it finds a fault behind it. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig\n";
}

/* Bytes out of a sound file, some of them exchanged for others or cut off. */
static size_t spoil(char *text, size_t len)
{
    static const char pieces[] = "{}[]()=;,\"\\\n/*#@0x1e9L-. \t\xff";
    size_t changes = (size_t)(random() % 6);

    for (size_t i = 0; i < changes; i++)
        text[(size_t)random() % len] = pieces[(size_t)random() % (sizeof pieces - 1)];
    return random() % 4 == 0 ? (size_t)random() % len : len;
}

START_TEST(a_spoiled_file_is_taken_or_refused_with_a_message)
{
    static const char good[] =
        "conductor = { publishable_key = \"pk_x\"; redirect_hosts = [\"a.b\", \"c\"]; "
        "max_in_flight = 7; };\n"
        "rate = { per_sec = 12.5; burst = 2; }; // a\nretry = { max_attempts = 3; };\n/* b */ # c\n"
        "redis = { url = \"redis://u@[::1]:63/4\"; key_prefix = \"{a}\"; queue = \"{a}q\"; };\n";
    unsigned int seed = (unsigned int)time(NULL);
    char text[sizeof good];

    srandom(seed);
    for (int round = 0; round < 1000; round++) {
        struct settings settings = {.secret_key = NULL};
        memcpy(text, good, sizeof good);
        config_write_bytes(text, spoil(text, sizeof good - 1));
        buffer_reset(&config_messages);
        enum result result = config_load(config_path, &settings, &config_messages);
        ck_assert_msg(result == RESULT_OK || result == RESULT_INVALID, "seed %u round %d", seed,
                      round);
        ck_assert_msg((result == RESULT_OK) == (config_messages.len == 0), "seed %u round %d: %s",
                      seed, round, buffer_text(&config_messages));
        config_free(&settings);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_faults");
    TCase *tcase = tcase_create("config_faults");

    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, config_set_up, config_tear_down);
    tcase_add_loop_test(tcase, a_fault_is_named_with_its_line_and_what_is_right, 0, ROWS(faults));
    tcase_add_loop_test(tcase, a_fault_of_the_api_group_is_named, 0, ROWS(conductor_faults));
    tcase_add_loop_test(tcase, a_wrong_publishable_key_is_refused_and_not_repeated, 0,
                        ROWS(key_faults));
    tcase_add_test(tcase, every_fault_of_a_file_is_reported);
    tcase_add_test(tcase, a_spoiled_file_is_taken_or_refused_with_a_message);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
