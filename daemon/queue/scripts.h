/*
 * scripts.h - calls the Lua steps by their digests.
 *
 * A server that does not know a step gets it once and is asked again: it did not run, so
 * that is safe for a claim, too (steps.md C2).
 */
#ifndef AUTHLINKD_QUEUE_SCRIPTS_H
#define AUTHLINKD_QUEUE_SCRIPTS_H

#include "queue/link.h"
#include "queue/lua/steps.h"
#include "queue/word_list.h"

#define SCRIPT_ARGS_MAX 128

struct scripts;

/* The words of one call: keys first, then arguments. Borrows every word. */
struct script_args {
    int key_count;
    int count;
    const char *words[SCRIPT_ARGS_MAX];
    size_t lens[SCRIPT_ARGS_MAX];
    const struct word_list *more; /* behind them; NULL: nothing */
};

/* Words beyond SCRIPT_ARGS_MAX are our own bug. */
void script_args_key(struct script_args *args, const char *key);
void script_args_text(struct script_args *args, const char *text);
void script_args_bytes(struct script_args *args, const char *bytes, size_t len);

/* NULL when memory is short. Borrows `link`. */
struct scripts *scripts_new(struct link *link);

/* Accepts NULL. Returns NULL. Calls under way get no callback. */
struct scripts *scripts_free(struct scripts *scripts);

/* As link_command(). */
MUST_CHECK enum result scripts_call(struct scripts *scripts, enum lua_step_id step,
                                    const struct script_args *args, link_on_reply on_reply,
                                    void *user);

#endif
