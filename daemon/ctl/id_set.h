/*
 * id_set.h - end-user IDs, and how often each is in.
 */
#ifndef AUTHLINKD_CTL_ID_SET_H
#define AUTHLINKD_CTL_ID_SET_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_entry;

struct id_set {
    struct buffer ids; /* one behind the other, each ended with NUL */
    struct id_entry *entries;
    size_t capacity, used;
};

void id_set_init(struct id_set *set);
void id_set_done(struct id_set *set);

/* Counts one more; *ret_count is how often it is in now. */
MUST_CHECK enum result id_set_add(struct id_set *set, const char *id, size_t len,
                                  uint32_t *ret_count);

/* Counts one less. False: it is not in. */
bool id_set_take(struct id_set *set, const char *id, size_t len);

#endif
