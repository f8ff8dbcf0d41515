/* test_answer.c - sessions, errors and everything else that an API may answer. */
#include "conductor/answer.h"
#include "run_tests.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define MIN_MS INT64_C(60000)

static const char today[] =
    "{\"id\":\"auth_sess_1\",\"objectType\":\"auth_session\","
    "\"createdAt\":\"2026-11-24T12:00:00.500Z\",\"endUserId\":\"end_usr_1\","
    "\"clientSecret\":\"auth_sess_client_secret_PLANTED\","
    "\"authFlowUrl\":\"https://connect.conductor.is/qbd/auth_sess_client_secret_1?key=pk_1\","
    "\"expiresAt\":\"2026-11-24T12:30:00.500Z\",\"redirectUrl\":null}";

static const char of_old[] =
    "{\"id\":\"int_conn_auth_sess_1\",\"objectType\":\"auth_session\","
    "\"endUserId\":\"end_usr_1\",\"clientSecret\":\"auth_sess_client_secret_PLANTED\","
    "\"authFlowUrl\":\"https://connect.conductor.is/qbd/auth_sess_client_secret_1?key=pk_1\","
    "\"expiresAt\":\"2026-11-24 12:30:00.5+00\",\"redirectUrl\":null}";

/* An answer of the end user end_usr_1, whose link was asked for with 30 minutes. */
static struct answer parse(int status, const char *lines, const char *body, size_t len)
{
    struct host_list hosts = {.count = 0};
    struct headers headers;
    struct answer answer;

    headers_reset(&headers);
    headers_add(&headers, lines, strlen(lines));
    ck_assert_int_eq(host_list_add(&hosts, "connect.conductor.is"), RESULT_OK);
    ck_assert_int_eq(host_list_add(&hosts, "second.example"), RESULT_OK);

    const struct answer_raw raw = {
        .http_status = status, .body = body, .body_len = len, .headers = &headers};
    const struct answer_expected expected = {
        .end_user_id = "end_usr_1", .link_expiry_mins = 30, .link_hosts = &hosts};
    memset(&answer, 0x5a, sizeof answer);
    answer_parse(&raw, &expected, &answer);
    return answer;
}

/* `text` with its first `from` replaced; `text` itself when `from` is "". */
static void replace(const char *text, const char *from, const char *to, char *target, size_t size)
{
    const char *at = strstr(text, from);

    ck_assert_msg(at != NULL, "%s is not in the text", from);
    snprintf(target, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

START_TEST(session_is_kept_without_its_client_secret)
{
    struct answer answer = parse(200, "Conductor-Request-Id: req_1", today, strlen(today));

    ck_assert_int_eq(answer.state, ANSWER_WHOLE);
    ck_assert_int_eq(answer.http_status, 200);
    ck_assert_int_eq(answer.body, ANSWER_BODY_SESSION);
    ck_assert_str_eq(answer.session.id, "auth_sess_1");
    ck_assert_str_eq(answer.session.auth_flow_url,
                     "https://connect.conductor.is/qbd/auth_sess_client_secret_1?key=pk_1");
    ck_assert_str_eq(answer.session.created_at, "2026-11-24T12:00:00.500Z");
    ck_assert_str_eq(answer.session.expires_at, "2026-11-24T12:30:00.500Z");
    ck_assert_int_eq(answer.session.life_ms, 30 * MIN_MS);
    ck_assert_str_eq(answer.request_id, "req_1");
    ck_assert_str_eq(answer.detail, "");
    ck_assert_int_eq(answer.retry_after_ms, -1);
    ck_assert_int_eq(answer.quota_reset_ms, -1);
    ck_assert(memmem(&answer, sizeof answer, "PLANTED", 7) == NULL);
}
END_TEST

#define URL "\"https://connect.conductor.is/qbd/auth_sess_client_secret_1?key=pk_1\""

static const struct {
    const char *name;
    const char *from, *to;
    const char *fault; /* NULL: a session; else the start of what follows "no session of ours: " */
} sessions[] = {
    {"as it is", "", "", NULL},
    {"further fields", "{", "{\"new\":[1,{\"a\":null}],", NULL},
    {"blanks between", ",", " ,\r\n\t", NULL},
    {"createdAt missing", "\"createdAt\"", "\"x\"", NULL},
    {"URL of the second host", "connect.conductor.is", "second.example", NULL},
    {"host in capitals", "connect.conductor.is", "CONNECT.Conductor.IS", NULL},
    {"port that is meant anyway", "conductor.is/", "conductor.is:443/", NULL},
    {"escaped slashes", "https://", "https:\\/\\/", NULL},
    {"escaped name", "\"id\"", "\"\\u0069d\"", NULL},
    {"id missing", "\"id\"", "\"x\"", "id missing"},
    {"objectType missing", "\"objectType\"", "\"x\"", "objectType missing"},
    {"endUserId missing", "\"endUserId\"", "\"x\"", "endUserId missing"},
    {"authFlowUrl missing", "\"authFlowUrl\"", "\"x\"", "authFlowUrl missing"},
    {"expiresAt missing", "\"expiresAt\"", "\"x\"", "expiresAt missing"},
    {"name in another case", "\"authFlowUrl\"", "\"AuthFlowURL\"", "authFlowUrl missing"},
    {"other name in another case before it", "\"authFlowUrl\"", "\"AuthFlowURL\":1,\"authFlowUrl\"",
     NULL},
    {"id twice", "{", "{\"id\":\"other\",", "id there twice"},
    {"id twice, one escaped", "{", "{\"\\u0069d\":\"other\",", "id there twice"},
    {"authFlowUrl twice", "{", "{\"authFlowUrl\":" URL ",", "authFlowUrl there twice"},
    {"createdAt twice", "{", "{\"createdAt\":\"2026-11-24T12:00:00Z\",", "createdAt there twice"},
    {"id a number", "\"auth_sess_1\"", "1", "id no string"},
    {"id null", "\"auth_sess_1\"", "null", "id no string"},
    {"id empty", "\"auth_sess_1\"", "\"\"", "id empty"},
    {"id with a blank", "auth_sess_1", "auth sess", "id holds"},
    {"id beyond ASCII", "auth_sess_1", "auth_\xc3\xa4", "id holds"},
    {"other object", "\"auth_session\"", "\"end_user\"", "objectType not"},
    {"other end user", "end_usr_1", "end_usr_2", "endUserId not"},
    {"end user in another case", "end_usr_1", "End_usr_1", "endUserId not"},
    {"http", "https://", "http://", "authFlowUrl no sound"},
    {"javascript", "https://", "javascript://", "authFlowUrl no sound"},
    {"no host", "https://connect.conductor.is", "https://", "authFlowUrl no sound"},
    {"other host", "connect.conductor.is", "evil.example", "authFlowUrl leads"},
    {"host that begins alike", "conductor.is/", "conductor.is.evil.example/", "authFlowUrl leads"},
    {"host that ends alike", "connect.", "evil-connect.", "authFlowUrl leads"},
    {"other port", "conductor.is/", "conductor.is:8443/", "authFlowUrl leads"},
    {"port that begins alike", "conductor.is/", "conductor.is:4430/", "authFlowUrl leads"},
    {"user information", "https://", "https://connect.conductor.is@evil.example/",
     "authFlowUrl no sound"},
    {"user before the host", "https://", "https://me@", "authFlowUrl no sound"},
    {"backslash that a browser takes for a slash", "https://", "https://evil.example\\\\@",
     "authFlowUrl no sound"},
    {"blank in the URL", "/qbd/", "/q d/", "authFlowUrl no sound"},
    {"tab in the URL", "/qbd/", "/q\\td/", "authFlowUrl no sound"},
    {"line end in the URL", "/qbd/", "/q\\nd/", "authFlowUrl no sound"},
    {"quote in the URL", "/qbd/", "/q\\\"d/", "authFlowUrl no sound"},
    {"tag in the URL", "/qbd/", "/<b>/", "authFlowUrl no sound"},
    {"beyond ASCII in the URL", "/qbd/", "/\xc3\xa4/", "authFlowUrl no sound"},
    {"expiresAt no time", "2026-11-24T12:30:00.500Z", "tomorrow", "expiresAt no time"},
    {"createdAt no time", "2026-11-24T12:00:00.500Z", "now", "createdAt no time"},
    {"createdAt null", "\"2026-11-24T12:00:00.500Z\"", "null", "createdAt no string"},
};

START_TEST(session_is_checked_field_by_field)
{
    static const char start[] = "HTTP 200, but no session of ours: ";
    char body[2048];

    replace(today, sessions[_i].from, sessions[_i].to, body, sizeof body);
    struct answer answer = parse(200, "", body, strlen(body));
    if (sessions[_i].fault == NULL) {
        ck_assert_msg(answer.body == ANSWER_BODY_SESSION, "%s: %s", sessions[_i].name,
                      answer.detail);
        return;
    }
    ck_assert_msg(answer.body == ANSWER_BODY_OTHER, "%s", sessions[_i].name);
    ck_assert_msg(strncmp(answer.detail, start, strlen(start)) == 0 &&
                      strncmp(answer.detail + strlen(start), sessions[_i].fault,
                              strlen(sessions[_i].fault)) == 0,
                  "%s: %s", sessions[_i].name, answer.detail);
    ck_assert_msg(answer.session.auth_flow_url[0] == '\0', "%s", sessions[_i].name);
}
END_TEST

static const struct {
    const char *name;
    const char *from, *to;
} unlawful[] = {
    {"cut", ",\"redirectUrl\":null}", ""},
    {"something after it", "null}", "null}x"},
    {"a second text", "null}", "null}{}"},
    {"raw line end in a string", "auth_sess_1", "auth\nsess"},
    {"raw tab in a string", "auth_sess_1", "auth\tsess"},
    {"control byte between", "{", "{\x01"},
    {"form feed between", "{", "{\f"},
    {"byte order mark", "{", "\xef\xbb\xbf{"},
    {"invalid UTF-8", "auth_sess_1", "auth_\xff"},
    {"overlong UTF-8", "auth_sess_1", "auth_\xc0\xaf"},
    {"surrogate in UTF-8", "auth_sess_1", "auth_\xed\xa0\x80"},
    {"escaped NUL in a kept field", "auth_sess_1", "auth_sess_1\\u0000x"},
    {"escaped NUL in another", "null}", "\"\\u0000\"}"},
    {"half a surrogate pair", "auth_sess_1", "auth_\\ud800"},
    {"nested deeper than anybody needs", "null}", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"},
    {"single quotes", "\"id\"", "'id'"},
};

START_TEST(json_is_read_strictly)
{
    char body[2048];

    replace(today, unlawful[_i].from, unlawful[_i].to, body, sizeof body);
    struct answer answer = parse(200, "", body, strlen(body));
    ck_assert_msg(answer.body == ANSWER_BODY_OTHER, "%s", unlawful[_i].name);
    ck_assert_str_eq(answer.detail, "HTTP 200 with a body that is not the API's");
}
END_TEST

START_TEST(nul_byte_ends_nothing)
{
    char body[sizeof today + 8] = "";

    memcpy(body, today, sizeof today); /* with its NUL */
    struct answer answer = parse(200, "", body, sizeof today);
    ck_assert_int_eq(answer.body, ANSWER_BODY_OTHER);
    memcpy(body + sizeof today - 2, "\0}", 2);
    answer = parse(200, "", body, sizeof today);
    ck_assert_int_eq(answer.body, ANSWER_BODY_OTHER);
}
END_TEST

START_TEST(backslash_before_u0000_is_just_text)
{
    char body[2048];

    replace(today, "null}", "\"\\\\u0000\"}", body, sizeof body);
    ck_assert_int_eq(parse(200, "", body, strlen(body)).body, ANSWER_BODY_SESSION);
}
END_TEST

START_TEST(too_long_is_refused_and_as_long_as_may_be_taken)
{
    static char body[8192];
    char url[SESSION_URL_MAX_LEN + 4] = "\"https://connect.conductor.is/";

    memset(url + strlen(url), 'a', SESSION_URL_MAX_LEN + 2 - strlen(url));
    url[SESSION_URL_MAX_LEN + 1] = '"';
    replace(today, URL, url, body, sizeof body);
    struct answer answer = parse(200, "", body, strlen(body));
    ck_assert_int_eq(answer.body, ANSWER_BODY_SESSION);
    ck_assert_uint_eq(strlen(answer.session.auth_flow_url), SESSION_URL_MAX_LEN);

    memcpy(url + SESSION_URL_MAX_LEN + 1, "a\"", 2);
    replace(today, URL, url, body, sizeof body);
    answer = parse(200, "", body, strlen(body));
    ck_assert_str_eq(answer.detail, "HTTP 200, but no session of ours: authFlowUrl too long");
}
END_TEST

static const struct {
    const char *name;
    const char *body;
    const char *from, *to;
    const char *date;
    int64_t life_ms;
} lives[] = {
    {"by the API's two times", today, "", "", "", 30 * MIN_MS},
    {"whatever the date says", today, "", "", "Date: Tue, 24 Nov 2026 09:00:00 GMT", 30 * MIN_MS},
    {"API's clock three hours on", today, "12:00:00.500Z", "15:00:00.500Z", "", -150 * MIN_MS},
    {"both three hours on", today, "12:00:00.500Z\",", "12:00:00.500-03:00\",", "", -150 * MIN_MS},
    {"shorter than asked", today, "12:00:00.500Z", "12:20:00.500Z", "", 10 * MIN_MS},
    {"up to five minutes more", today, "12:00:00.500Z", "11:55:00.500Z", "", 35 * MIN_MS},
    {"no more than that", today, "12:00:00.500Z", "11:54:59.500Z", "", 35 * MIN_MS},
    {"absurdly more", today, "2026-11-24T12:00:00.500Z", "1999-01-01T00:00:00Z", "", 35 * MIN_MS},
    {"over before it began", today, "12:00:00.500Z", "12:30:00.500Z", "", 0},
    {"times in other zones", today, "12:00:00.500Z", "14:15:00.500+02:00", "", 15 * MIN_MS},
    {"fraction of any length", today, "12:00:00.500Z", "12:00:00.5001239999Z", "", 30 * MIN_MS},
    {"old form, by Date", of_old, "", "", "Date: Tue, 24 Nov 2026 12:10:00 GMT", 20 * MIN_MS + 500},
    {"old form, without Date as asked", of_old, "", "", "", 30 * MIN_MS},
    {"old form, Date garbage", of_old, "", "", "Date: x", 30 * MIN_MS},
    {"old form, no more than asked and five", of_old, "", "", "Date: Tue, 24 Nov 2026 10:00:00 GMT",
     35 * MIN_MS},
};

START_TEST(life_is_by_the_clock_of_the_api)
{
    char body[2048];

    replace(lives[_i].body, lives[_i].from, lives[_i].to, body, sizeof body);
    struct answer answer = parse(200, lives[_i].date, body, strlen(body));
    ck_assert_msg(answer.body == ANSWER_BODY_SESSION, "%s: %s", lives[_i].name, answer.detail);
    ck_assert_msg(answer.session.life_ms == lives[_i].life_ms, "%s: %lld", lives[_i].name,
                  (long long)answer.session.life_ms);
}
END_TEST

START_TEST(old_form_has_no_created_at)
{
    struct answer answer = parse(201, "", of_old, strlen(of_old));

    ck_assert_int_eq(answer.body, ANSWER_BODY_SESSION);
    ck_assert_str_eq(answer.session.id, "int_conn_auth_sess_1");
    ck_assert_str_eq(answer.session.created_at, "");
    ck_assert_str_eq(answer.session.expires_at, "2026-11-24 12:30:00.5+00");
}
END_TEST

static const struct {
    const char *name;
    int status;
    const char *lines;
    const char *body;
    bool is_html;
    const char *detail;
} others[] = {
    {"session of another status", 202, "", today, false, "HTTP 202 with a body"},
    {"session with an error status", 500, "", today, false, "HTTP 500 with a body"},
    {"nothing", 204, "", "", false, "HTTP 204 with an empty body"},
    {"HTML by its type", 502, "Content-Type: text/html", "Bad Gateway", true, "HTTP 502 with HTML"},
    {"HTML by its looks", 403, "", "\r\n <!DOCTYPE html>", true, "HTTP 403 with HTML"},
    {"HTML with status 200", 200, "", "<html>", true, "HTTP 200 with HTML"},
    {"text", 500, "", "upstream timed out", false, "HTTP 500 with a body"},
    {"array", 200, "", "[]", false, "HTTP 200 with a body"},
    {"number", 200, "", "1", false, "HTTP 200 with a body"},
    {"other people's error", 403, "", "{\"error\":\"forbidden\"}", false, "HTTP 403 with a body"},
    {"error without a type", 403, "", "{\"error\":{\"message\":\"x\"}}", false,
     "HTTP 403 with a body"},
    {"error with a sentence for its type", 400, "", "{\"error\":{\"type\":\"what is wrong\"}}",
     false, "HTTP 400 with a body"},
    {"error by another name", 400, "", "{\"Error\":{\"type\":\"X\"}}", false,
     "HTTP 400 with a body"},
};

START_TEST(what_is_not_the_apis_is_neither_session_nor_envelope)
{
    struct answer answer =
        parse(others[_i].status, others[_i].lines, others[_i].body, strlen(others[_i].body));

    ck_assert_msg(answer.body == ANSWER_BODY_OTHER, "%s", others[_i].name);
    ck_assert_msg(answer.http_status == others[_i].status, "%s", others[_i].name);
    ck_assert_msg(answer.is_html == others[_i].is_html, "%s", others[_i].name);
    ck_assert_msg(strncmp(answer.detail, others[_i].detail, strlen(others[_i].detail)) == 0,
                  "%s: %s", others[_i].name, answer.detail);
    ck_assert_str_eq(answer.error_type, "");
}
END_TEST

static const struct {
    const char *name;
    const char *error; /* what stands in {"error":{...}} */
    const char *type, *code, *request_id, *detail;
    bool names_publishable_key;
} envelopes[] = {
    {"whole",
     "\"message\":\"linkExpiryMins: too big\",\"userFacingMessage\":\"Sorry.\","
     "\"type\":\"INVALID_REQUEST_ERROR\",\"code\":\"SOME_CODE\",\"httpStatusCode\":400,"
     "\"requestId\":\"req_9\"",
     "INVALID_REQUEST_ERROR", "SOME_CODE", "req_9", "linkExpiryMins: too big", false},
    {"type alone", "\"type\":\"T\"", "T", "", "", "HTTP 400 without a message", false},
    {"unknown type and new fields", "\"type\":\"NEW_ERROR\",\"new\":{},\"message\":\"m\"",
     "NEW_ERROR", "", "", "m", false},
    {"message and code of other kinds", "\"type\":\"T\",\"message\":5,\"code\":null", "T", "", "",
     "HTTP 400 without a message", false},
    {"code that is a sentence", "\"type\":\"T\",\"code\":\"a b\",\"message\":\"m\"", "T", "", "",
     "m", false},
    {"credentials for words",
     "\"type\":\"T\",\"code\":\"SK_LIVE_1\",\"requestId\":\"xsk_conductor_1.a\",\"message\":\"m\"",
     "T", "", "", "m", false},
    {"publishable key in a link of a job",
     "\"type\":\"T\",\"message\":\"redirectUrl https://a/?publishableKey=1 is none\"", "T", "", "",
     "redirectUrl [link] is none", false},
    {"message of control bytes", "\"type\":\"T\",\"message\":\"a\\n\\u001b[2J\\u00e4\"", "T", "",
     "", "a??[2J?", false},
    {"message with a key",
     "\"type\":\"AUTHENTICATION_ERROR\",\"code\":\"API_KEY_INVALID\","
     "\"message\":\"Key sk_live_*******1234 is wrong, see https://docs.conductor.is/x\"",
     "AUTHENTICATION_ERROR", "API_KEY_INVALID", "", "Key [key] is wrong, see [link]", false},
    {"message with a client secret", "\"type\":\"T\",\"message\":\"auth_sess_client_secret_9 old\"",
     "T", "", "", "[secret] old", false},
    {"message that names publishableKey",
     "\"type\":\"INVALID_REQUEST_ERROR\",\"message\":\"publishableKey: wrong\"",
     "INVALID_REQUEST_ERROR", "", "", "publishableKey: wrong", true},
    {"the masked sentence is not asked",
     "\"type\":\"T\",\"message\":\"m\",\"userFacingMessage\":\"publishableKey\"", "T", "", "", "m",
     false},
};

START_TEST(envelope_is_read_leniently)
{
    char body[2048];

    snprintf(body, sizeof body, "{\"error\":{%s}}", envelopes[_i].error);
    struct answer answer = parse(400, "", body, strlen(body));
    ck_assert_msg(answer.body == ANSWER_BODY_ENVELOPE, "%s", envelopes[_i].name);
    ck_assert_str_eq(answer.error_type, envelopes[_i].type);
    ck_assert_str_eq(answer.error_code, envelopes[_i].code);
    ck_assert_str_eq(answer.request_id, envelopes[_i].request_id);
    ck_assert_str_eq(answer.detail, envelopes[_i].detail);
    ck_assert(answer.names_publishable_key == envelopes[_i].names_publishable_key);
}
END_TEST

START_TEST(envelope_is_one_with_any_status)
{
    static const char body[] = "{\"error\":{\"type\":\"T\",\"requestId\":\"req_body\"}}";
    static const int statuses[] = {200, 302, 401, 404, 429, 500, 503};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct answer answer =
            parse(statuses[i], "Conductor-Request-Id: req_header", body, strlen(body));
        ck_assert_int_eq(answer.body, ANSWER_BODY_ENVELOPE);
        ck_assert_str_eq(answer.request_id, "req_header");
    }
}
END_TEST

START_TEST(long_message_is_cut)
{
    char body[2048] = "{\"error\":{\"type\":\"T\",\"message\":\"";
    size_t start = strlen(body);

    memset(body + start, 'm', 1000);
    memcpy(body + start + 1000, "\"}}", 4);
    struct answer answer = parse(400, "", body, strlen(body));
    ck_assert_uint_eq(strlen(answer.detail), DETAIL_MAX_LEN);
    ck_assert_str_eq(answer.detail + DETAIL_MAX_LEN - 4, "m...");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("answer");
    TCase *tcase = tcase_create("answer");

    tcase_add_test(tcase, session_is_kept_without_its_client_secret);
    tcase_add_loop_test(tcase, session_is_checked_field_by_field, 0,
                        sizeof sessions / sizeof sessions[0]);
    tcase_add_loop_test(tcase, json_is_read_strictly, 0, sizeof unlawful / sizeof unlawful[0]);
    tcase_add_test(tcase, nul_byte_ends_nothing);
    tcase_add_test(tcase, backslash_before_u0000_is_just_text);
    tcase_add_test(tcase, too_long_is_refused_and_as_long_as_may_be_taken);
    tcase_add_loop_test(tcase, life_is_by_the_clock_of_the_api, 0, sizeof lives / sizeof lives[0]);
    tcase_add_test(tcase, old_form_has_no_created_at);
    tcase_add_loop_test(tcase, what_is_not_the_apis_is_neither_session_nor_envelope, 0,
                        sizeof others / sizeof others[0]);
    tcase_add_loop_test(tcase, envelope_is_read_leniently, 0,
                        sizeof envelopes / sizeof envelopes[0]);
    tcase_add_test(tcase, envelope_is_one_with_any_status);
    tcase_add_test(tcase, long_message_is_cut);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
