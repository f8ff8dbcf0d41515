/*
 * dialog.h - Redis for a program that does one thing after the other.
 *
 * Runs the loop of queue/link until the reply is there or its deadline passes. A
 * connection that is lost is not made again: what was under way is told instead.
 * INT and TERM set a flag; whoever works in rounds looks at it between two of them.
 */
#ifndef AUTHLINKD_CTL_DIALOG_H
#define AUTHLINKD_CTL_DIALOG_H

#include "base/result.h"
#include "config/config.h"
#include "queue/keys.h"
#include "queue/scripts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dialog;

/* A command that grows word by word. Borrows every word. */
#define DIALOG_WORDS_MAX 64
struct dialog_words {
    int count;
    const char *words[DIALOG_WORDS_MAX];
    size_t lens[DIALOG_WORDS_MAX];
};

void dialog_words_add(struct dialog_words *words, const char *word);
void dialog_words_add_bytes(struct dialog_words *words, const char *word, size_t len);

/*
 * Connects. RESULT_DISCONNECTED: *ret_dialog is there all the same, for dialog_why();
 * RESULT_NO_MEMORY: it is NULL. Borrows `settings`.
 */
MUST_CHECK enum result dialog_open(const struct settings *settings, struct dialog **ret_dialog);

/* Accepts NULL. Returns NULL. */
struct dialog *dialog_close(struct dialog *dialog);

/*
 * One command, one reply.
 *   RESULT_OK            *ret_reply is no error, and the caller's: freeReplyObject().
 *   RESULT_REFUSED       Redis answered with an error: dialog_why().
 *   RESULT_DISCONNECTED  no reply came; whether it ran is unknown.
 */
MUST_CHECK enum result dialog_command(struct dialog *dialog, const struct dialog_words *words,
                                      int64_t block_ms, redisReply **ret_reply);

/* The same of any number of words. */
MUST_CHECK enum result dialog_call(struct dialog *dialog, int argc, const char **argv,
                                   const size_t *lens, int64_t block_ms, redisReply **ret_reply);

/* The same from texts up to a NULL: dialog_ask(s, &reply, "HGETALL", key, NULL). */
MUST_CHECK enum result dialog_ask(struct dialog *dialog, redisReply **ret_reply, ...)
    __attribute__((sentinel));

/* A step of Lua; results as above. */
MUST_CHECK enum result dialog_step(struct dialog *dialog, enum lua_step_id step,
                                   const struct script_args *args, redisReply **ret_reply);

/*
 * Sends and does not wait; `on_reply` comes from dialog_drain(), as link_send() describes it.
 */
MUST_CHECK enum result dialog_send(struct dialog *dialog, int argc, const char **argv,
                                   const size_t *lens, link_on_reply on_reply, void *user);

/* Runs until at most `most` commands are unanswered. RESULT_DISCONNECTED: they never will be. */
MUST_CHECK enum result dialog_drain(struct dialog *dialog, size_t most);

/* Waits; an interruption ends it. */
void dialog_sleep(struct dialog *dialog, int64_t wait_ms);

/* A second interruption ends the process at once; before that it writes this literal to stdout. */
void dialog_set_last_words(struct dialog *dialog, const char *words);

bool dialog_is_interrupted(const struct dialog *dialog);

/* Why the last call failed, with what to do about it: a sentence, escaped. */
const char *dialog_why(const struct dialog *dialog);

/* For an error reply that came to a callback: dialog_why() tells it. Returns RESULT_REFUSED. */
enum result dialog_refused(struct dialog *dialog, const redisReply *error);

const struct keys *dialog_keys(const struct dialog *dialog);

/* Where Redis is, for people. */
const char *dialog_where(const struct dialog *dialog);

#endif
