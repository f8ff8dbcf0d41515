/*
 * metrics.h - what a monitor may ask the daemon: /metrics, /healthz, /readyz.
 *
 *   /metrics  the text of metrics_text.h
 *   /healthz  200 "ok": the loop runs, and work goes on as designed;
 *             503 "stuck": the watchdog starves
 *   /readyz   200 "ready": jobs are taken;
 *             503 and one word: stopping, redis, recovering, foreign, or the hold that binds
 *
 * Every page is made of what is known already: no request waits for Redis.
 */
#ifndef AUTHLINKD_APP_METRICS_H
#define AUTHLINKD_APP_METRICS_H

#include "app/worker.h"

struct metrics;

/* NULL when memory is short. Borrows `base` and `worker`. Listens nowhere. */
struct metrics *metrics_new(struct event_base *base, struct worker *worker);

/* Accepts NULL. Returns NULL. To be called while the worker lives. */
struct metrics *metrics_free(struct metrics *metrics);

/* metrics.listen, checked by the configuration; "": nowhere. */
void metrics_listen(struct metrics *metrics, const char *address);

/* A reload was taken up, or not. */
void metrics_note_reload(struct metrics *metrics, bool is_taken_up);

#endif
