/* timing.c - the times of the programs that are shipped (steps.md, section 5). */
#include "core/timing.h"

struct timing timing_get(void)
{
    return (struct timing){
        .lease_margin_ms = 10000,
        .start_margin_ms = 2000,
        .slot_grace_ms = 250,
        .reap_interval_ms = 2000,
        .foreign_after_ms = 10000,
        .peek_ms = 5000,
        .command_timeout_ms = 5000,
        .reconnect_min_ms = 100,
        .reconnect_max_ms = 3000,
        .hold_backoff_min_ms = 1000,
        .hold_backoff_max_ms = 60000,
        .outage_quiet_ms = 1000,
        .instance_interval_ms = 5000,
        .instance_ttl_ms = 30000,
        .survey_interval_ms = 5000,
    };
}
