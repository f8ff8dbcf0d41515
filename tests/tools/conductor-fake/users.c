/* users.c - end users, in a hash table that grows. */
#include "users.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKET_COUNT 1024

bool users_is_id(const char *id, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = id[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return false;
    }
    return len > 0 && len <= USER_ID_MAX_LEN;
}

/* FNV-1a, 64 bits. */
static size_t hash_of(const char *id, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)id[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ (hash >> 32));
}

static struct user **bucket_of(const struct users *users, const char *id, size_t len)
{
    return &users->buckets[hash_of(id, len) & (users->bucket_count - 1)];
}

struct user *users_find(const struct users *users, const char *id, size_t len)
{
    if (users->bucket_count == 0)
        return NULL;

    struct user *user = *bucket_of(users, id, len);
    while (user != NULL && (user->id_len != len || memcmp(user->id, id, len) != 0))
        user = user->next_in_bucket;
    return user;
}

static enum result grow(struct users *users)
{
    struct users larger = *users;

    larger.bucket_count = users->bucket_count == 0 ? FIRST_BUCKET_COUNT : users->bucket_count * 2;
    larger.buckets = calloc(larger.bucket_count, sizeof *larger.buckets);
    if (larger.buckets == NULL)
        return RESULT_NO_MEMORY;
    for (size_t i = 0; i < users->bucket_count; i++) {
        struct user *next = NULL;
        for (struct user *user = users->buckets[i]; user != NULL; user = next) {
            struct user **bucket = bucket_of(&larger, user->id, user->id_len);
            next = user->next_in_bucket;
            user->next_in_bucket = *bucket;
            *bucket = user;
        }
    }
    free(users->buckets);
    *users = larger;
    return RESULT_OK;
}

struct user *users_touch(struct users *users, const char *id, size_t len)
{
    struct user *user = users_find(users, id, len);

    if (user != NULL)
        return user;
    if (!users_is_id(id, len) || users->count == USERS_MAX)
        return NULL;
    if (users->count == users->bucket_count && grow(users) != RESULT_OK)
        return NULL;
    user = calloc(1, sizeof *user + len + 1);
    if (user == NULL)
        return NULL;

    struct user **bucket = bucket_of(users, id, len);
    memcpy(user->id, id, len);
    user->id_len = len;
    user->next_in_bucket = *bucket;
    *bucket = user;
    users->count++;
    return user;
}

bool users_exists(const struct users *users, const struct users_rule *rule, const char *project,
                  const char *id, size_t len)
{
    const struct user *user = users_find(users, id, len);
    size_t prefix_len = rule->missing_prefix == NULL ? 0 : strlen(rule->missing_prefix);

    if (user != NULL && user->is_missing)
        return false;
    if (user != NULL && user->profile != NULL)
        return strcmp(user->profile->project, project) == 0;
    if (user != NULL && user->is_known)
        return true;
    if (rule->known_only || !users_is_id(id, len))
        return false;
    return prefix_len == 0 || len < prefix_len || memcmp(id, rule->missing_prefix, prefix_len) != 0;
}

static struct user_profile *free_profile(struct user_profile *profile)
{
    if (profile != NULL) {
        free(profile->project);
        free(profile->company_name);
        free(profile->source_id);
        free(profile->email);
        free(profile);
    }
    return NULL;
}

static struct user_profile *copy_profile(const struct user_profile *from)
{
    struct user_profile *copy = calloc(1, sizeof *copy);

    if (copy == NULL)
        return NULL;
    copy->created_unix_ms = from->created_unix_ms;
    copy->project = strdup(from->project);
    copy->company_name = strdup(from->company_name);
    copy->source_id = strdup(from->source_id);
    copy->email = strdup(from->email);
    if (copy->project == NULL || copy->company_name == NULL || copy->source_id == NULL ||
        copy->email == NULL)
        return free_profile(copy);
    return copy;
}

enum result users_create(struct users *users, const char *id, size_t id_len,
                         const struct user_profile *profile, struct user **ret_user)
{
    for (struct user *user = users->first_created; user != NULL; user = user->next_created) {
        if (strcmp(user->profile->project, profile->project) == 0 &&
            strcmp(user->profile->source_id, profile->source_id) == 0) {
            *ret_user = user;
            return RESULT_EXISTS;
        }
    }

    struct user *user = users_touch(users, id, id_len);
    if (user == NULL)
        return RESULT_NO_MEMORY;
    user->profile = copy_profile(profile);
    if (user->profile == NULL)
        return RESULT_NO_MEMORY;
    if (users->last_created == NULL)
        users->first_created = user;
    else
        users->last_created->next_created = user;
    users->last_created = user;
    *ret_user = user;
    return RESULT_OK;
}

void users_delete(struct users *users, struct user *user)
{
    struct user *before = NULL;
    struct user **link = &users->first_created;

    while (*link != NULL && *link != user) {
        before = *link;
        link = &before->next_created;
    }
    if (*link == user) {
        *link = user->next_created;
        if (users->last_created == user)
            users->last_created = before;
    }
    user->next_created = NULL;
    user->profile = free_profile(user->profile);
    user->connection = USER_NOT_STARTED;
    user->is_known = false;
    user->is_missing = true;
}

void users_done(struct users *users)
{
    for (size_t i = 0; i < users->bucket_count; i++) {
        struct user *next = NULL;
        for (struct user *user = users->buckets[i]; user != NULL; user = next) {
            next = user->next_in_bucket;
            free_profile(user->profile);
            free(user);
        }
    }
    free(users->buckets);
    *users = (struct users){0};
}
