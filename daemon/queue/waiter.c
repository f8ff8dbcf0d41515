/* waiter.c - waits for a job without taking it. */
#include "queue/waiter.h"

#include "base/clock.h"
#include "base/hooks.h"
#include "base/log.h"
#include "base/timer.h"
#include "queue/reaction.h"
#include "queue/replies.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct waiter {
    struct link *link;     /* borrows */
    struct server *server; /* borrows */
    waiter_on_job on_job;
    void *user;
    bool is_wanted;
    bool is_peeking;
    uint32_t refusals;   /* in a row */
    struct event *timer; /* owns: time to peek again */
    int64_t last_reply_us;
    int64_t due_us; /* when the peek that is out comes back by itself */
};

static void peek(struct waiter *waiter);

static void refused(struct waiter *waiter, const redisReply *error)
{
    waiter->refusals++;
    if (waiter->refusals == 1)
        log_warn("peek.refused",
                 log_bytes("reply", error->str, error->len < 200 ? error->len : 200),
                 log_str("key", waiter->server->keys.queue),
                 log_str("advice", reaction_advice(error->str, error->len)));
    enum reaction reaction = reaction_to(error->str, error->len);
    if (reaction == REACTION_RECONNECT || reaction == REACTION_PASSWORD)
        link_drop(waiter->link, "the peek was refused");
    else
        timer_arm(waiter->timer, server_backoff_us(waiter->refusals));
}

static void on_reply(const redisReply *reply, void *user)
{
    struct waiter *waiter = user;

    if (reply != NULL && hook_is_wedged("peek"))
        return;
    waiter->is_peeking = false;
    if (reply == NULL)
        return;
    waiter->last_reply_us = clock_mono_us();
    if (reply->type == REDIS_REPLY_ERROR) {
        refused(waiter, reply);
        return;
    }
    waiter->refusals = 0;
    if (!waiter->is_wanted)
        return;
    if (reply->type == REDIS_REPLY_NIL) { /* nothing came: peek on, claim nothing */
        peek(waiter);
        return;
    }
    waiter->is_wanted = false;
    waiter->on_job(waiter->user);
}

static void peek(struct waiter *waiter)
{
    const char *queue = waiter->server->keys.queue;
    int64_t peek_ms = waiter->server->timing.peek_ms;
    char seconds[32];
    char *bytes = NULL;

    if (waiter->is_peeking || !waiter->is_wanted || !link_is_up(waiter->link))
        return;
    /* A tiny time-out would be for ever on Redis before 7.0.8 (queues.md, lesson 3). */
    snprintf(seconds, sizeof seconds, "%.3f", (double)(peek_ms < 50 ? 50 : peek_ms) / 1000.0);
    const char *words[] = {"BLMOVE", queue, queue, "LEFT", "LEFT", seconds};
    size_t lens[6];
    for (int i = 0; i < 6; i++)
        lens[i] = strlen(words[i]);
    long long len = redisFormatCommandArgv(&bytes, 6, words, lens);
    if (len < 0) {
        timer_arm(waiter->timer, US_PER_SEC);
        return;
    }
    waiter->due_us = clock_mono_us() + peek_ms * US_PER_MS;
    waiter->is_peeking = link_send(waiter->link, bytes, (size_t)len, peek_ms * US_PER_MS, on_reply,
                                   waiter) == RESULT_OK;
    redisFreeCommand(bytes);
    if (!waiter->is_peeking)
        timer_arm(waiter->timer, US_PER_SEC);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    peek(user);
}

struct waiter *waiter_new(struct event_base *base, struct link *link, struct server *server,
                          waiter_on_job on_job, void *user)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);

    if (waiter == NULL)
        return NULL;
    *waiter = (struct waiter){.link = link, .server = server, .on_job = on_job, .user = user};
    waiter->timer = evtimer_new(base, on_timer, waiter);
    return waiter->timer == NULL ? waiter_free(waiter) : waiter;
}

struct waiter *waiter_free(struct waiter *waiter)
{
    if (waiter == NULL)
        return NULL;
    if (waiter->timer != NULL)
        event_free(waiter->timer);
    free(waiter);
    return NULL;
}

void waiter_begin(struct waiter *waiter)
{
    if (waiter->is_wanted)
        return;
    waiter->is_wanted = true;
    peek(waiter);
}

void waiter_end(struct waiter *waiter)
{
    waiter->is_wanted = false;
}

void waiter_link_up(struct waiter *waiter)
{
    peek(waiter);
}

bool waiter_is_blind(const struct waiter *waiter)
{
    return waiter->is_wanted && !waiter->is_peeking;
}

int64_t waiter_due_us(const struct waiter *waiter)
{
    return waiter->is_peeking ? waiter->due_us : 0;
}

int64_t waiter_last_reply_us(const struct waiter *waiter)
{
    return waiter->last_reply_us;
}
