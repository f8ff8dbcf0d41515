/* hold_watch.c - which holds bind this instance, as the last replies told. */
#include "queue/hold_watch.h"

#include "base/log.h"
#include "base/text.h"
#include "queue/replies.h"

#include <string.h>

static const struct {
    const char *name;
    bool is_of_key;
    enum log_level level;
    const char *advice;
} kinds[HOLD_KINDS] = {
    {"pause", false, LOG_LEVEL_NOTICE, "an operator paused the fleet; an operator resumes it"},
    {"unknown_users", true, LOG_LEVEL_ERROR,
     "check that publishable key, secret key and end users are of one project; then let an "
     "operator "
     "resume the account, or mend the key and reload"},
    {"account", true, LOG_LEVEL_ERROR,
     "mend the key or the account at Conductor; then systemctl reload authlinkd. It goes on by "
     "itself "
     "when a probe succeeds"},
    {"outage", false, LOG_LEVEL_WARN,
     "the API cannot be reached or fails; it goes on by itself when a probe succeeds"},
};

const char *hold_kind_name(int kind)
{
    return kinds[kind].name;
}

/* The kind of a cause that binds; -1: it does not. */
static int kind_of(const struct hold_watch *watch, const char *cause)
{
    for (int kind = 0; kind < HOLD_KINDS; kind++) {
        size_t len = strlen(kinds[kind].name);
        if (strncmp(cause, kinds[kind].name, len) != 0)
            continue;
        bool is_mine = kinds[kind].is_of_key
                           ? cause[len] == ':' && strcmp(cause + len + 1, watch->key_fp) == 0
                           : cause[len] == '\0';
        if (is_mine)
            return kind;
    }
    return -1;
}

static void begin(struct hold_watch *watch, int kind, const char *detail)
{
    if (watch->binds[kind])
        return;
    watch->binds[kind] = true;
    LOG_AT(kinds[kind].level, "hold.began", log_str("hold", kinds[kind].name),
           log_str("detail", detail), log_str("advice", kinds[kind].advice));
}

static void end(struct hold_watch *watch, int kind)
{
    if (!watch->binds[kind])
        return;
    watch->binds[kind] = false;
    log_notice("hold.ended", log_str("hold", kinds[kind].name));
}

void hold_watch_set_key(struct hold_watch *watch, const char *key_fp)
{
    if (strcmp(watch->key_fp, key_fp) == 0)
        return;
    text_copy(watch->key_fp, sizeof watch->key_fp, key_fp, strlen(key_fp));
    for (int kind = 0; kind < HOLD_KINDS; kind++)
        if (kinds[kind].is_of_key)
            end(watch, kind);
}

void hold_watch_note_all(struct hold_watch *watch, const redisReply *holds)
{
    bool is_there[HOLD_KINDS] = {false};

    for (size_t i = 0; reply_at(holds, i + 2) != NULL; i += 3) {
        int kind = kind_of(watch, reply_text(reply_at(holds, i)));
        if (kind < 0)
            continue;
        is_there[kind] = true;
        begin(watch, kind, reply_text(reply_at(holds, i + 2)));
    }
    for (int kind = 0; kind < HOLD_KINDS; kind++)
        if (!is_there[kind])
            end(watch, kind);
}

void hold_watch_note_cause(struct hold_watch *watch, const char *cause, const char *detail)
{
    int kind = kind_of(watch, cause);

    if (kind >= 0)
        begin(watch, kind, detail);
}

void hold_watch_note_none(struct hold_watch *watch)
{
    for (int kind = 0; kind < HOLD_KINDS; kind++)
        end(watch, kind);
}

const char *hold_watch_binding(const struct hold_watch *watch)
{
    for (int kind = 0; kind < HOLD_KINDS; kind++)
        if (watch->binds[kind])
            return kinds[kind].name;
    return NULL;
}

bool hold_watch_is_paused(const struct hold_watch *watch)
{
    return watch->binds[0];
}
