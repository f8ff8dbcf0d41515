/*
 * server.h - what all parts of this layer share: the connection for the steps, names,
 * settings, the server's clock. Inside queue/ only.
 */
#ifndef AUTHLINKD_QUEUE_SERVER_H
#define AUTHLINKD_QUEUE_SERVER_H

#include "base/buffer.h"
#include "core/outcome.h"
#include "core/timing.h"
#include "queue/keys.h"
#include "queue/queue.h"
#include "queue/scripts.h"

#define BOOT_LEN       16
#define LEASE_NAME_MAX (QUEUE_OWNER_MAX_LEN + 1 + BOOT_LEN + 1 + 20)

struct server {
    struct link *link;       /* owns */
    struct scripts *scripts; /* owns */
    struct keys keys;
    struct buffer settings_json; /* ARGV of the steps: the same text for each */
    char owner[QUEUE_OWNER_MAX_LEN + 1];
    char boot[BOOT_LEN + 1];
    char key_fp[KEY_FP_LEN + 1];
    char *publishable_key; /* owns */
    char *redirect_url;    /* owns */
    uint32_t link_expiry_mins;
    int64_t events_keep_ms;
    double per_sec, burst, max_per_sec;
    int64_t request_timeout_ms;
    struct timing timing;
    int64_t clock_offset_ms; /* Redis time minus monotonic time, at the last reply */
    int64_t last_reply_us;
    char last_error[96]; /* what was logged last, and when: at most a line a second */
    int64_t last_error_us;
    int64_t last_refusal_us; /* an error reply that will be followed by a repetition */
    uint32_t unknown_errors; /* in a row */
    uint64_t connects;       /* since the start */
};

/* Takes settings over. RESULT_NO_MEMORY: nothing changed. */
MUST_CHECK enum result server_configure(struct server *server,
                                        const struct queue_settings *settings);

void server_done(struct server *server);

/* `<owner>/<boot>/<seq>` into `target` of LEASE_NAME_MAX + 1 bytes. */
void server_lease_name(const struct server *server, uint64_t seq, char *target);

/* A step answered, with Redis time `now_ms`. */
void server_note_reply(struct server *server, int64_t now_ms);

/* Redis time now, Unix ms; 0: not known yet. */
int64_t server_now_ms(const struct server *server);

/*
 * An error reply to `what`: says so in the log (once while it stays the same, at most a line a
 * second) and gives the connection up where the reaction is that. False when it did: the
 * caller has then been told of the loss already.
 */
bool server_react(struct server *server, const char *what, const redisReply *error);

/* A reply that has not the form it must have: logged, the connection given up. */
void server_reject(struct server *server, const char *what);

/* The times of a connection. */
struct link_times server_link_times(const struct timing *timing);

/* How long to wait before the `tries`-th repetition (from 1) of what was refused: 100 ms to 5 s. */
int64_t server_backoff_us(uint32_t tries);

#endif
