/* job_check.c - whether a queue element is a job, before it is pushed. */
#include "core/job_check.h"

#include "base/buffer.h"
#include "base/text.h"
#include "core/flat_json.h"
#include "core/redirect_url.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static_assert(FLAT_JSON_MAX_BYTES == JOB_PAYLOAD_MAX_BYTES,
              "every job that is not too long is scanned");

/* Of bytes from outside, so many go into a sentence. */
#define QUOTED_MAX_LEN 40

struct reader {
    struct flat_json json;
    const struct job_rules *rules;
    struct job_request *request;
    struct job_refusal *refusal;
    uint32_t seen; /* one bit a member */
};

struct quoted {
    char text[QUOTED_MAX_LEN + sizeof "\"...\""];
};

static struct quoted quote(const char *text, size_t len)
{
    struct quoted quoted;
    char shown[QUOTED_MAX_LEN + 1];
    size_t shown_len = len > QUOTED_MAX_LEN ? QUOTED_MAX_LEN : len;

    for (size_t i = 0; i < shown_len; i++)
        shown[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    shown[shown_len] = '\0';
    snprintf(quoted.text, sizeof quoted.text, "\"%s%s\"", shown, len > shown_len ? "..." : "");
    return quoted;
}

static bool refuse(struct reader *reader, enum job_reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct reader *reader, enum job_reason reason, const char *format, ...)
{
    va_list args;

    reader->refusal->reason = reason;
    va_start(args, format);
    vsnprintf(reader->refusal->detail, sizeof reader->refusal->detail, format, args);
    va_end(args);
    return false;
}

static bool is_id(const char *id, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = id[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '_' || c == '-'))
            return false;
    }
    return len > 0 && len <= JOB_ID_MAX_LEN;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool read_id_text(struct reader *reader, const char *id, size_t len)
{
    if (is_id(id, len)) {
        text_copy(reader->request->end_user_id, sizeof reader->request->end_user_id, id, len);
        return true;
    }
    if (len == 0)
        return refuse(reader, JOB_BAD_ID, "the end-user ID is empty");
    if (len > JOB_ID_MAX_LEN)
        return refuse(reader, JOB_BAD_ID, "the end-user ID has %zu bytes, 128 are the most", len);
    if (len > 1 && is_quote(id[0]) && is_quote(id[len - 1]))
        return refuse(reader, JOB_BAD_ID,
                      "the end-user ID stands in quotes; probably meant: %s without them",
                      quote(id + 1, len - 2).text);
    if (is_blank(id[0]) || is_blank(id[len - 1]))
        return refuse(reader, JOB_BAD_ID, "the end-user ID has blanks or line ends around it: %s",
                      quote(id, len).text);
    return refuse(reader, JOB_BAD_ID, "the end-user ID may hold A-Z a-z 0-9 _ - only: %s",
                  quote(id, len).text);
}

/* Digits only, the first not 0, at most 15 of them: exact in Lua's doubles too. */
static bool is_whole_number(const struct flat_json_value *value, int64_t *ret_number)
{
    return value->type == FLAT_JSON_NUMBER && value->len <= 15 && value->text[0] != '0' &&
           text_to_int64(value->text, value->len, 1, INT64_MAX, ret_number) == RESULT_OK;
}

static bool read_id(struct reader *reader, const struct flat_json_value *value)
{
    if (value->type != FLAT_JSON_TEXT)
        return refuse(reader, JOB_BAD_ID, "endUserId must be a string");
    return read_id_text(reader, value->text, value->len);
}

static bool read_expiry(struct reader *reader, const struct flat_json_value *value)
{
    int64_t minutes;

    if (!is_whole_number(value, &minutes) || minutes < JOB_LINK_EXPIRY_MIN ||
        minutes > JOB_LINK_EXPIRY_MAX)
        return refuse(reader, JOB_BAD_EXPIRY,
                      "linkExpiryMins must be a whole number from 15 to 10080");
    reader->request->link_expiry_mins = (uint32_t)minutes;
    return true;
}

static bool is_host_of(const char *url, const char *host, size_t host_len)
{
    const char *own = NULL;
    size_t own_len = 0;
    struct buffer unused;

    buffer_init(&unused, JOB_DETAIL_MAX_LEN);
    bool is_same = redirect_url_check(url, strlen(url), &own, &own_len, &unused) == RESULT_OK &&
                   text_equals_ignoring_case(own, own_len, host, host_len);
    buffer_done(&unused);
    return is_same;
}

static bool read_redirect_text(struct reader *reader, const struct flat_json_value *value,
                               struct buffer *why)
{
    const char *host;
    size_t host_len;

    if (redirect_url_check(value->text, value->len, &host, &host_len, why) != RESULT_OK)
        return refuse(reader, JOB_BAD_REDIRECT, "redirectUrl %s", buffer_text(why));
    if (!host_list_has(reader->rules->redirect_hosts, host, host_len) &&
        !is_host_of(reader->rules->redirect_url, host, host_len))
        return refuse(reader, JOB_BAD_REDIRECT,
                      "the host of redirectUrl, %s, is not on conductor.redirect_hosts",
                      quote(host, host_len).text);
    text_copy(reader->request->redirect_url, sizeof reader->request->redirect_url, value->text,
              value->len);
    return true;
}

static bool read_redirect(struct reader *reader, const struct flat_json_value *value)
{
    struct buffer why;

    if (value->type != FLAT_JSON_TEXT)
        return refuse(reader, JOB_BAD_REDIRECT, "redirectUrl must be a string");
    buffer_init(&why, JOB_DETAIL_MAX_LEN);
    bool is_read = read_redirect_text(reader, value, &why);
    buffer_done(&why);
    return is_read;
}

static bool read_force(struct reader *reader, const struct flat_json_value *value)
{
    if (value->type != FLAT_JSON_TRUE && value->type != FLAT_JSON_FALSE)
        return refuse(reader, JOB_BAD_MEMBER, "force must be true or false");
    reader->request->force = value->type == FLAT_JSON_TRUE;
    return true;
}

static bool read_ref(struct reader *reader, const struct flat_json_value *value)
{
    if (value->type != FLAT_JSON_TEXT || value->len == 0 || value->len > JOB_REF_MAX_LEN ||
        !text_is_printable(value->text, value->len))
        return refuse(reader, JOB_BAD_REF,
                      "ref must be a string of 1 to 128 printable ASCII characters");
    text_copy(reader->request->ref, sizeof reader->request->ref, value->text, value->len);
    return true;
}

static bool read_enqueued_at(struct reader *reader, const struct flat_json_value *value)
{
    return is_whole_number(value, &reader->request->enqueued_at_unix_ms) ||
           refuse(reader, JOB_BAD_MEMBER,
                  "enqueuedAtMs must be a whole number of Unix milliseconds");
}

static bool read_not_after(struct reader *reader, const struct flat_json_value *value)
{
    return is_whole_number(value, &reader->request->not_after_unix_ms) ||
           refuse(reader, JOB_BAD_MEMBER, "notAfterMs must be a whole number of Unix milliseconds");
}

static const struct member {
    const char *name;
    bool (*read)(struct reader *reader, const struct flat_json_value *value);
} members[] = {
    {"endUserId", read_id},
    {"enqueuedAtMs", read_enqueued_at},
    {"force", read_force},
    {"linkExpiryMins", read_expiry},
    {"notAfterMs", read_not_after},
    {"redirectUrl", read_redirect},
    {"ref", read_ref},
};

static const struct member *find_member(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strlen(members[i].name) == len && memcmp(members[i].name, name, len) == 0)
            return &members[i];
    return NULL;
}

/* "name" : value */
static bool read_member(struct reader *reader)
{
    struct flat_json *json = &reader->json;
    struct flat_json_value value;

    if (!flat_json_take_string(json, &value))
        return refuse(reader, JOB_BAD_JSON,
                      "no JSON object: a member name in quotes is missing at byte %zu",
                      json->at + 1);
    flat_json_skip_blanks(json);
    if (!flat_json_take(json, ':'))
        return refuse(reader, JOB_BAD_JSON, "no JSON object: a colon is missing at byte %zu",
                      json->at + 1);

    const struct member *member = find_member(value.text, value.len);
    if (member == NULL)
        return refuse(reader, JOB_BAD_MEMBER, "unknown member %s",
                      quote(value.text, value.len).text);
    uint32_t bit = UINT32_C(1) << (member - members);
    if ((reader->seen & bit) != 0)
        return refuse(reader, JOB_BAD_MEMBER, "member %s stands there twice",
                      quote(value.text, value.len).text);
    reader->seen |= bit;

    flat_json_skip_blanks(json);
    if (!flat_json_take_value(json, &value))
        return refuse(reader, JOB_BAD_JSON,
                      "no JSON object: a value is missing or malformed at byte %zu", json->at + 1);
    return member->read(reader, &value);
}

/* Behind the opening brace. */
static bool read_members(struct reader *reader)
{
    struct flat_json *json = &reader->json;

    do {
        flat_json_skip_blanks(json);
        if (!read_member(reader))
            return false;
        flat_json_skip_blanks(json);
    } while (flat_json_take(json, ','));
    return flat_json_take(json, '}') ||
           refuse(reader, JOB_BAD_JSON,
                  "no JSON object: a comma or a closing brace is missing at byte %zu",
                  json->at + 1);
}

static bool read_object(struct reader *reader)
{
    struct flat_json *json = &reader->json;

    json->at++;
    flat_json_skip_blanks(json);
    if (flat_json_peek(json) != '}') {
        if (!read_members(reader))
            return false;
        flat_json_skip_blanks(json);
        if (json->at < json->len)
            return refuse(reader, JOB_BAD_JSON, "no JSON object: something follows its end");
    }
    return reader->request->end_user_id[0] != '\0' ||
           refuse(reader, JOB_BAD_ID, "endUserId is missing");
}

static bool read_job(struct reader *reader)
{
    struct flat_json *json = &reader->json;

    if (json->len > JOB_PAYLOAD_MAX_BYTES)
        return refuse(reader, JOB_TOO_LONG, "the job has %zu bytes, 4096 are the most", json->len);

    flat_json_skip_blanks(json);
    char first = flat_json_peek(json);
    if (first == '[')
        return refuse(reader, JOB_BAD_JSON, "a list is no job: push its elements one by one");
    bool is_read = first == '{' ? read_object(reader) : read_id_text(reader, json->text, json->len);
    if (!is_read)
        return false;

    int64_t not_after_unix_ms = reader->request->not_after_unix_ms;
    if (not_after_unix_ms > 0 && not_after_unix_ms <= reader->rules->now_unix_ms)
        return refuse(reader, JOB_TOO_LATE, "its notAfterMs had passed");
    return true;
}

enum result job_check(const char *payload, size_t len, const struct job_rules *rules,
                      struct job_request *ret_request, struct job_refusal *reterr_refusal)
{
    struct job_request request = {.link_expiry_mins = rules->link_expiry_mins};
    struct job_refusal refusal = {.reason = JOB_BAD_JSON};
    struct reader reader = {.json = {.text = payload, .len = len},
                            .rules = rules,
                            .request = &request,
                            .refusal = &refusal};

    text_copy(request.redirect_url, sizeof request.redirect_url, rules->redirect_url,
              strlen(rules->redirect_url));
    if (!read_job(&reader)) {
        *reterr_refusal = refusal;
        return RESULT_INVALID;
    }
    *ret_request = request;
    return RESULT_OK;
}

const char *job_reason_name(enum job_reason reason)
{
    switch (reason) {
#define X(name, text)                                                                              \
    case JOB_##name:                                                                               \
        return text;
        JOB_REASONS(X)
#undef X
    }
    return "unknown";
}
