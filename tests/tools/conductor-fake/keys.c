/* keys.c - secret keys and their projects. */
#include "keys.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static struct key *find(const struct keys *keys, const char *secret, size_t len)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct key *key = &keys->keys[i];
        if (strlen(key->secret) == len && memcmp(key->secret, secret, len) == 0)
            return (struct key *)(uintptr_t)key;
    }
    return NULL;
}

static void free_key(struct key *key)
{
    free(key->secret);
    free(key->publishable);
    *key = (struct key){0};
}

enum result keys_add(struct keys *keys, const char *secret, const char *publishable)
{
    if (!text_starts_with(secret, "sk_") || !text_starts_with(publishable, "pk_"))
        return RESULT_INVALID;
    if (find(keys, secret, strlen(secret)) != NULL)
        return RESULT_EXISTS;
    if (keys->count == KEYS_MAX)
        return RESULT_FULL;

    struct key *key = &keys->keys[keys->count];
    key->secret = strdup(secret);
    key->publishable = strdup(publishable);
    if (key->secret == NULL || key->publishable == NULL) {
        free_key(key);
        return RESULT_NO_MEMORY;
    }
    keys->count++;
    return RESULT_OK;
}

enum result keys_revoke(struct keys *keys, const char *secret)
{
    struct key *key = find(keys, secret, strlen(secret));

    if (key == NULL)
        return RESULT_NOT_FOUND;
    free_key(key);
    *key = keys->keys[--keys->count];
    keys->keys[keys->count] = (struct key){0};
    return RESULT_OK;
}

const char *keys_project(const struct keys *keys, const char *secret, size_t len)
{
    const struct key *key = find(keys, secret, len);

    return key == NULL ? NULL : key->publishable;
}

void keys_done(struct keys *keys)
{
    while (keys->count > 0)
        free_key(&keys->keys[--keys->count]);
}
