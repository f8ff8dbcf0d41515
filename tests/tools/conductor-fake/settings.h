/*
 * settings.h - everything that can be chosen about the fake, in one table.
 *
 * Each row is an option of the command line (`--latency-ms 20`) and a member of
 * the control endpoint's /_fake/settings (`{"latencyMs": 20}`). What the real
 * API does is the default; where nobody knows it, the row says "a guess".
 */
#ifndef CONDUCTOR_FAKE_SETTINGS_H
#define CONDUCTOR_FAKE_SETTINGS_H

#include "fields.h"

#include <stdbool.h>
#include <stdint.h>

enum limit_kind { LIMIT_BUCKET, LIMIT_WINDOW, LIMIT_LOG };

enum retry_after_form {
    RETRY_AFTER_SECONDS,
    RETRY_AFTER_MS,
    RETRY_AFTER_DATE,
    RETRY_AFTER_ZERO,
    RETRY_AFTER_NONE,
};

/* What an answer that was made to order consists of. */
enum body_kind {
    BODY_AUTO, /* real for 2xx, none for 3xx, else the envelope */
    BODY_REAL, /* what the API would answer */
    BODY_ENVELOPE,
    BODY_HTML,
    BODY_EMPTY,
    BODY_BAD_JSON,
};

struct settings {
    /* at start only */
    int64_t port;
    int64_t control_port;
    char *tls;
    int certificate; /* enum certificate_kind, tls.h */
    bool no_record;
    bool record_answers;
    int64_t record_max;

    double latency_ms;
    double latency_sigma;
    int64_t seed;

    int limit; /* enum limit_kind */
    double rate;
    int64_t burst;
    int64_t window_ms;
    int64_t concurrency;
    int retry_after; /* enum retry_after_form */
    char *retry_after_text;
    bool rate_headers;
    int64_t throttle_status;
    int throttle_body; /* enum body_kind */

    double fail_share;
    int64_t fail_status;
    int fail_body; /* enum body_kind */

    bool legacy;
    int64_t clock_offset_ms;
    bool no_request_id;
    bool chunked;
    bool gzip;
    int64_t idle_close_ms;
    int64_t requests_per_connection;

    int64_t validation_status;
    char *validation_code;
    int64_t publishable_key_status;
    int64_t missing_status;
    int64_t duplicate_status;
    char *duplicate_code;
    bool allow_null;
    bool allow_unknown_members;
    bool whole_minutes;

    char *missing_prefix;
    bool known_users_only;
};

extern const struct field settings_fields[];
extern const size_t settings_field_count;
extern const char *const body_kind_names[];

/* The first so many rows cannot change after the start. */
extern const size_t settings_start_only_count;

/* Every member at its default. RESULT_NO_MEMORY. */
MUST_CHECK enum result settings_init(struct settings *settings);
void settings_done(struct settings *settings);

/* Sets the members of a JSON object; when one is wrong, none. */
MUST_CHECK enum result settings_change(struct settings *settings, const cJSON *object,
                                       struct buffer *reterr_reason);

void settings_append_json(const struct settings *settings, struct buffer *json);

#endif
