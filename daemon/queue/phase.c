/* phase.c - how far the connection has come. */
#include "queue/phase.h"

#include "base/log.h"

#include <assert.h>

void phase_change(enum phase *phase, enum phase next)
{
    static const char *const names[] = {[PHASE_DOWN] = "down",
                                        [PHASE_RETURNING] = "returning",
                                        [PHASE_LISTING] = "listing",
                                        [PHASE_WORKING] = "working"};

    /* clang-format off */
    static const bool is_legal[PHASE_COUNT][PHASE_COUNT] = {
        [PHASE_DOWN]      = {[PHASE_DOWN] = true, [PHASE_RETURNING] = true},
        [PHASE_RETURNING] = {[PHASE_DOWN] = true, [PHASE_LISTING] = true},
        [PHASE_LISTING]   = {[PHASE_DOWN] = true, [PHASE_WORKING] = true},
        [PHASE_WORKING]   = {[PHASE_DOWN] = true},
    };
    /* clang-format on */

    assert(is_legal[*phase][next]);
    log_debug("queue.changed", log_str("from", names[*phase]), log_str("to", names[next]));
    *phase = next;
}
