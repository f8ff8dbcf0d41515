/* answer.c - what an HTTP answer of the API says. */
#include "conductor/answer.h"

#include "base/text.h"
#include "conductor/auth_session.h"
#include "conductor/redact.h"
#include "conductor/strict_json.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void say(struct answer *answer, const char *format,
                                                      ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(answer->detail, sizeof answer->detail, format, args);
    va_end(args);
}

/* Of a message that is looked through; one of the API has a sentence or two. */
#define MESSAGE_MAX_BYTES 4096

/* Letters, digits and joints, as types and codes of errors are made of. */
static bool is_word(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

    return len > 0 && len <= ERROR_WORD_MAX_LEN && text[len] == '\0';
}

static void read_word(const cJSON *object, const char *name, char *target, size_t size)
{
    const char *text = "";

    if (strict_json_string(object, name, &text) == RESULT_OK && is_word(text) &&
        !redact_finds_in_word(text, strlen(text)))
        text_copy(target, size, text, strlen(text));
}

/* In a link it may be a job's own word: that holds no fleet up. */
static bool names_publishable_key(const char *message)
{
    char without_links[MESSAGE_MAX_BYTES];

    redact_text(message, strlen(message), without_links, sizeof without_links);
    return strstr(without_links, "publishableKey") != NULL;
}

/*
 * The API's error object. Its type tells it from other people's JSON; the rest may be
 * missing. `message` and not userFacingMessage, which hides the reason (conductor-api.md 3.1).
 */
static bool read_envelope(const cJSON *root, struct answer *answer)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(root, "error");
    const char *message = "";

    if (!cJSON_IsObject(error))
        return false;
    read_word(error, "type", answer->error_type, sizeof answer->error_type);
    if (answer->error_type[0] == '\0')
        return false;
    answer->body = ANSWER_BODY_ENVELOPE;
    read_word(error, "code", answer->error_code, sizeof answer->error_code);
    if (answer->request_id[0] == '\0')
        read_word(error, "requestId", answer->request_id, sizeof answer->request_id);
    if (strict_json_string(error, "message", &message) != RESULT_OK || message[0] == '\0') {
        say(answer, "HTTP %d without a message", answer->http_status);
        return true;
    }
    redact_text(message, strlen(message), answer->detail, sizeof answer->detail);
    answer->names_publishable_key = names_publishable_key(message);
    return true;
}

static void read_session(const cJSON *root, const struct answer_expected *expected,
                         const struct headers *headers, struct answer *answer)
{
    struct auth_session_fault fault;

    if (auth_session_read(root, expected, headers->date_unix_ms, &answer->session, &fault) ==
        RESULT_OK)
        answer->body = ANSWER_BODY_SESSION;
    else
        say(answer, "HTTP %d, but no session of ours: %s %s", answer->http_status, fault.field,
            fault.why);
}

static void read_json(const cJSON *root, const struct answer_expected *expected,
                      const struct headers *headers, struct answer *answer)
{
    if (!cJSON_IsObject(root))
        return;
    if (read_envelope(root, answer))
        return;
    if (answer->http_status == 200 || answer->http_status == 201)
        read_session(root, expected, headers, answer);
}

/* Whatever the content type says: a body that begins with '<' was made for a browser. */
static bool begins_as_html(const char *body, size_t len)
{
    const char *start = text_trim(body, len, &len);

    return len > 0 && start[0] == '<';
}

void answer_parse(const struct answer_raw *raw, const struct answer_expected *expected,
                  struct answer *ret_answer)
{
    struct answer *answer = ret_answer;
    const struct headers *headers = raw->headers;

    *answer = (struct answer){
        .state = ANSWER_WHOLE,
        .http_status = raw->http_status,
        .body = ANSWER_BODY_OTHER,
        .is_html = headers->is_html || begins_as_html(raw->body, raw->body_len),
        .should_retry = headers->should_retry,
        .retry_after_ms = headers_retry_after_ms(headers, raw->wall_unix_ms),
        .quota_reset_ms = headers_quota_reset_ms(headers, raw->http_status, raw->wall_unix_ms),
    };
    size_t request_id_len = strlen(headers->request_id);
    if (!redact_finds_in_word(headers->request_id, request_id_len))
        text_copy(answer->request_id, sizeof answer->request_id, headers->request_id,
                  request_id_len);

    cJSON *root = strict_json_parse(raw->body, raw->body_len);
    if (root != NULL)
        read_json(root, expected, headers, answer);
    if (answer->body == ANSWER_BODY_OTHER && answer->detail[0] == '\0')
        say(answer, "HTTP %d %s", raw->http_status,
            raw->body_len == 0 ? "with an empty body"
            : answer->is_html  ? "with HTML: a proxy or a server before the API spoke"
                               : "with a body that is not the API's");
    cJSON_Delete(root);
}
