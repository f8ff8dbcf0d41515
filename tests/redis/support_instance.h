/*
 * support_instance.h - a daemon as the steps see it: it claims, sends, settles, dies, and recovers
 * by the client's rules (steps.md section 5), at random.
 *
 * Requests take no network: one step of instance_step() begins a request, a later one ends it.
 */
#ifndef TESTS_REDIS_SUPPORT_INSTANCE_H
#define TESTS_REDIS_SUPPORT_INSTANCE_H

#include "support_steps.h"

#include <stdbool.h>
#include <stdint.h>

#define FLEET_SIZE 3
#define HAND_MAX   1024
#define SETTLE_MAX 256
#define FLEET_SETTINGS                                                                             \
    SETTINGS_BUT("\"perSec\":100000,\"reuseMinShare\":0.00001,\"maxRecoveries\":3,"                \
                 "\"holdBackoffMinMs\":3,\"holdBackoffMaxMs\":20,\"outageQuietMs\":5")

enum hand_state { HAND_UNSENT, HAND_RUNNING, HAND_ANSWERED };

struct hand {
    char lease[80];
    char user[32];
    char redirect_url[64];
    int64_t deadline_ms; /* of the lease, on the server's clock */
    int epoch;           /* of the data it was claimed from */
    enum hand_state state;
    bool is_in_settle; /* stands in the settle that is not answered yet */
    const char *kind, *signal;
    enum told told;
    char session_id[32];
};

struct instance {
    char owner[16];
    char boot[17];
    int seq;
    int64_t settle_number;
    bool is_up, has_open_settle, must_recover;
    struct hand hand[HAND_MAX];
    int hand_count;
};

/* What happened, for the last line. */
struct fleet_counts {
    int sessions, crashes, claims, claimed, settles, fenced, again, strays, out_of_memory,
        wrong_type, held, foreign, most_running;
};

struct fleet {
    struct instance instances[FLEET_SIZE];
    int epoch; /* grows when Redis loses writes */
    struct fleet_counts counts;
};

extern struct fleet fleet;

void fleet_start(void);

/* One random step of one instance. `is_quiet`: none dies any more. */
void instance_step(struct instance *instance, bool is_quiet);

/* The connection was lost: it has to recover before it claims. */
void instance_disconnect(struct instance *instance);

#endif
