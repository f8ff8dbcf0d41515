/* id_set.c - end-user IDs, and how often each is in: open addressing, half full at most. */
#include "ctl/id_set.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 1024
#define IDS_MAX_BYTES  ((size_t)4 << 30)

struct id_entry {
    size_t start; /* in `ids`, plus 1; 0: free */
    uint32_t hash;
    uint32_t count;
};

void id_set_init(struct id_set *set)
{
    *set = (struct id_set){.entries = NULL};
    buffer_init(&set->ids, IDS_MAX_BYTES);
}

void id_set_done(struct id_set *set)
{
    buffer_done(&set->ids);
    free(set->entries);
    set->entries = NULL;
}

/* FNV-1a */
static uint32_t hash_of(const char *id, size_t len)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)id[i]) * 16777619U;
    return hash;
}

/* Where the ID is, or the free place where it belongs. */
static struct id_entry *find(const struct id_set *set, const char *id, size_t len, uint32_t hash)
{
    for (size_t i = hash & (set->capacity - 1);; i = (i + 1) & (set->capacity - 1)) {
        struct id_entry *entry = &set->entries[i];
        if (entry->start == 0)
            return entry;
        const char *other = set->ids.data + entry->start - 1;
        if (entry->hash == hash && strncmp(other, id, len) == 0 && other[len] == '\0')
            return entry;
    }
}

static enum result grow(struct id_set *set)
{
    struct id_set larger = *set;

    larger.capacity = set->capacity == 0 ? FIRST_CAPACITY : 2 * set->capacity;
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL)
        return RESULT_NO_MEMORY;
    for (size_t i = 0; i < set->capacity; i++) {
        const struct id_entry *entry = &set->entries[i];
        if (entry->start == 0)
            continue;
        const char *id = set->ids.data + entry->start - 1;
        *find(&larger, id, strlen(id), entry->hash) = *entry;
    }
    free(set->entries);
    *set = larger;
    return RESULT_OK;
}

enum result id_set_add(struct id_set *set, const char *id, size_t len, uint32_t *ret_count)
{
    uint32_t hash = hash_of(id, len);

    if (2 * set->used >= set->capacity && grow(set) != RESULT_OK)
        return RESULT_NO_MEMORY;
    struct id_entry *entry = find(set, id, len, hash);
    if (entry->start == 0) {
        size_t start = set->ids.len + 1;
        if (buffer_append(&set->ids, id, len) != RESULT_OK ||
            buffer_append_char(&set->ids, '\0') != RESULT_OK)
            return RESULT_NO_MEMORY;
        *entry = (struct id_entry){.start = start, .hash = hash};
        set->used++;
    }
    *ret_count = ++entry->count;
    return RESULT_OK;
}

bool id_set_take(struct id_set *set, const char *id, size_t len)
{
    if (set->capacity == 0)
        return false;
    struct id_entry *entry = find(set, id, len, hash_of(id, len));
    if (entry->start == 0 || entry->count == 0)
        return false;
    entry->count--;
    return true;
}
