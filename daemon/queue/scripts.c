/* scripts.c - calls the Lua steps by their digests. */
#include "queue/scripts.h"

#include "base/hooks.h"
#include "base/log.h"
#include "base/text.h"
#include "queue/reaction.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHA1_HEX_LEN 40

struct script_call {
    struct scripts *scripts;
    enum lua_step_id step;
    char *bytes; /* owns; the whole command, kept until it has run */
    size_t len;
    bool is_loaded; /* the step was loaded for this call: not again */
    link_on_reply on_reply;
    void *user;
    struct script_call *previous, *next;
};

struct scripts {
    struct link *link; /* borrows */
    char digests[LUA_STEP_COUNT][SHA1_HEX_LEN + 1];
    struct script_call *first; /* owns; calls under way */
};

void script_args_bytes(struct script_args *args, const char *bytes, size_t len)
{
    assert(args->count < SCRIPT_ARGS_MAX);
    args->words[args->count] = bytes;
    args->lens[args->count] = len;
    args->count++;
}

void script_args_text(struct script_args *args, const char *text)
{
    script_args_bytes(args, text, strlen(text));
}

void script_args_key(struct script_args *args, const char *key)
{
    assert(args->key_count == args->count);
    script_args_text(args, key);
    args->key_count++;
}

/* Redis names a script by the SHA-1 of its text (EVALSHA). */
static bool find_digest(enum lua_step_id id, char *ret_hex)
{
    struct lua_step step = lua_step(id);
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(step.text, step.len, digest, NULL, EVP_sha1(), NULL) != 1)
        return false;
    text_hex(digest, SHA1_HEX_LEN / 2, ret_hex);
    return true;
}

struct scripts *scripts_new(struct link *link)
{
    struct scripts *scripts = calloc(1, sizeof *scripts);

    if (scripts == NULL)
        return NULL;
    scripts->link = link;
    for (int id = 0; id < LUA_STEP_COUNT; id++)
        if (!find_digest((enum lua_step_id)id, scripts->digests[id]))
            return scripts_free(scripts);
    return scripts;
}

static void end_call(struct script_call *call)
{
    struct scripts *scripts = call->scripts;

    *(call->previous != NULL ? &call->previous->next : &scripts->first) = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    explicit_bzero(call->bytes, call->len); /* a settle's bytes hold links */
    free(call->bytes);
    free(call);
}

struct scripts *scripts_free(struct scripts *scripts)
{
    if (scripts == NULL)
        return NULL;
    while (scripts->first != NULL)
        end_call(scripts->first);
    free(scripts);
    return NULL;
}

static void answer(struct script_call *call, const redisReply *reply)
{
    link_on_reply on_reply = call->on_reply;
    void *user = call->user;

    end_call(call);
    on_reply(reply, user);
}

/* It could not be sent although there is a connection: memory is short. Who asked waits for the
 * next one. */
static void give_up(struct script_call *call)
{
    struct link *link = call->scripts->link;

    answer(call, NULL);
    link_drop(link, result_text(RESULT_NO_MEMORY));
}

static void on_call_reply(const redisReply *reply, void *user);

static void on_loaded(const redisReply *reply, void *user)
{
    struct script_call *call = user;

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        answer(call, reply);
        return;
    }
    if (link_send(call->scripts->link, call->bytes, call->len, 0, on_call_reply, call) != RESULT_OK)
        give_up(call);
}

static void load(struct script_call *call)
{
    struct lua_step step = lua_step(call->step);
    const char *argv[] = {"SCRIPT", "LOAD", (const char *)step.text};
    const size_t lens[] = {6, 4, step.len};

    log_debug("script.loaded", log_str("step", step.name));
    call->is_loaded = true;
    if (link_command(call->scripts->link, 3, argv, lens, on_loaded, call) != RESULT_OK)
        give_up(call);
}

static void on_call_reply(const redisReply *reply, void *user)
{
    struct script_call *call = user;

    if (reply != NULL && hook_is_wedged(lua_step(call->step).name))
        return;
    bool is_unknown = reply != NULL && reply->type == REDIS_REPLY_ERROR &&
                      reaction_to(reply->str, reply->len) == REACTION_LOAD_SCRIPT;

    if (is_unknown && !call->is_loaded)
        load(call);
    else
        answer(call, reply);
}

/* Puts `more` behind a command of `count` words that hiredis wrote, and its own bytes into the
 * call. */
static bool join(struct script_call *call, const char *command, size_t len, size_t count,
                 const struct word_list *more)
{
    size_t more_len = more != NULL ? more->bytes.len : 0;
    const char *words = (const char *)memchr(command, '\n', len) + 1; /* behind their count */
    size_t words_len = len - (size_t)(words - command);
    char head[32];
    int head_len =
        snprintf(head, sizeof head, "*%zu\r\n", count + (more != NULL ? more->count : 0));

    call->len = (size_t)head_len + words_len + more_len;
    call->bytes = malloc(call->len);
    if (call->bytes == NULL)
        return false;
    memcpy(call->bytes, head, (size_t)head_len);
    memcpy(call->bytes + head_len, words, words_len);
    if (more_len > 0)
        memcpy(call->bytes + head_len + words_len, more->bytes.data, more_len);
    return true;
}

static bool format(struct script_call *call, const struct script_args *args)
{
    const char *words[SCRIPT_ARGS_MAX + 3] = {"EVALSHA", call->scripts->digests[call->step]};
    size_t lens[SCRIPT_ARGS_MAX + 3] = {7, SHA1_HEX_LEN};
    char key_count[16];
    char *command = NULL;

    snprintf(key_count, sizeof key_count, "%d", args->key_count);
    words[2] = key_count;
    lens[2] = strlen(key_count);
    memcpy(words + 3, args->words, (size_t)args->count * sizeof words[0]);
    memcpy(lens + 3, args->lens, (size_t)args->count * sizeof lens[0]);
    long long len = redisFormatCommandArgv(&command, args->count + 3, words, lens);
    if (len < 0)
        return false;
    bool is_joined = join(call, command, (size_t)len, (size_t)args->count + 3, args->more);
    redisFreeCommand(command);
    return is_joined;
}

enum result scripts_call(struct scripts *scripts, enum lua_step_id step,
                         const struct script_args *args, link_on_reply on_reply, void *user)
{
    struct script_call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return RESULT_NO_MEMORY;
    *call = (struct script_call){.scripts = scripts,
                                 .step = step,
                                 .on_reply = on_reply,
                                 .user = user,
                                 .next = scripts->first};
    if (!format(call, args)) {
        free(call);
        return RESULT_NO_MEMORY;
    }
    if (call->next != NULL)
        call->next->previous = call;
    scripts->first = call;

    enum result result = link_send(scripts->link, call->bytes, call->len, 0, on_call_reply, call);
    if (result != RESULT_OK)
        end_call(call);
    return result;
}
