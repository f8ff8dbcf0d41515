/*
 * metrics_text.h - the state of the daemon in the text format of Prometheus.
 *
 * Pure: numbers in, text out. Labels come from fixed lists only, so no series can be made from
 * outside, and no text of a peer can stand in a name, a label or a value.
 *
 * authlinkd_fleet_* is what all instances share, as the last survey read it; it is left out when
 * that is too old, for nothing is better than what was. What never happened has no time stamp.
 *
 * Sources  Exposition format 0.0.4; names and units by
 * https://prometheus.io/docs/practices/naming/.
 */
#ifndef AUTHLINKD_APP_METRICS_TEXT_H
#define AUTHLINKD_APP_METRICS_TEXT_H

#include "app/report.h"
#include "app/worker.h"
#include "base/buffer.h"

struct metrics_view {
    struct worker_view worker;
    int64_t now_us;          /* monotonic */
    int64_t started_unix_ms; /* the process */
    int64_t cpu_us;          /* used by it */
    int64_t resident_bytes;  /* 0: not known */
    bool is_config_fresh;    /* the last reload took the file up */
};

/* Why /readyz says no, in one word; NULL: it works. */
const char *metrics_obstacle(const struct metrics_view *view);

/* RESULT_FULL, RESULT_NO_MEMORY: the text is not whole. */
enum result metrics_write(const struct metrics_view *view, struct buffer *text);

#endif
