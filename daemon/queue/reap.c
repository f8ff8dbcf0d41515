/* reap.c - gives leases back that are over, and learns which are ours. */
#include "queue/reap.h"

#include "base/hooks.h"
#include "base/text.h"
#include "queue/replies.h"

#include <stdlib.h>
#include <string.h>

struct reaper {
    struct server *server; /* borrows */
    reaper_on_reply on_reply;
    void *user;
    bool is_outstanding;
};

struct reaper *reaper_new(struct server *server, reaper_on_reply on_reply, void *user)
{
    struct reaper *reaper = calloc(1, sizeof *reaper);

    if (reaper == NULL)
        return NULL;
    reaper->server = server;
    reaper->on_reply = on_reply;
    reaper->user = user;
    return reaper;
}

struct reaper *reaper_free(struct reaper *reaper)
{
    free(reaper);
    return NULL;
}

static void on_reply(const redisReply *reply, void *user)
{
    struct reaper *reaper = user;
    struct reap_reply reap = {.word = REAP_LOST, .next_due_ms = -1};

    reaper->is_outstanding = false;
    if (reply == NULL)
        goto out;
    if (reply->type == REDIS_REPLY_ERROR) {
        if (server_react(reaper->server, "reap", reply))
            reap.word = REAP_REFUSED;
        goto out;
    }
    reap.mine = reply_at(reply, 3);
    if (reply_int(reply_at(reply, 0), -1) < 0 || !reply_is_array(reap.mine)) {
        server_reject(reaper->server, "reap");
        goto out;
    }
    server_note_reply(reaper->server, reply_int(reply_at(reply, 0), 0));
    reap.word = REAP_DONE;
    reap.is_more = reply_int(reply_at(reply, 1), 0) == 1;
    reap.next_due_ms = reply_int(reply_at(reply, 2), -1);
    reap.recovered = reply_int(reply_at(reply, 4), 0);
out:
    reaper->on_reply(&reap, reaper->user);
}

enum result reaper_send(struct reaper *reaper, bool is_foreign, const struct reap_names *names)
{
    struct server *server = reaper->server;
    struct script_args args = {0};

    if (reaper->is_outstanding)
        return RESULT_LATER;
    const char *const keys[] = {server->keys.leases, server->keys.inflight, server->keys.delayed,
                                server->keys.dead,   server->keys.events,   server->keys.stats};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        script_args_key(&args, keys[i]);
    script_args_text(&args, server->keys.prefix);
    script_args_text(&args, server->owner);
    script_args_text(&args, server->boot);
    script_args_text(&args, is_foreign ? "1" : "0");
    script_args_bytes(&args, buffer_text(&server->settings_json), server->settings_json.len);
    for (uint32_t i = 0; names != NULL && i < names->count; i++)
        script_args_text(&args, names->names[i]);

    enum result result = scripts_call(server->scripts, LUA_STEP_reap, &args, on_reply, reaper);
    reaper->is_outstanding = result == RESULT_OK;
    if (reaper->is_outstanding)
        hook_reach("reap.sent");
    return result;
}

enum result reap_read_name(const struct server *server, const redisReply *name,
                           bool *ret_is_my_boot, uint64_t *ret_seq)
{
    const char *text = reply_text(name);
    size_t len = reply_len(name);
    size_t owner_len = strlen(server->owner);
    int64_t seq = 0;

    if (len > LEASE_NAME_MAX || memchr(text, '\0', len) != NULL || len < owner_len + 2 ||
        memcmp(text, server->owner, owner_len) != 0 || text[owner_len] != '/')
        return RESULT_INVALID;

    const char *boot = text + owner_len + 1;
    const char *slash = strchr(boot, '/');
    if (slash == NULL)
        return RESULT_INVALID;
    *ret_is_my_boot = (size_t)(slash - boot) == BOOT_LEN && memcmp(boot, server->boot, BOOT_LEN) == 0;
    if (text_to_int64(slash + 1, strlen(slash + 1), 0, INT64_MAX, &seq) != RESULT_OK)
        return RESULT_INVALID;
    *ret_seq = (uint64_t)seq;
    return RESULT_OK;
}
