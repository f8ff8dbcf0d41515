/*
 * read-answer.c - the daemon's own reader of answers, as a program: a body on standard input,
 * what was read of it on standard output, `name<TAB>value` a line.
 *
 *   read-answer STATUS END_USER_ID LINK_EXPIRY_MINS < body
 *
 * Tests hold it against what Conductor's own SDKs return for the same answer.
 */
#include "base/buffer.h"
#include "base/text.h"
#include "conductor/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX_BYTES 65536

static bool read_body(struct buffer *body)
{
    char chunk[4096];
    size_t len = 0;

    while ((len = fread(chunk, 1, sizeof chunk, stdin)) > 0)
        if (buffer_append(body, chunk, len) != RESULT_OK)
            return false;
    return body->len > 0;
}

static void print_answer(const struct answer *answer)
{
    static const char *const bodies[] = {[ANSWER_BODY_OTHER] = "other",
                                         [ANSWER_BODY_SESSION] = "session",
                                         [ANSWER_BODY_ENVELOPE] = "envelope"};

    printf("body\t%s\n", bodies[answer->body]);
    printf("id\t%s\n", answer->session.id);
    printf("authFlowUrl\t%s\n", answer->session.auth_flow_url);
    printf("createdAt\t%s\n", answer->session.created_at);
    printf("expiresAt\t%s\n", answer->session.expires_at);
    printf("lifeMs\t%" PRId64 "\n", answer->session.life_ms);
    printf("type\t%s\n", answer->error_type);
    printf("code\t%s\n", answer->error_code);
}

int main(int argc, char **argv)
{
    struct host_list hosts = {0};
    struct headers headers;
    struct buffer body;
    struct answer answer;
    int64_t status = 0;
    int64_t minutes = 0;

    buffer_init(&body, BODY_MAX_BYTES);
    headers_reset(&headers);
    if (argc != 4 || text_to_int64(argv[1], strlen(argv[1]), 100, 599, &status) != RESULT_OK ||
        text_to_int64(argv[3], strlen(argv[3]), 1, 10080, &minutes) != RESULT_OK ||
        host_list_add(&hosts, "connect.conductor.is") != RESULT_OK || !read_body(&body)) {
        fprintf(stderr, "Usage: read-answer STATUS END_USER_ID LINK_EXPIRY_MINS < body\n");
        return 2;
    }

    struct answer_raw raw = {
        .http_status = (int)status, .body = body.data, .body_len = body.len, .headers = &headers};
    struct answer_expected expected = {
        .end_user_id = argv[2], .link_expiry_mins = (uint32_t)minutes, .link_hosts = &hosts};
    answer_parse(&raw, &expected, &answer);
    print_answer(&answer);
    buffer_done(&body);
    return 0;
}
