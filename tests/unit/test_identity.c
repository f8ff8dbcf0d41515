/* test_identity.c - the lock of an instance. */
#include "app/identity.h"
#include "run_tests.h"

#include <check.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ASKERS (IDENTITY_ASKERS_MAX + 1)

static struct identity identity;
static char instance[64];

static void take(void)
{
    pid_t holder = 0;

    snprintf(instance, sizeof instance, "test-identity-%ld", (long)getpid());
    ck_assert(identity_take(instance, "authlink", &identity, &holder) == RESULT_OK);
}

static void give_back(void)
{
    identity_done(&identity);
}

/* Asks as find_holder() does, and stays. */
static int ask(void)
{
    struct sockaddr_un address;
    socklen_t len = sizeof address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getsockname(identity.lock_fd, (struct sockaddr *)&address, &len), 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, len), 0);
    return fd;
}

static bool is_asked(void)
{
    struct pollfd lock = {.fd = identity.lock_fd, .events = POLLIN};

    return poll(&lock, 1, 0) == 1;
}

START_TEST(a_second_holder_is_told_the_first)
{
    struct identity other;
    pid_t holder = 0;

    ck_assert(identity_take(instance, "authlink", &other, &holder) == RESULT_EXISTS);
    ck_assert_int_eq(holder, getpid());
    ck_assert(identity_answer(&identity));
    ck_assert(!is_asked());
}
END_TEST

START_TEST(a_flood_of_askers_has_the_loop_for_a_few_of_them_at_a_time)
{
    int askers[ASKERS];

    for (int i = 0; i < ASKERS; i++)
        askers[i] = ask();
    ck_assert(identity_answer(&identity));
    ck_assert(is_asked());
    ck_assert(identity_answer(&identity));
    ck_assert(!is_asked());
    for (int i = 0; i < ASKERS; i++)
        close(askers[i]);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("identity");
    TCase *tests = tcase_create("lock");

    tcase_add_checked_fixture(tests, take, give_back);
    tcase_add_test(tests, a_second_holder_is_told_the_first);
    tcase_add_test(tests, a_flood_of_askers_has_the_loop_for_a_few_of_them_at_a_time);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void)
{
    return run_tests(make_suite());
}
