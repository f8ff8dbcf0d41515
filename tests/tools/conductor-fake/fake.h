/*
 * fake.h - the whole state of the fake API, and one request on its way through it.
 *
 * Who owns whom:
 *
 *     main
 *       fake         settings, keys, users, faults, limiter, record, sessions, stats
 *       server       the listening socket, the TLS context
 *         connection   socket, input, wire
 *           exchange     one request, its reply, how the reply is delivered
 */
#ifndef CONDUCTOR_FAKE_FAKE_H
#define CONDUCTOR_FAKE_FAKE_H

#include "chance.h"
#include "faults.h"
#include "keys.h"
#include "limiter.h"
#include "record.h"
#include "reply.h"
#include "ring.h"
#include "settings.h"
#include "users.h"

#define HTTP_STATUS_MAX 599

struct stats {
    uint64_t requests;  /* under /v1/, well-formed */
    uint64_t malformed; /* answered by the HTTP layer alone */
    uint64_t created;   /* auth sessions */
    uint64_t throttled;
    uint64_t faults;  /* requests and connections that met a fault */
    uint64_t dropped; /* requests without an answer or with a part of one */
    uint64_t by_status[HTTP_STATUS_MAX + 1];
    uint64_t in_flight;
    uint64_t max_in_flight;
    uint64_t max_in_flight_per_user;
    uint64_t connections; /* accepted */
    uint64_t open_connections;
    uint64_t max_open_connections;
};

struct fake {
    struct settings settings;
    struct keys keys;
    struct users users;
    struct faults faults;
    struct limiter limiter;
    struct ring record;   /* of struct recorded_request */
    struct ring sessions; /* of struct session, auth_sessions.h */
    struct stats stats;
    struct chance chance;
    uint32_t epoch; /* how often it was reset: what is older lets go of nothing */
    int argc;       /* the command line, to which a reset returns */
    char **argv;
};

/* How the connection ends after an answer. */
enum ending {
    ENDING_STAYS,
    ENDING_CLOSES,
    ENDING_LINGERS, /* what still comes is read, lest a reset overtake the answer */
    ENDING_RESETS,
    ENDING_STALLS,
};

struct delivery {
    int64_t delay_us;      /* before the head */
    int64_t body_delay_us; /* between head and body */
    size_t piece_bytes;    /* of the body; 0: whole */
    int64_t piece_delay_us;
    bool is_silent;         /* nothing is sent, not even the head */
    size_t cut_after_bytes; /* of the body as on the wire; SIZE_MAX: not cut */
    enum ending ending;
};

struct exchange {
    const struct http_request *request;
    const char *head; /* its bytes */
    uint64_t connection;
    int64_t now_us;
    cJSON *json;          /* owns; the body, when it is JSON */
    struct http_text key; /* of the Authorization header; empty: none */
    struct http_text user_id;

    struct reply reply;
    struct wire_form form;
    struct delivery delivery;

    uint32_t epoch;         /* of the fake at its arrival */
    struct user *user;      /* whose count it is in; NULL: nobody's */
    bool is_counted;        /* as in flight */
    uint64_t record_number; /* 0: not recorded */
    bool created;           /* a session */
};

/* The state that the command line asks for. On failure *reterr_reason holds a sentence. */
MUST_CHECK enum result fake_init(struct fake *fake, int argc, char **argv,
                                 struct buffer *reterr_reason);
void fake_done(struct fake *fake);

/* Forgets what happened and returns to the command line. Requests under way are no longer counted.
 */
MUST_CHECK enum result fake_reset(struct fake *fake, struct buffer *reterr_reason);

/* The clock of the API: that of this machine and the offset. */
int64_t fake_clock_unix_ms(const struct fake *fake);

/* Makes an ID: `prefix` and `len` characters that no other has. */
void fake_make_id(struct fake *fake, const char *prefix, size_t len, char *target, size_t size);

#endif
