/*
 * support_app.h - an app for the tests of the queue: keeps jobs in hand, or settles them at once.
 */
#ifndef AUTHLINKD_TESTS_SUPPORT_APP_H
#define AUTHLINKD_TESTS_SUPPORT_APP_H

#include "support_queue.h"
#include "support_redis.h"

struct app {
    struct event_base *base;
    struct queue *queue;
    struct queue_settings settings;
    bool keeps; /* jobs stay in hand until app_settle_kept() */
    struct job *kept;
    uint32_t in_hand;
    uint32_t room;
    uint32_t jobs; /* handed out so far */
    uint32_t largest_batch;
    uint32_t settled_times;
    uint32_t recoveries; /* of the last job */
    uint32_t lost_leases;
    int holds;
    bool was_pause;
    char cause[64];
    char state[256];
    char password[64];
};

extern struct app app;
extern const struct queue_callbacks app_callbacks;

/* The loop and settings without an address. */
void app_init(void);

/* Checked fixtures, with the real server. Settings may be changed between app_begin() and
 * app_start(). */
void app_begin(void);
void app_end(void);

/* Makes the queue, and gives it room. */
void app_start(void);

void app_tell_room(void);

/* A job got its link. */
void app_settle(struct job *job);
void app_settle_kept(void);

/* A command to the real server, by printf; it must succeed. */
void app_ask(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Pushes end_usr_00000 and so on. */
void app_push(int count);

/* For run_until_true(). */
bool app_is_working(void *user);
bool app_is_settled(void *user);

void app_wait_for_state(const char *part);
void app_wait_for_jobs(uint32_t count);
void app_wait_for_ready(int count);

/* A counter of the fleet; how often a command ran. */
long long app_stat(const char *name);
long long app_count_calls(const char *command);

/* Puts one job into a lease of this name, as claim.lua does; its slot had come. */
void app_plant_lease(const char *lease, const char *user);

#endif
