/* test_log.c - one line an event, whatever its values hold. */
#include "base/log.h"

#include "base/text.h"
#include "run_tests.h"

#include <check.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int read_end;
static char output[131072];

/* realloc() of the program under test, which tests/CMakeLists.txt links to this. */
static bool is_memory_out;
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

void *__wrap_realloc(void *memory, size_t bytes)
{
    return is_memory_out ? NULL : __real_realloc(memory, bytes);
}

/* What is logged goes into a pipe from now on. */
static void set_up(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    fcntl(ends[1], F_SETPIPE_SZ, (int)sizeof output);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    close(ends[1]);
    read_end = ends[0];
    unsetenv("JOURNAL_STREAM");
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

/* All that was logged since the last call. */
static const char *logged(void)
{
    size_t len = 0;

    for (;;) {
        ssize_t got = read(read_end, output + len, sizeof output - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    output[len] = '\0';
    return output;
}

/* The line behind its time stamp, `2026-11-24T13:00:00.000Z `. */
static const char *logged_text(void)
{
    const char *line = logged();

    ck_assert_uint_gt(strlen(line), 25);
    ck_assert_int_eq(line[10], 'T');
    ck_assert_mem_eq(line + 23, "Z ", 2);
    return line + 25;
}

static const struct {
    const char *name;
    const char *value;
    const char *shown;
} values[] = {
    {"word", "end_usr_1", "end_usr_1"},
    {"nothing", "", "\"\""},
    {"blank", "a b", "\"a b\""},
    {"line end", "a\nlevel=error b", "\"a\\u000alevel=error b\""},
    {"CR and tab", "\r\t", "\"\\u000d\\u0009\""},
    {"escape of a terminal", "\033[2J", "\"\\u001b[2J\""},
    {"quote", "a\" b=\"c", "\"a\\\" b=\\\"c\""},
    {"backslash", "a\\n", "\"a\\\\n\""},
    {"equals sign", "a=b", "\"a=b\""},
    {"bytes beyond ASCII", "\xc3\xbc", "\"\\u00c3\\u00bc\""},
    {"DEL", "\x7f", "\"\\u007f\""},
};

START_TEST(a_value_can_neither_end_a_line_nor_forge_a_field)
{
    char expected[128];

    log_info("job.settled", log_str("job", values[_i].value), log_int("attempts", 2));
    snprintf(expected, sizeof expected, "info job.settled job=%s attempts=2\n", values[_i].shown);
    ck_assert_msg(strcmp(logged_text(), expected) == 0, "%s: %s", values[_i].name, output);
}
END_TEST

START_TEST(a_nul_byte_of_a_value_is_shown)
{
    log_info("a.b", log_bytes("x", "a\0b", 3));
    ck_assert_str_eq(logged_text(), "info a.b x=\"a\\u0000b\"\n");
}
END_TEST

START_TEST(a_missing_text_is_a_hyphen)
{
    log_info("a.b", log_str("x", NULL));
    ck_assert_str_eq(logged_text(), "info a.b x=-\n");
}
END_TEST

START_TEST(a_secret_shows_only_that_it_is_set)
{
    log_info("a.b", log_secret("key", "sk_hunter2"), log_secret("other", ""),
             log_secret("third", NULL));
    ck_assert_str_eq(logged_text(), "info a.b key=set other=unset third=unset\n");
}
END_TEST

START_TEST(what_is_below_the_level_is_not_written)
{
    log_debug("a.b", log_int("x", 1));
    ck_assert_str_eq(logged(), "");
    log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    log_warn("a.b", log_int("x", 1));
    ck_assert_str_eq(logged(), "");
    log_error("a.b", log_int("x", INT64_MIN));
    ck_assert_str_eq(logged_text(), "error a.b x=-9223372036854775808\n");
}
END_TEST

START_TEST(the_journal_gets_the_priority_and_no_time)
{
    struct stat status;
    char stream[64];

    ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_warn("a.b", log_int("x", 1));
    ck_assert_str_eq(logged(), "<4>a.b x=1\n");
    setenv("JOURNAL_STREAM", "1:1", 1); /* of another process */
    log_warn("a.b", log_int("x", 1));
    ck_assert_str_eq(logged_text(), "warn a.b x=1\n");
}
END_TEST

/* One line, and an object. The caller frees it. */
static cJSON *logged_json(unsigned int seed)
{
    const char *line = logged();
    size_t len = strlen(line);

    ck_assert_msg(len > 0 && strchr(line, '\n') == line + len - 1, "seed %u: %s", seed, line);
    ck_assert_msg(text_is_printable(line, len - 1), "seed %u", seed);
    cJSON *json = cJSON_Parse(line);
    ck_assert_msg(cJSON_IsObject(json), "seed %u: %s", seed, line);
    return json;
}

START_TEST(json_is_an_object_a_line)
{
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_notice("hold.raised", log_str("cause", "a\nb\"c\\"), log_int("n", -7),
               log_double("r", 0.5));
    cJSON *json = logged_json(0);
    ck_assert_str_eq(cJSON_GetObjectItemCaseSensitive(json, "level")->valuestring, "notice");
    ck_assert_str_eq(cJSON_GetObjectItemCaseSensitive(json, "event")->valuestring, "hold.raised");
    ck_assert_str_eq(cJSON_GetObjectItemCaseSensitive(json, "cause")->valuestring, "a\nb\"c\\");
    ck_assert_int_eq(cJSON_GetObjectItemCaseSensitive(json, "n")->valueint, -7);
    ck_assert_double_eq(cJSON_GetObjectItemCaseSensitive(json, "r")->valuedouble, 0.5);
    cJSON_Delete(json);
}
END_TEST

START_TEST(json_knows_numbers_that_are_none_as_texts)
{
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("a.b", log_double("x", INFINITY), log_double("y", (double)NAN));
    cJSON *json = logged_json(0);
    ck_assert_str_eq(cJSON_GetObjectItemCaseSensitive(json, "x")->valuestring, "inf");
    cJSON_Delete(json);
}
END_TEST

START_TEST(json_stays_valid_with_a_dozen_of_the_longest_worst_values)
{
    char worst[2000];

    memset(worst, 1, sizeof worst);
#define W log_bytes("w", worst, sizeof worst)
    log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_info("a.b", W, W, W, W, W, W, W, W, W, W, W, W, log_int("last", 1));
#undef W
    cJSON *json = logged_json(0);
    ck_assert_ptr_nonnull(cJSON_GetObjectItemCaseSensitive(json, "last"));
    cJSON_Delete(json);
}
END_TEST

START_TEST(random_values_leave_one_line)
{
    unsigned int seed = (unsigned int)time(NULL);
    char value[64];

    srandom(seed);
    for (int round = 0; round < 5000; round++) {
        for (size_t i = 0; i < sizeof value; i++)
            value[i] = (char)random();
        size_t len = (size_t)random() % sizeof value;
        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
        log_info("a.b", log_bytes("x", value, len));
        cJSON_Delete(logged_json(seed));
        log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
        log_info("a.b", log_bytes("x", value, len));
        const char *line = logged();
        ck_assert_msg(text_is_printable(line, strlen(line) - 1), "seed %u: %s", seed, line);
    }
}
END_TEST

START_TEST(errno_survives)
{
    errno = EXDEV;
    close(STDERR_FILENO); /* so that the write fails */
    log_info("a.b", log_int("x", 1));
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(line_without_memory_is_said_to_be_missing)
{
    for (int is_json = 0; is_json < 2; is_json++) {
        log_configure(LOG_LEVEL_INFO, is_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
        is_memory_out = true;
        log_error("settle.unwritten", log_int("items", 1));
        is_memory_out = false;
        ck_assert_str_eq(logged(), "out of memory: a line of the log is missing\n");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");

    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_loop_test(tcase, a_value_can_neither_end_a_line_nor_forge_a_field, 0,
                        (int)(sizeof values / sizeof values[0]));
    tcase_add_test(tcase, a_nul_byte_of_a_value_is_shown);
    tcase_add_test(tcase, a_missing_text_is_a_hyphen);
    tcase_add_test(tcase, a_secret_shows_only_that_it_is_set);
    tcase_add_test(tcase, what_is_below_the_level_is_not_written);
    tcase_add_test(tcase, the_journal_gets_the_priority_and_no_time);
    tcase_add_test(tcase, json_is_an_object_a_line);
    tcase_add_test(tcase, json_knows_numbers_that_are_none_as_texts);
    tcase_add_test(tcase, json_stays_valid_with_a_dozen_of_the_longest_worst_values);
    tcase_add_test(tcase, random_values_leave_one_line);
    tcase_add_test(tcase, errno_survives);
    tcase_add_test(tcase, line_without_memory_is_said_to_be_missing);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
