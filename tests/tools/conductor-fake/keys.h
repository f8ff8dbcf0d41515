/*
 * keys.h - the secret keys that are valid now, and the project each belongs to.
 *
 * A project is known by its publishable key, of which it has exactly one; it may
 * have many secret keys. A revoked key is gone at once. (conductor-api.md section 1)
 */
#ifndef CONDUCTOR_FAKE_KEYS_H
#define CONDUCTOR_FAKE_KEYS_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

#define KEYS_MAX 64

struct key {
    char *secret;      /* owns */
    char *publishable; /* owns; names the project */
};

struct keys {
    struct key keys[KEYS_MAX];
    size_t count;
};

/* RESULT_OK, RESULT_EXISTS, RESULT_INVALID (not `sk_...` and `pk_...`), RESULT_FULL,
 * RESULT_NO_MEMORY. */
MUST_CHECK enum result keys_add(struct keys *keys, const char *secret, const char *publishable);

/* RESULT_NOT_FOUND. */
MUST_CHECK enum result keys_revoke(struct keys *keys, const char *secret);

/* The project of a secret key: its publishable key. NULL: the key is not valid. */
const char *keys_project(const struct keys *keys, const char *secret, size_t len);

void keys_done(struct keys *keys);

#endif
