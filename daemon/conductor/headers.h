/*
 * headers.h - what the daemon uses of an answer's header lines.
 *
 * Pure; names in any case, the last of equal names counts, values that make no sense
 * count as absent.
 *
 * Units    durations: milliseconds (_ms); instants: Unix milliseconds (_unix_ms).
 * Sources  Retry-After: RFC 9110 10.2.3. retry-after-ms, x-should-retry: what the API's
 *          own SDKs obey (conductor-api.md 5.2). RateLimit: drafts 03 to 10 of
 *          draft-ietf-httpapi-ratelimit-headers. X-RateLimit-*, X-Rate-Limit-*: custom of
 *          the trade.
 */
#ifndef AUTHLINKD_CONDUCTOR_HEADERS_H
#define AUTHLINKD_CONDUCTOR_HEADERS_H

#include "core/outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -1 stands for: not given. */
struct headers {
    char request_id[REQUEST_ID_MAX_LEN + 1]; /* [A-Za-z0-9_.-]; "" when none came */
    bool is_html;                            /* Content-Type says so */
    enum answer_should_retry should_retry;
    int64_t date_unix_ms;
    int64_t retry_ms;           /* retry-after-ms */
    int64_t retry_delta_ms;     /* Retry-After as a number of seconds */
    int64_t retry_date_unix_ms; /* Retry-After as a date */
    int64_t quota_left;         /* requests left in this window of the API's limit */
    int64_t quota_reset_ms;     /* until a new window, or its instant in Unix time */
};

void headers_reset(struct headers *headers);

/* Takes one line as it came, line end included. What is no known header is passed over. */
void headers_add(struct headers *headers, const char *line, size_t len);

/*
 * How long the API asks to wait, 0 to RETRY_AFTER_MAX_MS; -1: it does not say.
 *
 * retry-after-ms comes first, then Retry-After; a date counts from the answer's own Date,
 * so that our clock matters only when that is missing (`wall_unix_ms`).
 */
int64_t headers_retry_after_ms(const struct headers *headers, int64_t wall_unix_ms);

/*
 * How long nothing is left of the API's limit, 0 to RETRY_AFTER_MAX_MS; -1: that is not said.
 *
 * A 429 says it without a number of requests left, and better by Retry-After, if it has one;
 * any other answer only when that number is there, and 0.
 */
int64_t headers_quota_reset_ms(const struct headers *headers, int http_status,
                               int64_t wall_unix_ms);

#endif
