/*
 * users.h - what the fake knows about each end user: profile, connection, counts.
 *
 * An entry comes into being when an end user is created, named or first asked
 * for; having one does not say that the user exists: users_exists() does.
 */
#ifndef CONDUCTOR_FAKE_USERS_H
#define CONDUCTOR_FAKE_USERS_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_ID_MAX_LEN 128
#define USERS_MAX       ((size_t)8 * 1000 * 1000)

/* The three states of conductor-api.md 4.5. */
enum user_connection {
    USER_NOT_STARTED,
    USER_STARTED,   /* the record appears when the user starts the flow */
    USER_CONNECTED, /* at least one request reached QuickBooks */
};

struct user_profile { /* of users created over the API; every text is owned */
    char *project;
    char *company_name;
    char *source_id;
    char *email;
    int64_t created_unix_ms;
};

struct user {
    struct user *next_in_bucket;
    struct user *next_created;    /* list of users with a profile, oldest first */
    struct user_profile *profile; /* owns; NULL: not created over the API */
    uint32_t created;             /* auth sessions */
    uint32_t requests;            /* for auth sessions */
    uint32_t in_flight;           /* of those, not yet answered */
    bool is_known;                /* was named as existing */
    bool is_missing;              /* was named as not existing, or deleted */
    bool is_pc_off;               /* the health check does not reach QuickBooks */
    enum user_connection connection;
    size_t id_len;
    char id[];
};

struct users {
    struct user **buckets; /* owns */
    size_t bucket_count;   /* a power of two; 0 before the first user */
    size_t count;
    struct user *first_created;
    struct user *last_created;
};

/* Whether `id` is in the alphabet of the API's IDs. */
bool users_is_id(const char *id, size_t len);

/* NULL: no entry. */
struct user *users_find(const struct users *users, const char *id, size_t len);

/* Finds or makes the entry. NULL: no ID, memory is short, or there are USERS_MAX. */
struct user *users_touch(struct users *users, const char *id, size_t len);

/* What decides who exists without having been created. */
struct users_rule {
    const char *missing_prefix; /* NULL or "": none */
    bool known_only;
};

/* Whether the project has this end user. */
bool users_exists(const struct users *users, const struct users_rule *rule, const char *project,
                  const char *id, size_t len);

/*
 * Creates an end user over the API under a given ID.
 *   RESULT_EXISTS     the project has this sourceId; *ret_user is who has it.
 *   RESULT_NO_MEMORY
 */
MUST_CHECK enum result users_create(struct users *users, const char *id, size_t id_len,
                                    const struct user_profile *profile, struct user **ret_user);

/* It exists no longer, for any project. */
void users_delete(struct users *users, struct user *user);

/* Forgets everybody. */
void users_done(struct users *users);

#endif
