/*
 * record.h - every request that came, as it came, and what became of it.
 */
#ifndef CONDUCTOR_FAKE_RECORD_H
#define CONDUCTOR_FAKE_RECORD_H

#include "base/buffer.h"
#include "http_request.h"
#include "ring.h"

#include <stdbool.h>
#include <stdint.h>

/* Of a longer body only so much is kept. */
#define RECORD_BODY_MAX_BYTES 65536

enum fate {
    FATE_PENDING,  /* not yet answered */
    FATE_ANSWERED, /* the whole answer went out */
    FATE_CUT,      /* a part of it did */
    FATE_DROPPED,  /* nothing did */
    FATE_LEFT,     /* the client closed before */
};

struct recorded_request {
    uint64_t connection;
    int64_t arrived_us;  /* monotonic: the request was complete */
    int64_t answered_us; /* the answer was handed to the kernel, or dropped; 0: pending */
    int64_t delay_us;    /* by which the answer was to be held back */
    int status;          /* of the answer; 0: none was made */
    bool created;        /* a session */
    enum fate fate;
    char *answer; /* owns; the body of the answer, when answers are recorded */
    size_t answer_len;
    size_t head_len;
    size_t body_len;   /* as kept */
    size_t body_bytes; /* as sent */
    size_t user_id_len;
    char bytes[]; /* head, body, end-user ID */
};

void record_init(struct ring *record, size_t max);

/* Copies the request. 0: there was no memory for it. */
uint64_t record_add(struct ring *record, const struct http_request *request, const char *head,
                    struct http_text user_id);

/* Appends up to `limit` requests as a JSON array, from number `since` on. */
void record_append_json(const struct ring *record, uint64_t since, uint64_t limit,
                        struct buffer *json);

#endif
