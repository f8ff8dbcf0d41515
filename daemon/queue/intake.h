/*
 * intake.h - claims whenever that is due, and waits for news when it is not. Inside queue/ only.
 *
 * Owns the claims, the peek with its connection, and the cadence that says when and how many.
 * What a claim brought goes up as it came; what is done about it is queue.c's.
 *
 * Sources  steps.md C9 to C11.
 */
#ifndef AUTHLINKD_QUEUE_INTAKE_H
#define AUTHLINKD_QUEUE_INTAKE_H

#include "queue/claim.h"

struct evdns_base;
struct intake;

struct intake_callbacks {
    /* A claim was answered. `reply` is lent until the call returns. */
    void (*on_claimed)(const struct claim_reply *reply, void *user);
    /* Outcomes are not getting through: nothing is claimed (C9). */
    bool (*is_behind)(void *user);
    bool (*on_password_wanted)(char *target, size_t size, void *user);
};

/* NULL when memory is short. Borrows base, dns, server and user. */
struct intake *intake_new(struct event_base *base, struct evdns_base *dns,
                          const struct queue_settings *settings, struct server *server,
                          const struct intake_callbacks *callbacks, void *user);

/* Accepts NULL. Returns NULL. */
struct intake *intake_free(struct intake *intake);

/* Connects the peek. */
void intake_start(struct intake *intake);

/* Settings changed: a connection that waits to be made is made now. */
void intake_hurry(struct intake *intake);

/* Claims from now on; or no more, until it is opened again. */
void intake_open(struct intake *intake);
void intake_close(struct intake *intake);

/* How many more jobs may be handed out. */
void intake_set_room(struct intake *intake, uint32_t room);

/* Claims, if that is due: to be called when something changed on which a claim may have waited. */
void intake_look(struct intake *intake);

/* A reap tells, every two seconds, when the next delayed job is due; -1: there is none. */
void intake_note_due(struct intake *intake, int64_t next_due_ms);

/* What became of a job; a job that is gone without an outcome. */
void intake_note_outcome(struct intake *intake, const struct job *job,
                         const struct outcome *outcome);
void intake_note_drop(struct intake *intake, const struct job *job);

/* When the oldest of what is unanswered should have been answered, monotonic; 0: nothing is. */
int64_t intake_unanswered_us(const struct intake *intake);

/* Since when a claim could have been sent, and was not; 0: it waits for nothing but news. */
int64_t intake_idle_since_us(const struct intake *intake, int64_t now_us);

/* The number of the claim that is unanswered; 0: none is. */
uint64_t intake_outstanding(const struct intake *intake);

#endif
