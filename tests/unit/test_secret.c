/* test_secret.c - where secrets are found, and how they are held. */
#include "base/buffer.h"
#include "config/secret.h"
#include "run_tests.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char file_path[128];
static char credential_path[128];
static struct buffer messages;

static void write_file(const char *path, mode_t mode, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static void write_text(const char *path, mode_t mode, const char *text)
{
    write_file(path, mode, text, strlen(text));
}

/* Unchecked fixture, so that the folder goes also after a failure. */
static void set_up(void)
{
    snprintf(folder, sizeof folder, "%s", "/tmp/authlinkd-secret-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file_path, sizeof file_path, "%s/key", folder);
    snprintf(credential_path, sizeof credential_path, "%s/the-key", folder);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    unsetenv("TEST_SECRET");
    buffer_init(&messages, 4096);
}

static void empty_folder(void)
{
    unlink(file_path);
    unlink(credential_path);
}

static void tear_down(void)
{
    empty_folder();
    rmdir(folder);
    buffer_done(&messages);
}

static enum result load(const char *file, struct secret **ret_secret)
{
    struct secret_places places = {.setting = "some.file",
                                   .file = file,
                                   .credential = "the-key",
                                   .env_variable = "TEST_SECRET",
                                   .max_len = 100};

    return secret_load(&places, ret_secret, &messages);
}

/* Loads what must be there, and hands out a copy of its text. */
static void expect_secret(const char *file, const char *text, const char *source)
{
    struct secret *secret = NULL;

    ck_assert_msg(load(file, &secret) == RESULT_OK, "%s", buffer_text(&messages));
    ck_assert_str_eq(secret_text(secret), text);
    ck_assert_ptr_nonnull(strstr(secret_source(secret), source));
    ck_assert_ptr_null(secret_free(secret));
}

START_TEST(the_file_comes_before_the_credential_and_that_before_the_environment)
{
    struct secret *secret = NULL;

    ck_assert_int_eq(load("", &secret), RESULT_NOT_FOUND);
    ck_assert_str_eq(buffer_text(&messages), "");
    setenv("TEST_SECRET", "from_env", 1);
    expect_secret(NULL, "from_env", "environment TEST_SECRET");
    write_text(credential_path, 0600, "from_credential");
    expect_secret("", "from_credential", "credential the-key");
    write_text(file_path, 0600, "from_file");
    expect_secret(file_path, "from_file", file_path);
}
END_TEST

START_TEST(an_empty_environment_variable_is_none)
{
    struct secret *secret = NULL;

    setenv("TEST_SECRET", "", 1);
    ck_assert_int_eq(load(NULL, &secret), RESULT_NOT_FOUND);
}
END_TEST

START_TEST(a_later_place_with_another_secret_is_named)
{
    struct secret *secret = NULL;

    write_text(file_path, 0600, "one\n");
    setenv("TEST_SECRET", "one", 1);
    ck_assert_int_eq(load(file_path, &secret), RESULT_OK);
    ck_assert_ptr_null(secret_shadowed(secret));
    secret_free(secret);

    setenv("TEST_SECRET", "two", 1);
    ck_assert_int_eq(load(file_path, &secret), RESULT_OK);
    ck_assert_str_eq(secret_text(secret), "one");
    ck_assert_str_eq(secret_shadowed(secret), "environment TEST_SECRET");
    secret_free(secret);

    write_text(credential_path, 0400, "three");
    ck_assert_int_eq(load(file_path, &secret), RESULT_OK);
    ck_assert_str_eq(secret_shadowed(secret), "credential the-key");
    secret_free(secret);
}
END_TEST

START_TEST(blanks_and_line_ends_around_it_are_not_part_of_it)
{
    write_text(file_path, 0600, " \t\r\nsk_x \r\n\n");
    expect_secret(file_path, "sk_x", file_path);
}
END_TEST

START_TEST(the_fingerprint_is_the_beginning_of_sha256)
{
    struct secret *secret = NULL;

    write_text(file_path, 0600, "abc\n"); /* FIPS 180-4, the example "abc" */
    ck_assert_int_eq(load(file_path, &secret), RESULT_OK);
    ck_assert_str_eq(secret_fingerprint(secret), "ba7816bf8f01");
    secret_free(secret);
}
END_TEST

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *name;
    const char *text;
    size_t len;
    const char *said;
} bad_texts[] = {
    {"empty", "", 0, "is empty"},
    {"blanks only", " \n\t", 3, "is empty"},
    {"two lines", "sk_a\nsk_b", 9, "several lines"},
    {"NUL byte", "sk_a\0b", 6, "control bytes"},
    {"DEL", "sk_a\x7f", 5, "control bytes"},
    {"too long by one", A50 A50 "b", 101, "too long"},
};

START_TEST(what_cannot_be_a_secret_is_refused_and_not_repeated)
{
    struct secret *secret = NULL;

    write_file(file_path, 0600, bad_texts[_i].text, bad_texts[_i].len);
    setenv("TEST_SECRET", "another", 1); /* a fault is no reason to look further */
    ck_assert_msg(load(file_path, &secret) == RESULT_INVALID, "%s", bad_texts[_i].name);
    ck_assert_msg(strstr(buffer_text(&messages), bad_texts[_i].said) != NULL, "%s: %s",
                  bad_texts[_i].name, buffer_text(&messages));
    ck_assert_ptr_null(strstr(buffer_text(&messages), "sk_a"));
    ck_assert_ptr_nonnull(strstr(buffer_text(&messages), "some.file: "));
}
END_TEST

static const struct {
    mode_t mode;
    bool is_fine;
} modes[] = {
    {0600, true},  {0400, true},  {0640, true},  {0440, true},
    {0660, false}, {0620, false}, {0644, false}, {0602, false},
};

START_TEST(a_file_that_too_many_may_read_or_write_is_refused)
{
    struct secret *secret = NULL;

    write_text(file_path, modes[_i].mode, "sk_x");
    enum result result = load(file_path, &secret);
    ck_assert_msg((result == RESULT_OK) == modes[_i].is_fine, "mode %o", (unsigned)modes[_i].mode);
    if (!modes[_i].is_fine)
        ck_assert_ptr_nonnull(strstr(buffer_text(&messages), "chmod 640"));
    secret_free(secret);
}
END_TEST

START_TEST(a_file_that_is_named_but_missing_is_a_fault)
{
    struct secret *secret = NULL;

    setenv("TEST_SECRET", "another", 1);
    ck_assert_int_eq(load("/nonexistent/key", &secret), RESULT_INVALID);
    ck_assert_ptr_nonnull(strstr(buffer_text(&messages), "file /nonexistent/key No such file"));
}
END_TEST

START_TEST(a_pipe_is_refused_and_holds_nobody_up)
{
    struct secret *secret = NULL;

    ck_assert_int_eq(mkfifo(file_path, 0600), 0);
    ck_assert_int_eq(load(file_path, &secret), RESULT_INVALID);
    ck_assert_ptr_nonnull(strstr(buffer_text(&messages), "no regular file"));
}
END_TEST

START_TEST(it_is_kept_out_of_core_dumps)
{
    struct secret *secret = NULL;
    char line[512];
    bool is_in_mapping = false;
    bool is_excluded = false;

    write_text(file_path, 0600, "sk_x");
    ck_assert_int_eq(load(file_path, &secret), RESULT_OK);
    FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        char *rest = NULL;
        uintptr_t from = strtoul(line, &rest, 16);
        uintptr_t at = (uintptr_t)secret_text(secret);
        if (rest != line && *rest == '-')
            is_in_mapping = from <= at && at < strtoul(rest + 1, NULL, 16);
        if (is_in_mapping && strncmp(line, "VmFlags:", 8) == 0)
            is_excluded =
                strstr(line, " dd") != NULL; /* proc(5): do not include area into core dump */
    }
    fclose(maps);
    ck_assert(is_excluded);
    secret_free(secret);
}
END_TEST

START_TEST(free_takes_null)
{
    ck_assert_ptr_null(secret_free(NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    TCase *tcase = tcase_create("secret");

    tcase_add_unchecked_fixture(tcase, set_up, tear_down);
    tcase_add_checked_fixture(tcase, empty_folder, NULL);
    tcase_add_test(tcase, the_file_comes_before_the_credential_and_that_before_the_environment);
    tcase_add_test(tcase, an_empty_environment_variable_is_none);
    tcase_add_test(tcase, a_later_place_with_another_secret_is_named);
    tcase_add_test(tcase, blanks_and_line_ends_around_it_are_not_part_of_it);
    tcase_add_test(tcase, the_fingerprint_is_the_beginning_of_sha256);
    tcase_add_loop_test(tcase, what_cannot_be_a_secret_is_refused_and_not_repeated, 0,
                        sizeof bad_texts / sizeof bad_texts[0]);
    tcase_add_loop_test(tcase, a_file_that_too_many_may_read_or_write_is_refused, 0,
                        sizeof modes / sizeof modes[0]);
    tcase_add_test(tcase, a_file_that_is_named_but_missing_is_a_fault);
    tcase_add_test(tcase, a_pipe_is_refused_and_holds_nobody_up);
    tcase_add_test(tcase, it_is_kept_out_of_core_dumps);
    tcase_add_test(tcase, free_takes_null);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
