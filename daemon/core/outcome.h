/*
 * outcome.h - what came back from the API, and what becomes of the job.
 *
 * Pure decision: conductor/ fills an answer, outcome_of_answer() classifies it,
 * settle.lua acts on it. One table from answer to outcome, for every caller.
 *
 * Sources  conductor-api.md section 3.5; signals: steps.md section 3.
 */
#ifndef AUTHLINKD_CORE_OUTCOME_H
#define AUTHLINKD_CORE_OUTCOME_H

#include "core/job.h"
#include "core/retry.h"

#include <stdbool.h>
#include <stdint.h>

#define SESSION_ID_MAX_LEN    128
#define SESSION_URL_MAX_LEN   2048
#define SESSION_TIME_MAX_LEN  63
#define REQUEST_ID_MAX_LEN    128
#define ERROR_WORD_MAX_LEN    63
#define DETAIL_MAX_LEN        255
#define KEY_FP_LEN            12

/* How far the request got. */
enum answer_state {
    ANSWER_UNSENT, /* no connection came about: surely no session was created */
    ANSWER_BROKEN, /* bytes went out, no whole answer came back: nobody knows */
    ANSWER_WHOLE,  /* status, headers and body are here */
};

enum answer_body {
    ANSWER_BODY_OTHER,    /* empty, HTML, cut, or JSON of no known form */
    ANSWER_BODY_SESSION,  /* checked field by field: a session that is ours */
    ANSWER_BODY_ENVELOPE, /* the API's error object */
};

enum answer_should_retry { SHOULD_RETRY_UNSAID, SHOULD_RETRY_YES, SHOULD_RETRY_NO };

/*
 * A created session. The link is a credential: never logged. It stands last here, and the session
 * last in an answer, and that in an outcome: most of its room is empty, so they are copied and
 * wiped up to its end, which is a quarter of them.
 */
struct session {
    int64_t life_ms; /* by the API's own two times, never by a clock of ours; may be <= 0 */
    char id[SESSION_ID_MAX_LEN + 1];
    char created_at[SESSION_TIME_MAX_LEN + 1]; /* as the API gave it; "" in the old form */
    char expires_at[SESSION_TIME_MAX_LEN + 1];
    char auth_flow_url[SESSION_URL_MAX_LEN + 1];
};

/* Leaves nothing of it. */
void session_wipe(struct session *session);

struct answer {
    enum answer_state state;
    int http_status; /* 0 unless ANSWER_WHOLE */
    enum answer_body body;
    char error_type[ERROR_WORD_MAX_LEN + 1];       /* with ANSWER_BODY_ENVELOPE */
    char error_code[ERROR_WORD_MAX_LEN + 1];
    bool names_publishable_key;                    /* the error's message does */
    bool is_html;                                  /* by content type or first byte: a proxy spoke */
    char request_id[REQUEST_ID_MAX_LEN + 1];       /* checked characters; "" when none came */
    char detail[DETAIL_MAX_LEN + 1];               /* for people, printable, without credentials */
    enum answer_should_retry should_retry;         /* header x-should-retry */
    int64_t retry_after_ms;                        /* -1: none given; capped at 600,000 */
    int64_t quota_reset_ms; /* how long nothing is left of the API's limit; -1: not said; capped */
    struct session session; /* with ANSWER_BODY_SESSION */
};

#define OUTCOME_KINDS(X)                                                                           \
    X(CREATED, "created")                                                                          \
    X(RETRY, "retry")                                                                              \
    X(THROTTLED, "throttled")                                                                      \
    X(ACCOUNT_ERROR, "account_error")                                                              \
    X(REJECTED, "rejected")                                                                        \
    X(GAVE_UP, "gave_up")                                                                          \
    X(UNSENT, "unsent")                                                                            \
    X(RETURNED, "returned")

enum outcome_kind {
#define X(name, text) OUTCOME_##name,
    OUTCOME_KINDS(X)
#undef X
};

/* What the holds learn from it (settle.lua). */
#define OUTCOME_SIGNALS(X)                                                                         \
    X(NONE, "none")                                                                                \
    X(OK, "ok")                                                                                    \
    X(OWN, "own")                                                                                  \
    X(MISSING, "missing")                                                                          \
    X(ACCOUNT, "account")                                                                          \
    X(DOWN, "down")                                                                                \
    X(THROTTLED, "throttled")

enum outcome_signal {
#define X(name, text) SIGNAL_##name,
    OUTCOME_SIGNALS(X)
#undef X
};

struct outcome {
    enum outcome_kind kind;
    enum outcome_signal signal;
    bool is_accepted;        /* any whole answer but 429, 5xx and HTML: what the pace counts */
    bool is_told_to_pace;    /* false: network errors, 5xx, HTML, unsent, returned */
    int64_t delay_ms;        /* before the next attempt; 0 when there is none */
    int64_t retry_after_ms;  /* 0: none */
    int64_t quota_reset_ms;  /* what the pace is told of the API's limit; 0: nothing */
    int64_t began_us;        /* monotonic: when the request began; 0: it never did */
    char key_fp[KEY_FP_LEN + 1]; /* of the secret key that the request bore; "" when none */
    struct answer answer;    /* what it was made from; zeroed for OUTCOME_RETURNED */
};

/*
 * What becomes of `job` after `answer`. `age_ms` is the job's age now; `random_unit` is
 * a random number in [0, 1) for the jitter. key_fp and began_us are left to the caller.
 */
void outcome_of_answer(const struct answer *answer, const struct job *job, int64_t age_ms,
                       const struct retry_policy *policy, double random_unit,
                       struct outcome *ret_outcome);

/* Copies what there is: behind the end of the link stands whatever stood there before. */
void outcome_copy(struct outcome *target, const struct outcome *source);

/* A job that was never tried goes back: drain, hold, missed slot, lease too short. */
void outcome_returned(const char *why, struct outcome *ret_outcome);

const char *outcome_kind_name(enum outcome_kind kind);
const char *outcome_signal_name(enum outcome_signal signal);

#endif
