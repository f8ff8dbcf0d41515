/*
 * faults.h - rules of what goes wrong, for which requests.
 *
 * A rule is a JSON object: the members in the first half of the struct say which
 * requests it is for, those in the second what happens to them. The first rule
 * that applies decides. A rule without any condition is for every request under
 * /v1/.
 *
 *     {"endUserId": "end_usr_7", "times": 1, "status": 500}
 *     {"every": 10, "drop": "close", "commit": true}
 *     {"path": "/v1/auth-sessions", "nth": 3, "cutAfterBytes": 20, "drop": "rst", "at": "body"}
 */
#ifndef CONDUCTOR_FAKE_FAULTS_H
#define CONDUCTOR_FAKE_FAULTS_H

#include "chance.h"
#include "fields.h"
#include "http_request.h"
#include "settings.h"

#include <stdbool.h>
#include <stdint.h>

enum fault_point {
    FAULT_AT_REQUEST, /* the request is there, nothing of the answer is sent */
    FAULT_AT_ACCEPT,  /* before anything is read; conditions other than nth, every and chance never
                         hold */
    FAULT_AT_HEAD,    /* the head is there; the end user is not known yet */
    FAULT_AT_BODY,    /* the head of the answer and cutAfterBytes of its body are sent */
};

enum fault_drop { FAULT_DROP_NONE, FAULT_DROP_CLOSE, FAULT_DROP_RST, FAULT_DROP_STALL };

struct fault {
    struct fault *next;

    char *method;
    char *path;
    char *end_user_id;
    char *end_user_prefix;
    char *key;              /* secret key */
    int64_t attempt;        /* the end user's request of this number; 0: any */
    int64_t attempts_up_to; /* the end user's first so many; 0: any */
    int64_t nth;            /* the request of this number among those that meet the above; 0: any */
    int64_t every;          /* every so many of them; 0: each */
    double probability;
    int64_t seed;  /* of the probability */
    int64_t times; /* then the rule is spent; 0: never */

    int at;         /* enum fault_point, with drop */
    int drop;       /* enum fault_drop */
    bool commit;    /* the session is created and counted, whatever is answered */
    int64_t status; /* 0: as the API would */
    int body;       /* enum body_kind */
    char *body_text;
    char *content_type;
    char *type;
    char *code;
    char *message;
    char *integration_code;
    char *link_host;
    int64_t expires_in_sec; /* may be negative; 0: as asked */
    int64_t delay_ms;
    int64_t body_delay_ms;
    int64_t piece_bytes;    /* the body goes out in pieces of this size; 0: whole */
    int64_t piece_delay_ms; /* between them */
    int64_t cut_after_bytes;
    int64_t pad_bytes; /* blanks behind the body */
    bool chunked;
    bool close_after; /* `Connection: close` after the answer */
    cJSON *headers;   /* owns; object: text sets a header, null leaves one out */
    cJSON *set;       /* owns; object: members of the answer that are replaced */
    cJSON *unset;     /* owns; array: members of the answer that are left out */

    int64_t seen;    /* requests that met the conditions */
    int64_t applied; /* how often it happened */
    struct chance chance;
};

struct faults {
    struct fault *first; /* owns the list */
    struct fault *last;
};

/* The members of a rule but `headers`, `set` and `unset`. */
extern const struct field fault_fields[];
extern const size_t fault_field_count;

/* What the conditions are asked about. Empty texts where something is not known. */
struct fault_subject {
    struct http_text method;
    struct http_text path;
    struct http_text end_user_id;
    struct http_text key;
    int64_t attempt; /* of the end user; 0: no end user */
};

/* Adds the rules of a JSON array, or one rule. RESULT_INVALID: a sentence; those before it stay. */
MUST_CHECK enum result faults_add(struct faults *faults, const cJSON *rules,
                                  struct buffer *reterr_reason);

void faults_clear(struct faults *faults);

/* The rule for this request, counted as applied; NULL: none. Lent until the rules change. */
const struct fault *faults_choose(struct faults *faults, enum fault_point point,
                                  const struct fault_subject *subject);

/* Array of the rules with `seen` and `applied`. */
void faults_append_json(const struct faults *faults, struct buffer *json);

#endif
