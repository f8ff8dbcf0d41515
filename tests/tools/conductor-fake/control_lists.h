/*
 * control_lists.h - the lists that /_fake/keys and /_fake/end-users take.
 */
#ifndef CONDUCTOR_FAKE_CONTROL_LISTS_H
#define CONDUCTOR_FAKE_CONTROL_LISTS_H

#include "fake.h"

/* Both: in the order of the members; RESULT_INVALID leaves what came before. */
MUST_CHECK enum result control_change_keys(struct fake *fake, const cJSON *lists,
                                           struct buffer *reterr_reason);
MUST_CHECK enum result control_change_users(struct fake *fake, const cJSON *lists,
                                            struct buffer *reterr_reason);

#endif
