/* test_transfers_tls.c - whom the client trusts, and what it says when it does not. */
#include "conductor/transfers.h"
#include "run_tests.h"

#include "support_client.h"
#include "support_http.h"
#include "support_tls.h"

#include <check.h>
#include <string.h>

#define LONG_MS 30000

static bool answer_ok(struct http_connection *connection, const struct http_request *request,
                      void *user)
{
    (void)user;
    http_answer(connection, 200, "", request->body);
    return true;
}

static const struct {
    const char *name;
    const char *host;        /* that the client asks for */
    const char *certificate; /* what the server's is for */
    bool is_expired;
    enum { ITS_AUTHORITY, OTHER_AUTHORITY, SYSTEM_AUTHORITIES, NO_FILE } trusted;
    int max_version;   /* of the server; 0: any */
    const char *tells; /* NULL: trusted */
} servers[] = {
    {"right name", "localhost", "DNS:localhost", false, ITS_AUTHORITY, 0, NULL},
    {"right address", "127.0.0.1", "IP:127.0.0.1", false, ITS_AUTHORITY, 0, NULL},
    {"right name over TLS 1.2", "localhost", "DNS:localhost", false, ITS_AUTHORITY, TLS1_2_VERSION,
     NULL},
    {"other authority", "localhost", "DNS:localhost", false, OTHER_AUTHORITY, 0, "certificate"},
    {"authority of a test", "localhost", "DNS:localhost", false, SYSTEM_AUTHORITIES, 0,
     "certificate"},
    {"expired", "localhost", "DNS:localhost", true, ITS_AUTHORITY, 0, "expired"},
    {"other name", "localhost", "DNS:api.example", false, ITS_AUTHORITY, 0, "localhost"},
    {"name of which it is a part", "127.0.0.1", "DNS:127.0.0.1.example", false, ITS_AUTHORITY, 0,
     "127.0.0.1"},
    {"file that is not there", "localhost", "DNS:localhost", false, NO_FILE, 0, "/nowhere/ca.pem"},
    {"nothing newer than TLS 1.1", "localhost", "DNS:localhost", false, ITS_AUTHORITY,
     TLS1_1_VERSION, "TLS"},
};

START_TEST(server_is_trusted_or_nothing_is_sent)
{
    struct tls_authority authority;
    struct tls_authority other;
    struct client client;

    tls_authority_make(&authority);
    tls_authority_make(&other);
    SSL_CTX *tls = tls_server(&authority, servers[_i].certificate, servers[_i].is_expired);
    SSL_CTX_set_security_level(tls, 0);
    SSL_CTX_set_max_proto_version(tls, servers[_i].max_version);

    const char *ca_files[] = {[ITS_AUTHORITY] = authority.file,
                              [OTHER_AUTHORITY] = other.file,
                              [SYSTEM_AUTHORITIES] = "",
                              [NO_FILE] = "/nowhere/ca.pem"};
    struct http_server *server = http_server_start(answer_ok, NULL, tls);
    client_init(&client, "https", servers[_i].host, http_server_port(server),
                ca_files[servers[_i].trusted], LONG_MS, 1);
    const struct client_end *end = client_do(&client, "{}");
    if (servers[_i].tells == NULL) {
        ck_assert_msg(end->state == ANSWER_WHOLE, "%s: %s", servers[_i].name, end->failure);
        ck_assert_str_eq(end->body, "{}");
    } else {
        ck_assert_msg(end->state == ANSWER_UNSENT, "%s", servers[_i].name);
        ck_assert_msg(strstr(end->failure, servers[_i].tells) != NULL, "%s: %s", servers[_i].name,
                      end->failure);
        ck_assert_msg(strstr(end->failure, "no trusted TLS connection to") != NULL &&
                          strstr(end->failure, servers[_i].host) != NULL &&
                          strstr(end->failure, "ca_file") != NULL,
                      "%s: %s", servers[_i].name, end->failure);
        ck_assert_int_eq(http_server_requests(server), 0);
    }
    http_server_stop(server);
    client_done(&client);
    SSL_CTX_free(tls);
    tls_authority_done(&other);
    tls_authority_done(&authority);
}
END_TEST

START_TEST(server_that_speaks_no_tls_gets_no_request)
{
    struct http_server *server = http_server_start(answer_ok, NULL, NULL);
    struct client client;

    client_init(&client, "https", "127.0.0.1", http_server_port(server), "", 300, 1);
    const struct client_end *end = client_do(&client, "{}");
    ck_assert_int_eq(end->state, ANSWER_UNSENT); /* it waits for the end of a request line */
    ck_assert_msg(strstr(end->failure, "time") != NULL, "%s", end->failure);
    ck_assert_int_eq(http_server_requests(server), 0);
    http_server_stop(server);
    client_done(&client);
}
END_TEST

static bool close_after_second(struct http_connection *connection,
                               const struct http_request *request, void *user)
{
    if (connection->requests == 2)
        return false;
    return answer_ok(connection, request, user);
}

START_TEST(post_on_a_connection_that_dies_is_not_sent_again_over_tls)
{
    struct tls_authority authority;
    struct client client;

    tls_authority_make(&authority);
    SSL_CTX *tls = tls_server(&authority, "DNS:localhost", false);
    struct http_server *server = http_server_start(close_after_second, NULL, tls);
    client_init(&client, "https", "localhost", http_server_port(server), authority.file, LONG_MS,
                1);
    ck_assert_int_eq(client_do(&client, "1")->state, ANSWER_WHOLE);
    ck_assert_int_eq(client_do(&client, "2")->state, ANSWER_BROKEN);
    ck_assert_int_eq(http_server_requests(server), 2);
    ck_assert_int_eq(client_do(&client, "3")->state, ANSWER_WHOLE);
    ck_assert_int_eq(http_server_requests(server), 3);
    http_server_stop(server);
    client_done(&client);
    SSL_CTX_free(tls);
    tls_authority_done(&authority);
}
END_TEST

START_TEST(target_without_ca_file_trusts_the_system_only)
{
    struct tls_authority authority;
    struct endpoint endpoint;
    struct client client;
    const char *why;
    char base_url[64];

    tls_authority_make(&authority);
    SSL_CTX *tls = tls_server(&authority, "DNS:localhost", false);
    struct http_server *server = http_server_start(answer_ok, NULL, tls);
    client_init(&client, "https", "localhost", http_server_port(server), authority.file, LONG_MS,
                1);
    ck_assert_int_eq(client_do(&client, "1")->state, ANSWER_WHOLE);

    /* As after a reload: the same handle, and a target whose trust is another. */
    snprintf(base_url, sizeof base_url, "https://localhost:%d/v1", http_server_port(server));
    ck_assert_int_eq(endpoint_parse(base_url, &endpoint, &why), RESULT_OK);
    transfers_retire_target(client.transfers, client.target);
    transfer_target_release(client.target);
    client.target = transfer_target_new(&endpoint, CLIENT_SECRET_KEY, "", LONG_MS);
    ck_assert_ptr_nonnull(client.target);
    ck_assert_int_eq(client_do(&client, "2")->state, ANSWER_UNSENT);
    ck_assert_int_eq(http_server_requests(server), 1);
    http_server_stop(server);
    client_done(&client);
    SSL_CTX_free(tls);
    tls_authority_done(&authority);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transfers_tls");
    TCase *tcase = tcase_create("transfers_tls");

    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, server_is_trusted_or_nothing_is_sent, 0,
                        sizeof servers / sizeof servers[0]);
    tcase_add_test(tcase, server_that_speaks_no_tls_gets_no_request);
    tcase_add_test(tcase, post_on_a_connection_that_dies_is_not_sent_again_over_tls);
    tcase_add_test(tcase, target_without_ca_file_trusts_the_system_only);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
