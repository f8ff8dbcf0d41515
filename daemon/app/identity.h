/*
 * identity.h - who this process is, and the proof that it is the only one.
 *
 * owner = <instance>@<hostId>. One process at a time has it: an abstract unix
 * socket named after prefix and instance is the lock, which the kernel drops at
 * death, however that comes. Abstract names belong to a network namespace, so the
 * namespace is part of hostId (steps.md section 1).
 */
#ifndef AUTHLINKD_APP_IDENTITY_H
#define AUTHLINKD_APP_IDENTITY_H

#include "base/buffer.h"
#include "base/result.h"

#include <stdbool.h>
#include <sys/types.h>

#define HOST_ID_LEN   16
#define OWNER_MAX_LEN (64 + 1 + HOST_ID_LEN)

#define IDENTITY_ASKERS_MAX 8 /* who ask at once, and are answered at once */

struct identity {
    char host_id[HOST_ID_LEN + 1]; /* hex */
    char owner[OWNER_MAX_LEN + 1];
    int lock_fd; /* owns; -1: not locked */
};

/*
 * Finds the host's identity and takes the lock of `instance` on the data under `key_prefix`.
 *   RESULT_OK      *ret_identity holds the lock until identity_done().
 *   RESULT_EXISTS  another process has it; *reterr_holder is its process ID, 0 when it cannot be
 * told. RESULT_SYSTEM  errno tells why.
 */
MUST_CHECK enum result identity_take(const char *instance, const char *key_prefix,
                                     struct identity *ret_identity, pid_t *reterr_holder);

/*
 * Others that were started have asked whose the lock is (its socket is readable): they have read it
 * from the kernel, and are let go. Unanswered ones would fill the socket's queue, and the next
 * could not ask. Any user of the host may ask, so no more than IDENTITY_ASKERS_MAX are answered in
 * a call: the others make the socket readable again. False: without a descriptor nobody can be
 * answered, and the socket stays readable.
 */
MUST_CHECK bool identity_answer(const struct identity *identity);

void identity_done(struct identity *identity);

#endif
