/* dialog.c - Redis for a program that does one thing after the other. */
#include "ctl/dialog.h"

#include "base/clock.h"
#include "base/text.h"
#include "config/compose.h"
#include "ctl/terminal.h"
#include "queue/dns.h"
#include "queue/link.h"
#include "queue/reaction.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY_MAX_BYTES 1024

/* Whoever interrupts twice does not want to wait for a reply. */
#define EXIT_INTERRUPTED 130

struct dialog {
    const struct settings *settings; /* borrows */
    struct event_base *base;         /* owns, as the rest */
    struct evdns_base *dns;
    struct link *link;
    struct scripts *scripts;
    struct event *signals[2];
    struct event *alarm;
    struct keys keys;
    struct buffer why;
    char where[LINK_PATH_MAX_LEN + HOST_MAX_LEN];
    size_t unanswered;
    const char *last_words; /* never NULL; of whoever turned the terminal into something else */
    bool was_up;
    bool is_lost;
    bool is_interrupted;
    bool is_alarmed;
};

/* One command that waits for its reply; the deadline of the link bounds its life. */
struct exchange {
    struct dialog *dialog;
    link_on_reply on_reply; /* NULL: the reply is copied */
    void *user;
    redisReply *reply;
    bool is_done;
    bool is_own; /* frees itself when it is done */
};

void dialog_words_add_bytes(struct dialog_words *words, const char *word, size_t len)
{
    assert(words->count < DIALOG_WORDS_MAX);
    words->words[words->count] = word;
    words->lens[words->count] = len;
    words->count++;
}

void dialog_words_add(struct dialog_words *words, const char *word)
{
    dialog_words_add_bytes(words, word, strlen(word));
}

static void on_up(void *user)
{
    struct dialog *dialog = user;

    dialog->was_up = true;
}

/* Why there is no connection; where Redis itself said so, with what to do about it. */
static void on_down(const char *why, void *user)
{
    static const char greeting[] = "Redis refuses the greeting: ";
    struct dialog *dialog = user;
    const char *error = text_starts_with(why, greeting) ? why + strlen(greeting) : why;
    const char *advice = reaction_advice(error, strlen(error));

    dialog->is_lost = true;
    buffer_reset(&dialog->why);
    buffer_append_format(&dialog->why, "cannot work with Redis at %s: ", dialog->where);
    terminal_escape(&dialog->why, why, strlen(why));
    if (error == why && !dialog->was_up)
        buffer_append_str(&dialog->why, ". Is it running, and is the address right?");
    else if (advice[0] != '\0' && strstr(why, advice) == NULL)
        buffer_append_format(&dialog->why, " What to do: %s", advice);
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    const struct dialog *dialog = user;
    struct buffer messages;

    buffer_init(&messages, CONFIG_MESSAGES_MAX_BYTES);
    bool is_read = compose_redis_password(dialog->settings, target, size, &messages);
    if (!is_read)
        fputs(buffer_text(&messages), stderr);
    buffer_done(&messages);
    return is_read;
}

static void on_signal(evutil_socket_t number, short what, void *user)
{
    struct dialog *dialog = user;

    (void)number;
    (void)what;
    if (dialog->is_interrupted) {
        fputs(dialog->last_words, stdout);
        fflush(stdout);
        _exit(EXIT_INTERRUPTED);
    }
    dialog->is_interrupted = true;
}

static void on_alarm(evutil_socket_t fd, short what, void *user)
{
    struct dialog *dialog = user;

    (void)fd;
    (void)what;
    dialog->is_alarmed = true;
}

static void name_place(struct dialog *dialog)
{
    const struct link_address *address = &dialog->settings->redis.address;

    if (address->unix_path[0] != '\0')
        snprintf(dialog->where, sizeof dialog->where, "%s", address->unix_path);
    else
        snprintf(dialog->where, sizeof dialog->where, "%s:%u", address->host,
                 (unsigned)address->port);
}

static bool build(struct dialog *dialog)
{
    static const struct link_times times = {
        .command_timeout_us = 5 * US_PER_SEC,
        .reconnect_min_us = US_PER_SEC,
        .reconnect_max_us = 5 * US_PER_SEC,
    };
    static const struct link_callbacks callbacks = {
        .on_up = on_up,
        .on_down = on_down,
        .on_password_wanted = on_password_wanted,
    };
    static const int signals[] = {SIGINT, SIGTERM};

    dialog->base = event_base_new();
    dialog->dns = dialog->base == NULL ? NULL : dns_new(dialog->base);
    if (dialog->dns == NULL)
        return false;
    for (size_t i = 0; i < 2; i++) {
        dialog->signals[i] = evsignal_new(dialog->base, signals[i], on_signal, dialog);
        if (dialog->signals[i] == NULL || event_add(dialog->signals[i], NULL) != 0)
            return false;
    }
    dialog->alarm = evtimer_new(dialog->base, on_alarm, dialog);
    dialog->link = link_new(dialog->base, dialog->dns, "authlinkctl",
                            &dialog->settings->redis.address, &times, &callbacks, dialog);
    dialog->scripts = dialog->link == NULL ? NULL : scripts_new(dialog->link);
    return dialog->alarm != NULL && dialog->scripts != NULL;
}

enum result dialog_open(const struct settings *settings, struct dialog **ret_dialog)
{
    struct dialog *dialog = calloc(1, sizeof *dialog);

    *ret_dialog = NULL;
    if (dialog == NULL)
        return RESULT_NO_MEMORY;
    dialog->settings = settings;
    dialog->last_words = "";
    buffer_init(&dialog->why, WHY_MAX_BYTES);
    name_place(dialog);
    keys_init(&dialog->keys, settings->redis.key_prefix, settings->redis.queue, "", "");
    if (!build(dialog)) {
        dialog_close(dialog);
        return RESULT_NO_MEMORY;
    }
    *ret_dialog = dialog;
    link_start(dialog->link);
    while (!link_is_up(dialog->link) && !dialog->is_lost && !dialog->is_interrupted)
        event_base_loop(dialog->base, EVLOOP_ONCE);
    if (link_is_up(dialog->link))
        return RESULT_OK;
    if (dialog->is_interrupted)
        buffer_append_str(&dialog->why, "interrupted while connecting to Redis");
    return RESULT_DISCONNECTED;
}

struct dialog *dialog_close(struct dialog *dialog)
{
    if (dialog == NULL)
        return NULL;
    scripts_free(dialog->scripts);
    link_free(dialog->link);
    for (size_t i = 0; i < 2; i++)
        if (dialog->signals[i] != NULL)
            event_free(dialog->signals[i]);
    if (dialog->alarm != NULL)
        event_free(dialog->alarm);
    dns_free(dialog->dns);
    if (dialog->base != NULL)
        event_base_free(dialog->base);
    buffer_done(&dialog->why);
    free(dialog);
    return NULL;
}

/* As hiredis lays it out, so that freeReplyObject() frees it. NULL when memory is short. */
static redisReply *copy_reply(const redisReply *reply)
{
    redisReply *copy = calloc(1, sizeof *copy);

    if (copy == NULL)
        return NULL;
    copy->type = reply->type;
    copy->integer = reply->integer;
    if (reply->str != NULL) {
        copy->str = malloc(reply->len + 1);
        if (copy->str == NULL) {
            freeReplyObject(copy);
            return NULL;
        }
        memcpy(copy->str, reply->str, reply->len);
        copy->str[reply->len] = '\0';
        copy->len = reply->len;
    }
    if (reply->elements == 0)
        return copy;
    copy->element = calloc(reply->elements, sizeof *copy->element);
    for (size_t i = 0; copy->element != NULL && i < reply->elements; i++) {
        copy->element[i] = copy_reply(reply->element[i]);
        copy->elements = i + 1;
        if (copy->element[i] == NULL)
            break;
    }
    if (copy->elements == reply->elements && copy->element[copy->elements - 1] != NULL)
        return copy;
    freeReplyObject(copy);
    return NULL;
}

static void on_exchanged(const redisReply *reply, void *user)
{
    struct exchange *exchange = user;

    exchange->dialog->unanswered--;
    exchange->is_done = true;
    if (exchange->on_reply != NULL)
        exchange->on_reply(reply, exchange->user);
    else if (reply != NULL)
        exchange->reply = copy_reply(reply);
    if (exchange->is_own)
        free(exchange);
}

static enum result lost(struct dialog *dialog)
{
    if (dialog->why.len == 0)
        buffer_append_str(&dialog->why, "the connection to Redis was lost");
    return RESULT_DISCONNECTED;
}

enum result dialog_refused(struct dialog *dialog, const redisReply *error)
{
    const char *advice = reaction_advice(error->str, error->len);

    buffer_reset(&dialog->why);
    buffer_append_str(&dialog->why, "Redis refuses: ");
    terminal_escape(&dialog->why, error->str, error->len);
    if (advice[0] != '\0')
        buffer_append_format(&dialog->why, ". What to do: %s", advice);
    return RESULT_REFUSED;
}

/* Waits for what was sent. */
static enum result finish(struct dialog *dialog, struct exchange *exchange, enum result sent,
                          redisReply **ret_reply)
{
    if (sent != RESULT_OK)
        return sent == RESULT_DISCONNECTED ? lost(dialog) : sent;
    dialog->unanswered++;
    while (!exchange->is_done)
        event_base_loop(dialog->base, EVLOOP_ONCE);
    if (exchange->reply == NULL)
        return lost(dialog);
    if (exchange->reply->type == REDIS_REPLY_ERROR) {
        enum result result = dialog_refused(dialog, exchange->reply);
        freeReplyObject(exchange->reply);
        return result;
    }
    *ret_reply = exchange->reply;
    return RESULT_OK;
}

enum result dialog_call(struct dialog *dialog, int argc, const char **argv, const size_t *lens,
                        int64_t block_ms, redisReply **ret_reply)
{
    struct exchange exchange = {.dialog = dialog};
    char *bytes = NULL;

    long long len = redisFormatCommandArgv(&bytes, argc, argv, lens);
    if (len < 0)
        return RESULT_NO_MEMORY;
    enum result sent =
        link_send(dialog->link, bytes, (size_t)len, block_ms * US_PER_MS, on_exchanged, &exchange);
    redisFreeCommand(bytes);
    return finish(dialog, &exchange, sent, ret_reply);
}

enum result dialog_command(struct dialog *dialog, const struct dialog_words *words,
                           int64_t block_ms, redisReply **ret_reply)
{
    const char *argv[DIALOG_WORDS_MAX];

    memcpy(argv, words->words, sizeof argv);
    return dialog_call(dialog, words->count, argv, words->lens, block_ms, ret_reply);
}

enum result dialog_ask(struct dialog *dialog, redisReply **ret_reply, ...)
{
    struct dialog_words words = {0};
    va_list args;

    va_start(args, ret_reply);
    for (const char *word = va_arg(args, const char *); word != NULL;
         word = va_arg(args, const char *))
        dialog_words_add(&words, word);
    va_end(args);
    return dialog_command(dialog, &words, 0, ret_reply);
}

enum result dialog_step(struct dialog *dialog, enum lua_step_id step,
                        const struct script_args *args, redisReply **ret_reply)
{
    struct exchange exchange = {.dialog = dialog};
    enum result sent = scripts_call(dialog->scripts, step, args, on_exchanged, &exchange);

    return finish(dialog, &exchange, sent, ret_reply);
}

enum result dialog_send(struct dialog *dialog, int argc, const char **argv, const size_t *lens,
                        link_on_reply on_reply, void *user)
{
    struct exchange *exchange = malloc(sizeof *exchange);
    char *bytes = NULL;

    if (exchange == NULL)
        return RESULT_NO_MEMORY;
    *exchange =
        (struct exchange){.dialog = dialog, .on_reply = on_reply, .user = user, .is_own = true};
    long long len = redisFormatCommandArgv(&bytes, argc, argv, lens);
    enum result sent = len < 0
                           ? RESULT_NO_MEMORY
                           : link_send(dialog->link, bytes, (size_t)len, 0, on_exchanged, exchange);
    if (len >= 0)
        redisFreeCommand(bytes);
    if (sent == RESULT_OK) {
        dialog->unanswered++;
        return RESULT_OK;
    }
    free(exchange);
    return sent == RESULT_DISCONNECTED ? lost(dialog) : sent;
}

enum result dialog_drain(struct dialog *dialog, size_t most)
{
    while (dialog->unanswered > most)
        event_base_loop(dialog->base, EVLOOP_ONCE);
    return dialog->is_lost ? lost(dialog) : RESULT_OK;
}

void dialog_sleep(struct dialog *dialog, int64_t wait_ms)
{
    struct timeval wait = {wait_ms / MS_PER_SEC, wait_ms % MS_PER_SEC * US_PER_MS};

    dialog->is_alarmed = false;
    event_add(dialog->alarm, &wait);
    while (!dialog->is_alarmed && !dialog->is_interrupted && !dialog->is_lost)
        event_base_loop(dialog->base, EVLOOP_ONCE);
    event_del(dialog->alarm);
}

void dialog_set_last_words(struct dialog *dialog, const char *words)
{
    dialog->last_words = words;
}

bool dialog_is_interrupted(const struct dialog *dialog)
{
    return dialog->is_interrupted;
}

const char *dialog_why(const struct dialog *dialog)
{
    return buffer_text(&dialog->why);
}

const struct keys *dialog_keys(const struct dialog *dialog)
{
    return &dialog->keys;
}

const char *dialog_where(const struct dialog *dialog)
{
    return dialog->where;
}
