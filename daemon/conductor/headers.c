/* headers.c - what the daemon uses of an answer's header lines. */
#include "conductor/headers.h"

#include "base/clock.h"
#include "base/text.h"
#include "core/api_time.h"
#include "core/retry.h"

#include <string.h>

/* Above it a number of seconds is an instant: a thousand million seconds were over in 2001. */
#define EPOCH_FROM_MS  (INT64_C(1000000000) * MS_PER_SEC)
#define DECIMAL_MAX_MS (INT64_C(100000000000000000))

void headers_reset(struct headers *headers)
{
    *headers = (struct headers){
        .date_unix_ms = -1,
        .retry_ms = -1,
        .retry_delta_ms = -1,
        .retry_date_unix_ms = -1,
        .quota_left = -1,
        .quota_reset_ms = -1,
    };
}

/* Digits with an optional fraction, in units of `unit_ms`. What is finer than a millisecond is cut.
 */
static int64_t decimal_to_ms(const char *text, size_t len, int64_t unit_ms)
{
    const char *point = memchr(text, '.', len);
    size_t whole_len = point == NULL ? len : (size_t)(point - text);
    int64_t value_ms;

    if (text_to_int64(text, whole_len, 0, DECIMAL_MAX_MS / unit_ms, &value_ms) != RESULT_OK)
        return -1;
    value_ms *= unit_ms;
    if (point == NULL)
        return value_ms;
    if (whole_len + 1 == len)
        return -1;
    for (size_t i = whole_len + 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        unit_ms /= 10;
        value_ms += (text[i] - '0') * unit_ms;
    }
    return value_ms;
}

static void take_request_id(struct headers *headers, const char *value, size_t len)
{
    headers->request_id[0] = '\0';
    for (size_t i = 0; i < len; i++) {
        char c = value[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == '-'))
            return;
    }
    if (text_copy(headers->request_id, sizeof headers->request_id, value, len) != RESULT_OK)
        headers->request_id[0] = '\0';
}

static void take_content_type(struct headers *headers, const char *value, size_t len)
{
    const char *semicolon = memchr(value, ';', len);
    size_t type_len = semicolon == NULL ? len : (size_t)(semicolon - value);

    value = text_trim(value, type_len, &type_len);
    headers->is_html = text_equals_ignoring_case(value, type_len, "text/html", 9) ||
                       text_equals_ignoring_case(value, type_len, "application/xhtml+xml", 21);
}

static int64_t date_or_none(const char *value, size_t len)
{
    int64_t unix_ms;

    return http_date_parse(value, len, &unix_ms) == RESULT_OK && unix_ms >= 0 ? unix_ms : -1;
}

static void take_date(struct headers *headers, const char *value, size_t len)
{
    headers->date_unix_ms = date_or_none(value, len);
}

static void take_retry_after(struct headers *headers, const char *value, size_t len)
{
    headers->retry_delta_ms = decimal_to_ms(value, len, MS_PER_SEC);
    headers->retry_date_unix_ms = date_or_none(value, len);
}

static void take_retry_after_ms(struct headers *headers, const char *value, size_t len)
{
    headers->retry_ms = decimal_to_ms(value, len, 1);
}

static void take_should_retry(struct headers *headers, const char *value, size_t len)
{
    headers->should_retry = SHOULD_RETRY_UNSAID;
    if (text_equals_ignoring_case(value, len, "true", 4))
        headers->should_retry = SHOULD_RETRY_YES;
    else if (text_equals_ignoring_case(value, len, "false", 5))
        headers->should_retry = SHOULD_RETRY_NO;
}

static void take_quota_left(struct headers *headers, const char *value, size_t len)
{
    if (text_to_int64(value, len, 0, INT64_MAX, &headers->quota_left) != RESULT_OK)
        headers->quota_left = -1;
}

static void take_quota_reset(struct headers *headers, const char *value, size_t len)
{
    headers->quota_reset_ms = decimal_to_ms(value, len, MS_PER_SEC);
}

/*
 * One `name=value` of a RateLimit line: r and t in the newer drafts, whole words in the
 * older. What is no pair is the name of a policy: a new one begins.
 */
static void take_quota_pair(struct headers *headers, const char *pair, size_t len)
{
    const char *equals = memchr(pair, '=', len);

    if (equals == NULL) {
        headers->quota_left = -1;
        headers->quota_reset_ms = -1;
        return;
    }

    size_t name_len;
    size_t value_len;
    const char *name = text_trim(pair, (size_t)(equals - pair), &name_len);
    const char *value = text_trim(equals + 1, len - (size_t)(equals + 1 - pair), &value_len);
    if (text_equals_ignoring_case(name, name_len, "r", 1) ||
        text_equals_ignoring_case(name, name_len, "remaining", 9))
        take_quota_left(headers, value, value_len);
    else if (text_equals_ignoring_case(name, name_len, "t", 1) ||
             text_equals_ignoring_case(name, name_len, "reset", 5))
        take_quota_reset(headers, value, value_len);
}

/*
 * `"burst";r=0;t=5, "day";r=900;t=3600` or `limit=10, remaining=0, reset=5`. Of several
 * policies the first one that is used up counts.
 */
static void take_quota(struct headers *headers, const char *value, size_t len)
{
    size_t start = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i < len && value[i] != ',' && value[i] != ';')
            continue;
        take_quota_pair(headers, value + start, i - start);
        start = i + 1;
        if (headers->quota_left == 0 && headers->quota_reset_ms >= 0)
            return;
    }
}

/* clang-format off */
static const struct {
    const char *name;
    void (*take)(struct headers *headers, const char *value, size_t len);
} known_headers[] = {
    {"conductor-request-id",  take_request_id},
    {"content-type",          take_content_type},
    {"date",                  take_date},
    {"ratelimit",             take_quota},
    {"ratelimit-remaining",   take_quota_left},
    {"ratelimit-reset",       take_quota_reset},
    {"retry-after",           take_retry_after},
    {"retry-after-ms",        take_retry_after_ms},
    {"x-rate-limit-remaining", take_quota_left},
    {"x-rate-limit-reset",    take_quota_reset},
    {"x-ratelimit-remaining", take_quota_left},
    {"x-ratelimit-reset",     take_quota_reset},
    {"x-should-retry",        take_should_retry},
};
/* clang-format on */

void headers_add(struct headers *headers, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);

    if (colon == NULL)
        return;

    size_t name_len = (size_t)(colon - line);
    size_t value_len;
    const char *value = text_trim(colon + 1, len - name_len - 1, &value_len);
    for (size_t i = 0; i < sizeof known_headers / sizeof known_headers[0]; i++) {
        const char *known = known_headers[i].name;
        if (text_equals_ignoring_case(line, name_len, known, strlen(known))) {
            known_headers[i].take(headers, value, value_len);
            return;
        }
    }
}

static int64_t capped(int64_t ms)
{
    return ms < 0 ? 0 : ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}

/* A date counts from the answer's own, so that both are by one clock. */
static int64_t now_of(const struct headers *headers, int64_t wall_unix_ms)
{
    return headers->date_unix_ms >= 0 ? headers->date_unix_ms : wall_unix_ms;
}

int64_t headers_retry_after_ms(const struct headers *headers, int64_t wall_unix_ms)
{
    if (headers->retry_ms >= 0)
        return capped(headers->retry_ms);
    if (headers->retry_delta_ms >= 0)
        return capped(headers->retry_delta_ms);
    if (headers->retry_date_unix_ms >= 0)
        return capped(headers->retry_date_unix_ms - now_of(headers, wall_unix_ms));
    return -1;
}

static bool is_used_up(const struct headers *headers, int http_status, int64_t wall_unix_ms)
{
    if (headers->quota_reset_ms < 0)
        return false;
    if (http_status != 429)
        return headers->quota_left == 0;
    return headers->quota_left <= 0 && headers_retry_after_ms(headers, wall_unix_ms) < 0;
}

int64_t headers_quota_reset_ms(const struct headers *headers, int http_status, int64_t wall_unix_ms)
{
    if (!is_used_up(headers, http_status, wall_unix_ms))
        return -1;
    if (headers->quota_reset_ms < EPOCH_FROM_MS)
        return capped(headers->quota_reset_ms);

    /* An instant in seconds; in milliseconds when it lies a thousand times as far. */
    int64_t now_unix_ms = now_of(headers, wall_unix_ms);
    if (headers->quota_reset_ms / MS_PER_SEC < EPOCH_FROM_MS)
        return capped(headers->quota_reset_ms - now_unix_ms);
    return capped(headers->quota_reset_ms / MS_PER_SEC - now_unix_ms);
}
