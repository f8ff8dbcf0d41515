/*
 * timing.h - times that are no settings, because only tests have a reason to change them.
 *
 * timing_get() is the one source. The test build links another definition
 * (tests/tools/hooks.c) that takes shorter times from its environment.
 */
#ifndef AUTHLINKD_CORE_TIMING_H
#define AUTHLINKD_CORE_TIMING_H

#include <stdint.h>

struct timing {
    int64_t lease_margin_ms;       /* lease = request time-out + this (steps.md C6) */
    int64_t start_margin_ms;       /* a request starts only if it ends this long before its lease */
    int64_t slot_grace_ms;         /* how late a slot may still be used (C7) */
    int64_t reap_interval_ms;      /* own strays are found within this (C4) */
    int64_t foreign_after_ms;      /* connected without a break before leases of others are reaped (C5) */
    int64_t peek_ms;               /* one blocking peek (C10) */
    int64_t command_timeout_ms;    /* reply of Redis, else the connection is closed (C1) */
    int64_t reconnect_min_ms;      /* back-off of links, full jitter */
    int64_t reconnect_max_ms;
    int64_t hold_backoff_min_ms;   /* probes of outage and account */
    int64_t hold_backoff_max_ms;
    int64_t outage_quiet_ms;       /* no success for this long before five failures are an outage */
    int64_t instance_interval_ms;  /* how often :instance:<owner> is written */
    int64_t instance_ttl_ms;
    int64_t survey_interval_ms;    /* how often the fleet is read for metrics */
};

struct timing timing_get(void);

#endif
