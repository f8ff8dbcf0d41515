/* reaction.c - what to do about an error reply. */
#include "queue/reaction.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    enum reaction reaction;
    const char *advice;
} reactions[] = {
    {"ASK", REACTION_RECONNECT, "give redis.url the node that has the keys"},
    {"BUSY", REACTION_WAIT, "a script of somebody else blocks Redis"},
    {"CLUSTERDOWN", REACTION_WAIT, ""},
    {"CROSSSLOT", REACTION_CONFIGURATION, "in Redis Cluster redis.key_prefix must be a hash tag, {authlink}"},
    {"DENIED", REACTION_RECONNECT, "Redis runs in protected mode: bind it to an address, or set a password"},
    {"EXECABORT", REACTION_WAIT, ""},
    {"LOADING", REACTION_WAIT, ""},
    {"MASTERDOWN", REACTION_RECONNECT, ""},
    {"MISCONF", REACTION_WAIT, "Redis cannot write to its disk: make room there"},
    {"MOVED", REACTION_RECONNECT, "give redis.url the node that has the keys"},
    {"NOAUTH", REACTION_PASSWORD, "set redis.password_file"},
    {"NOPERM", REACTION_CONFIGURATION, "give the Redis user the rights in conf/authlinkd.acl"},
    {"NOREPLICAS", REACTION_WAIT, "Redis wants more replicas (min-replicas-to-write)"},
    {"NOSCRIPT", REACTION_LOAD_SCRIPT, ""},
    {"OOM", REACTION_WAIT, "Redis is full: raise maxmemory, or take something away"},
    {"READONLY", REACTION_RECONNECT, "redis.url names a replica; it must be the primary"},
    {"TRYAGAIN", REACTION_WAIT, ""},
    {"UNBLOCKED", REACTION_RECONNECT, ""},
    {"WRONGPASS", REACTION_PASSWORD, "correct redis.password_file or the user in redis.url"},
    {"WRONGTYPE", REACTION_CONFIGURATION, "something else uses this key; rename one of the two"},
    {"ERR authlink wrongtype", REACTION_CONFIGURATION, "something else uses this key; rename one of the two"},
    {"ERR max number of clients", REACTION_RECONNECT, "raise maxclients in Redis"},
    {"ERR READONLY", REACTION_RECONNECT, "redis.url leads to a replica; it must be the primary"},
    {"ERR unknown command", REACTION_CONFIGURATION, "Redis 7.0 or Valkey 7.2 is the oldest that will do"},
};

/* The row whose word stands at the start, as a whole word; the longest one counts. */
static int find(const char *error, size_t len)
{
    int found = -1;
    size_t found_len = 0;

    for (size_t i = 0; i < sizeof reactions / sizeof reactions[0]; i++) {
        size_t word_len = strlen(reactions[i].word);
        if (word_len > len || word_len < found_len || memcmp(reactions[i].word, error, word_len) != 0)
            continue;
        char next = word_len == len ? ' ' : error[word_len];
        if (next != ' ' && next != ',' && next != '\r' && next != ':')
            continue;
        found = (int)i;
        found_len = word_len;
    }
    return found;
}

enum reaction reaction_to(const char *error, size_t len)
{
    int row = find(error, len);

    return row < 0 ? REACTION_UNKNOWN : reactions[row].reaction;
}

const char *reaction_advice(const char *error, size_t len)
{
    int row = find(error, len);

    return row < 0 ? "" : reactions[row].advice;
}

void reaction_append(const char *error, size_t len, char *text, size_t size)
{
    const char *advice = reaction_advice(error, len);
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%.*s%s%s", (int)strcspn(error, "\r\n"), error,
             advice[0] != '\0' ? "; " : "", advice);
}
