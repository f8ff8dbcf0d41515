/* test_link_tls.c - a connection over TLS: names with several addresses, and files that are wrong.
 */
#include "run_tests.h"
#include "support_link.h"
#include "support_tls.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A server that agrees to everything. */
struct tls_peer {
    SSL_CTX *context;
    struct evconnlistener *listener;
    struct bufferevent *streams[8];
    int count;
};

static struct tls_authority authority;
static struct tls_peer first, second;

static void on_readable(struct bufferevent *stream, void *user)
{
    static const char ok[] = "+OK\r\n";
    struct evbuffer *input = bufferevent_get_input(stream);
    char word[1];

    (void)user;
    while (evbuffer_remove(input, word, 1) == 1)
        if (word[0] == '*')
            bufferevent_write(stream, ok, sizeof ok - 1);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                        struct sockaddr *address, int len, void *user)
{
    struct tls_peer *server = user;

    (void)address;
    (void)len;
    ck_assert_int_lt(server->count, 8);
    struct bufferevent *stream = bufferevent_openssl_socket_new(
        evconnlistener_get_base(listener), fd, SSL_new(server->context), BUFFEREVENT_SSL_ACCEPTING,
        BEV_OPT_CLOSE_ON_FREE);
    ck_assert_ptr_nonnull(stream);
    bufferevent_setcb(stream, on_readable, NULL, NULL, server);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
    server->streams[server->count++] = stream;
}

/* `port` 0: a free one. Returns its port. */
static uint16_t start(struct tls_peer *server, const char *ip, uint16_t port, const char *name)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof address;

    inet_pton(AF_INET, ip, &address.sin_addr);
    server->context = tls_server(&authority, name, false);
    server->listener = evconnlistener_new_bind(peer.base, on_accepted, server,
                                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 8,
                                               (struct sockaddr *)&address, sizeof address);
    ck_assert_ptr_nonnull(server->listener);
    getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &len);
    return ntohs(address.sin_port);
}

static void stop(struct tls_peer *server)
{
    if (server->context == NULL)
        return;
    for (int i = 0; i < server->count; i++)
        bufferevent_free(server->streams[i]);
    evconnlistener_free(server->listener);
    SSL_CTX_free(server->context);
    memset(server, 0, sizeof *server);
}

static void begin(void)
{
    peer_begin();
    tls_authority_make(&authority);
}

static void end(void)
{
    peer.link = link_free(peer.link);
    stop(&first);
    stop(&second);
    tls_authority_done(&authority);
    peer_end();
}

static struct link_address address_of(const char *host, uint16_t port)
{
    struct link_address address = {.port = port, .tls = {.is_on = true}};

    snprintf(address.host, sizeof address.host, "%s", host);
    snprintf(address.tls.ca_file, sizeof address.tls.ca_file, "%s", authority.file);
    return address;
}

static void write_file(char *path, const char *text, mode_t mode)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

/* redis.test has two addresses, tried in this order. */
static void add_hosts(void)
{
    char path[] = "/tmp/authlinkd-hosts-XXXXXX";

    write_file(path, "127.0.0.2 redis.test\n127.0.0.1 redis.test\n", 0600);
    ck_assert_int_eq(evdns_base_load_hosts(peer.dns, path), 0);
    unlink(path);
}

START_TEST(address_that_refuses_the_connection_is_passed_over)
{
    struct link_address address =
        address_of("redis.test", start(&second, "127.0.0.1", 0, "DNS:redis.test"));

    add_hosts();
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_up);
    ck_assert_int_eq(peer.downs, 0);
}
END_TEST

START_TEST(address_with_another_certificate_is_passed_over)
{
    uint16_t port = start(&first, "127.0.0.2", 0, "DNS:other.test");
    struct link_address address = address_of("redis.test", port);

    start(&second, "127.0.0.1", port, "DNS:redis.test");
    add_hosts();
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_up);
    ck_assert_int_eq(peer.downs, 0);
    ck_assert_int_eq(first.count, 1);
}
END_TEST

START_TEST(refusal_of_TLS_is_told_even_if_the_next_address_refuses_the_connection)
{
    struct link_address address =
        address_of("redis.test", start(&first, "127.0.0.2", 0, "DNS:other.test"));

    add_hosts();
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert_str_eq(peer.why, "TLS refused: the certificate of redis.test is for another name; "
                               "write a name of the certificate into redis.url");
}
END_TEST

START_TEST(refused_connection_is_no_refusal_of_TLS)
{
    struct link_address address = address_of("127.0.0.1", start(&first, "127.0.0.1", 0, "DNS:x"));

    stop(&first);
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert_str_eq(peer.why, "Connection refused");
}
END_TEST

START_TEST(wildcard_stands_for_one_whole_label_only)
{
    struct link_address address =
        address_of("redis.test", start(&first, "127.0.0.1", 0, "DNS:re*.test"));

    add_hosts();
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    ck_assert_msg(strstr(peer.why, "another name") != NULL, "%s", peer.why);
}
END_TEST

/* A file of the configuration with this text; where it is the key, authority.file is the
 * certificate. */
static const struct {
    const char *name;
    bool is_key;
    mode_t mode;
    const char *text;
    const char *why;
} wrong_files[] = {
    {"authorities that are none", false, 0644, "nothing\n", "redis.ca_file: "},
    {"key that is none", true, 0600, "nothing\n", "redis.key_file: "},
    {"key for all to read", true, 0644, "nothing\n", "mend it with: chmod 640"},
    {"key for its group to write", true, 0620, "nothing\n", "mend it with: chmod 640"},
    {"key with a passphrase", true, 0600,
     "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
     "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n"
     "-----END EC PRIVATE KEY-----\n",
     "redis.key_file: "},
};

START_TEST(wrong_file_is_told_by_its_setting)
{
    struct link_address address = address_of("127.0.0.1", 1);
    char path[] = "/tmp/authlinkd-file-XXXXXX";
    char *target = wrong_files[_i].is_key ? address.tls.key_file : address.tls.ca_file;

    write_file(path, wrong_files[_i].text, wrong_files[_i].mode);
    snprintf(target, LINK_FILE_MAX_LEN + 1, "%s", path);
    if (wrong_files[_i].is_key)
        snprintf(address.tls.cert_file, sizeof address.tls.cert_file, "%s", authority.file);
    peer_start_link(&address, 5000);
    run_until(peer.base, &peer.is_down);
    unlink(path);
    ck_assert_msg(strstr(peer.why, wrong_files[_i].why) != NULL && strstr(peer.why, path) != NULL,
                  "%s: %s", wrong_files[_i].name, peer.why);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link_tls");
    TCase *tcase = tcase_create("link_tls");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, address_that_refuses_the_connection_is_passed_over);
    tcase_add_test(tcase, address_with_another_certificate_is_passed_over);
    tcase_add_test(tcase, refusal_of_TLS_is_told_even_if_the_next_address_refuses_the_connection);
    tcase_add_test(tcase, refused_connection_is_no_refusal_of_TLS);
    tcase_add_test(tcase, wildcard_stands_for_one_whole_label_only);
    tcase_add_loop_test(tcase, wrong_file_is_told_by_its_setting, 0,
                        (int)(sizeof wrong_files / sizeof wrong_files[0]));
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
