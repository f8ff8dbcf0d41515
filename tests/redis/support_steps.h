/*
 * support_steps.h - claim, settle and reap, called as the daemon calls them.
 */
#ifndef TESTS_REDIS_SUPPORT_STEPS_H
#define TESTS_REDIS_SUPPORT_STEPS_H

#include "support_world.h"

#include <stddef.h>

/* What is absent has its default. */
struct claim_args {
    const char *lease; /* LEASE */
    int want;          /* 256 */
    int64_t lease_ms;  /* 40,000 */
    const char *key_fp;
    const char *publishable_key;
    const char *schema;
    const char *settings;
};

redisReply *claim(const struct claim_args *args);
#define CLAIM(...) claim(&(const struct claim_args){__VA_ARGS__})

/* The word of a reply: jobs, wait, hold, foreign, done, again. */
const char *word_of(const redisReply *reply);

/* A claimed job; texts are lent by the reply. */
struct claimed {
    const char *user;
    const char *job_key;
    int64_t attempts;
    int64_t recoveries;
    int64_t age_ms;
    int64_t slot_offset_us;
    const char *redirect_url;
    int64_t link_expiry_mins;
    const char *ref;
};

/* How many jobs a claim handed out, and they in the order of their slots. The reply is one of 'jobs'. */
size_t claimed_count(const redisReply *reply);
struct claimed claimed_at(const redisReply *reply, size_t index);

/* Pushes to the right end of the queue. */
void push(const char *payload);
void push_bytes(const char *payload, size_t len);

/* Pushes and claims one job. */
void take(const char *payload, const char *lease);

enum told { NOT_TOLD, ACCEPTED, REFUSED };

/* What is absent is empty; but the lease is LEASE, the key KEY_FP, the life and expiry those of 30
 * minutes. */
struct item {
    const char *user;
    const char *kind;
    const char *signal; /* none */
    const char *lease;
    const char *key_fp;
    int64_t age_ms;
    int64_t delay_ms;
    int64_t retry_after_ms;
    int64_t quota_reset_ms;
    int64_t life_ms;
    enum told told;
    const char *session_id;
    const char *auth_flow_url;
    const char *request_id;
    int64_t http_status;
    const char *error_code;
    const char *detail;
    const char *redirect_url;
    int64_t link_expiry_mins;
    const char *ref;
};

struct settle_args {
    const char *boot;     /* BOOT */
    const char *settings; /* SETTINGS */
    int64_t number;
    size_t count;
    const struct item *items;
};

redisReply *settle_as(const struct settle_args *args);
redisReply *settle(int64_t number, size_t count, const struct item *items);

/* A settle's groups, word by word. */
#define SETTLE_SHADE_WORDS 6
#define SETTLE_ONE_WORDS   16 /* of a group of one item */
#define SETTLE_MAX_ITEMS   256
redisReply *settle_words(int64_t number, int count, const char *const *words);
#define SETTLE(number, ...)                                                                        \
    settle(number, sizeof((const struct item[]){__VA_ARGS__}) / sizeof(struct item),               \
           (const struct item[]){__VA_ARGS__})

/* How many items of a settle were fenced. */
size_t fenced_count(const redisReply *reply);

struct reap_args {
    const char *owner;    /* OWNER */
    const char *boot;     /* BOOT */
    const char *settings; /* SETTINGS */
    bool foreign;
    int name_count;
    const char *const *names;
};

/* Gives back the leases named, and those of others past their deadline if `foreign`. */
redisReply *reap_as(const struct reap_args *args);
redisReply *reap(bool foreign, int name_count, const char *const *names);
#define REAP(...)                                                                                  \
    reap(false, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)),               \
         (const char *[]){__VA_ARGS__})

/* The one delayed job; the test ends if there is another number of them. */
struct delayed {
    const char *record;
    int64_t due_ms;
    int64_t attempts;
    int64_t recoveries;
    int64_t slot_us;
    const char *payload;
};
struct delayed only_delayed(void);

/* Fields of the newest event, of the newest dead letter. */
const redisReply *last_event(void);
const redisReply *last_letter(void);
const char *last_letter_id(void);

/* Writes a link that is valid for `valid_ms` more. */
void store_link(const char *user, int64_t valid_ms, const char *redirect_url,
                int64_t updated_ago_ms);

/* Writes a lease hash of one job, deadline and index, counted as taken, as if claimed long ago. */
void store_lease(const char *lease, const char *user, const char *record, int64_t deadline_ms);

#endif
