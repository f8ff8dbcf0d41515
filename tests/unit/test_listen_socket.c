/* test_listen_socket.c - a socket and its file: whose it is, and what becomes of it. */
#include "app/listen_socket.h"
#include "run_tests.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    char folder[64];
    struct listen_address address;
    struct listen_socket socket;
    struct buffer why;
} test;

static void begin(void)
{
    memset(&test, 0, sizeof test);
    snprintf(test.folder, sizeof test.folder, "/tmp/authlinkd-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(test.folder));
    test.address.family = LISTEN_UNIX;
    snprintf(test.address.unix_path, sizeof test.address.unix_path, "%s/metrics.sock", test.folder);
    test.socket.fd = -1;
    buffer_init(&test.why, 255);
}

static void end(void)
{
    listen_socket_done(&test.socket, true);
    buffer_done(&test.why);
    unlink(test.address.unix_path);
    ck_assert_int_eq(rmdir(test.folder), 0);
}

static enum result open_socket(void)
{
    return listen_socket_open(&test.address, &test.socket, &test.why);
}

static bool exists(void)
{
    struct stat status;

    return lstat(test.address.unix_path, &status) == 0;
}

static void expect_refusal(const char *part)
{
    ck_assert_int_eq(open_socket(), RESULT_SYSTEM);
    ck_assert_int_eq(test.socket.fd, -1);
    ck_assert_msg(strstr(buffer_text(&test.why), part) != NULL, "%s", buffer_text(&test.why));
}

START_TEST(socket_file_is_for_owner_and_group_and_goes_with_the_socket)
{
    struct stat status;
    mode_t before = umask(0);

    ck_assert_int_eq(open_socket(), RESULT_OK);
    ck_assert_int_eq(lstat(test.address.unix_path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0660);
    listen_socket_done(&test.socket, true);
    ck_assert(!exists());
    umask(077); /* that of the unit */
    ck_assert_int_eq(open_socket(), RESULT_OK);
    ck_assert_int_eq(lstat(test.address.unix_path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0660);
    umask(before);
}
END_TEST

START_TEST(file_that_a_dead_process_left_is_replaced)
{
    struct listen_socket dead;

    ck_assert_int_eq(listen_socket_open(&test.address, &dead, &test.why), RESULT_OK);
    close(dead.fd); /* as the kernel does at a kill: the file stays */
    ck_assert(exists());
    ck_assert_int_eq(open_socket(), RESULT_OK);
    /* who comes late to tidy up leaves the new one alone, unless the inode is the same again */
    if (dead.inode != test.socket.inode) {
        dead.fd = -1;
        listen_socket_done(&dead, true);
        ck_assert(exists());
    }
}
END_TEST

START_TEST(socket_of_a_living_process_is_left_alone)
{
    struct listen_socket living;

    ck_assert_int_eq(listen_socket_open(&test.address, &living, &test.why), RESULT_OK);
    expect_refusal("choose another metrics.listen");
    ck_assert(exists());
    listen_socket_done(&living, true);
    ck_assert(!exists());
}
END_TEST

START_TEST(file_that_is_no_socket_is_left_alone)
{
    int fd = open(test.address.unix_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    close(fd);
    expect_refusal("choose another metrics.listen");
    ck_assert(exists());
}
END_TEST

START_TEST(file_that_another_process_put_there_is_not_removed)
{
    ck_assert_int_eq(open_socket(), RESULT_OK);
    char other[LISTEN_PATH_MAX_LEN + 8];
    snprintf(other, sizeof other, "%s.other", test.address.unix_path);
    int fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(rename(other, test.address.unix_path), 0);
    listen_socket_done(&test.socket, true);
    ck_assert(exists());
}
END_TEST

START_TEST(folder_that_is_not_there_is_named_as_the_cause)
{
    snprintf(test.address.unix_path, sizeof test.address.unix_path, "%s/none/x", test.folder);
    expect_refusal("directory");
}
END_TEST

static const enum listen_family families[] = {LISTEN_IPV4, LISTEN_IPV6};

/* Any free port: port 0 is never in a setting. */
START_TEST(loopback_is_listened_at_and_a_port_in_use_is_refused)
{
    struct listen_socket first;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } name;
    socklen_t len = sizeof name;

    test.address = (struct listen_address){.family = families[_i]};
    ck_assert_int_eq(listen_socket_open(&test.address, &first, &test.why), RESULT_OK);
    ck_assert_int_eq(getsockname(first.fd, &name.any, &len), 0);
    if (families[_i] == LISTEN_IPV4) {
        ck_assert_uint_eq(ntohl(name.ipv4.sin_addr.s_addr), INADDR_LOOPBACK);
        test.address.port = ntohs(name.ipv4.sin_port);
    } else {
        ck_assert(IN6_IS_ADDR_LOOPBACK(&name.ipv6.sin6_addr));
        test.address.port = ntohs(name.ipv6.sin6_port);
    }
    expect_refusal("choose another metrics.listen");
    listen_socket_done(&first, true);
    ck_assert_int_eq(open_socket(), RESULT_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listen_socket");
    TCase *tcase = tcase_create("listen_socket");
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, socket_file_is_for_owner_and_group_and_goes_with_the_socket);
    tcase_add_test(tcase, file_that_a_dead_process_left_is_replaced);
    tcase_add_test(tcase, socket_of_a_living_process_is_left_alone);
    tcase_add_test(tcase, file_that_is_no_socket_is_left_alone);
    tcase_add_test(tcase, file_that_another_process_put_there_is_not_removed);
    tcase_add_test(tcase, folder_that_is_not_there_is_named_as_the_cause);
    tcase_add_loop_test(tcase, loopback_is_listened_at_and_a_port_in_use_is_refused, 0,
                        (int)(sizeof families / sizeof families[0]));
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
