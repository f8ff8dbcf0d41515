/* link.c - one connection to Redis, made again whenever it is lost. */
#include "queue/link.h"

#include "base/chance.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"
#include "queue/link_socket.h"
#include "queue/reaction.h"
#include "queue/reply_reader.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum link_state {
    LINK_IDLE,       /* waits for the next attempt */
    LINK_CONNECTING, /* names are resolved, an address answers */
    LINK_GREETING,   /* AUTH, SELECT, CLIENT SETNAME are under way */
    LINK_UP,
};

/* A wrong password is not tried again before this: an account may be locked by it. */
#define PASSWORD_PAUSE_US (30 * US_PER_SEC)

struct command {
    link_on_reply on_reply;
    void *user;
    int64_t deadline_us;
    struct command *next;
};

struct link {
    char name[32];
    struct link_address address;
    struct link_times times;
    struct link_callbacks callbacks;
    void *user;

    enum link_state state;
    struct link_socket *socket;   /* owns */
    struct reply_reader *reader;  /* owns; NULL while idle */
    struct command *first, *last; /* unanswered, in order */
    struct event *retry_timer;    /* owns */
    struct event *deadline_timer; /* owns; for the first unanswered command */
    int64_t backoff_us;
    int64_t last_attempt_us;
    int64_t up_since_us;
    int64_t pause_until_us; /* after a refused password */
    char told_why[LINK_WHY_MAX_LEN +
                  1]; /* the last on_down's since the last on_up, "" if none came */
};

static void set_state(struct link *link, enum link_state state)
{
    static const char *const names[] = {[LINK_IDLE] = "idle",
                                        [LINK_CONNECTING] = "connecting",
                                        [LINK_GREETING] = "greeting",
                                        [LINK_UP] = "up"};

    log_debug("link.changed", log_str("link", link->name), log_str("from", names[link->state]),
              log_str("to", names[state]));
    link->state = state;
}

static void push_command(struct link *link, struct command *command)
{
    command->next = NULL;
    if (link->last != NULL)
        link->last->next = command;
    else
        link->first = command;
    link->last = command;
    if (link->first == command)
        timer_arm(link->deadline_timer, command->deadline_us - clock_mono_us());
}

static struct command *pop_command(struct link *link)
{
    struct command *command = link->first;

    if (command == NULL)
        return NULL;
    link->first = command->next;
    if (link->first == NULL) {
        link->last = NULL;
        event_del(link->deadline_timer);
    } else {
        timer_arm(link->deadline_timer, link->first->deadline_us - clock_mono_us());
    }
    return command;
}

static struct command *new_command(const struct link *link, int64_t extra_us,
                                   link_on_reply on_reply, void *user)
{
    struct command *command = malloc(sizeof *command);

    if (command != NULL)
        *command = (struct command){
            .on_reply = on_reply,
            .user = user,
            .deadline_us = clock_mono_us() + link->times.command_timeout_us + extra_us,
        };
    return command;
}

enum result link_send(struct link *link, const char *bytes, size_t len, int64_t extra_us,
                      link_on_reply on_reply, void *user)
{
    if (link->state != LINK_UP)
        return RESULT_DISCONNECTED;

    struct command *command = new_command(link, extra_us, on_reply, user);
    if (command == NULL || link_socket_write(link->socket, bytes, len) != RESULT_OK) {
        free(command);
        return RESULT_NO_MEMORY;
    }
    push_command(link, command);
    return RESULT_OK;
}

/* The password goes this way: what hiredis has written is given away, to be wiped once it is sent.
 */
static enum result format_and_send(struct link *link, int argc, const char *const *argv,
                                   const size_t *argv_len, link_on_reply on_reply, void *user)
{
    char *bytes = NULL;
    struct command *command = new_command(link, 0, on_reply, user);
    const char **mutable_argv = malloc((size_t)argc * sizeof *mutable_argv); /* hiredis' type */

    if (mutable_argv != NULL)
        memcpy(mutable_argv, argv, (size_t)argc * sizeof *mutable_argv);
    long long len = mutable_argv == NULL || command == NULL
                        ? -1
                        : redisFormatCommandArgv(&bytes, argc, mutable_argv, argv_len);
    free(mutable_argv);
    if (len < 0 || link_socket_give(link->socket, bytes, (size_t)len) != RESULT_OK) {
        free(command);
        return RESULT_NO_MEMORY;
    }
    push_command(link, command);
    return RESULT_OK;
}

enum result link_command(struct link *link, int argc, const char *const *argv,
                         const size_t *argv_len, link_on_reply on_reply, void *user)
{
    if (link->state != LINK_UP)
        return RESULT_DISCONNECTED;
    return format_and_send(link, argc, argv, argv_len, on_reply, user);
}

/* Every unanswered command hears that its fate is unknown. */
static void fail_commands(struct link *link)
{
    struct command *command = link->first;

    link->first = NULL;
    link->last = NULL;
    event_del(link->deadline_timer);
    while (command != NULL) {
        struct command *next = command->next;
        command->on_reply(NULL, command->user);
        free(command);
        command = next;
    }
}

/* The next attempt: a random share of a wait that doubles (full jitter). */
static void schedule_attempt(struct link *link)
{
    int64_t now_us = clock_mono_us();
    int64_t wait_us = chance_between_us(link->times.reconnect_min_us, link->backoff_us);

    link->backoff_us *= 2;
    if (link->backoff_us > link->times.reconnect_max_us)
        link->backoff_us = link->times.reconnect_max_us;
    if (link->pause_until_us > now_us + wait_us)
        wait_us = link->pause_until_us - now_us;
    timer_arm(link->retry_timer, wait_us);
}

static void close_socket(struct link *link)
{
    link_socket_close(link->socket);
    link->reader = reply_reader_free(link->reader);
}

/* `why` may point into what is closed here: it is copied first. */
static void lose(struct link *link, const char *why)
{
    char reason[sizeof link->told_why];
    bool was_up = link->state == LINK_UP;

    if (link->state == LINK_IDLE)
        return;
    text_copy(reason, sizeof reason, why, strlen(why));
    /* A server that takes connections and drops them at once is no reason to hurry. */
    if (was_up && clock_mono_us() - link->up_since_us >= link->times.reconnect_max_us)
        link->backoff_us = link->times.reconnect_min_us;
    close_socket(link);
    set_state(link, LINK_IDLE);
    fail_commands(link);
    schedule_attempt(link);
    if (was_up || strcmp(reason, link->told_why) != 0) {
        memcpy(link->told_why, reason, sizeof reason);
        link->callbacks.on_down(link->told_why, link->user);
    }
}

void link_drop(struct link *link, const char *why)
{
    lose(link, why);
}

static void greeted(struct link *link)
{
    set_state(link, LINK_UP);
    link->up_since_us = clock_mono_us();
    link->told_why[0] = '\0';
    link->callbacks.on_up(link->user);
}

/* AUTH and SELECT must succeed: going on as somebody else, or elsewhere, would be worse than not at
 * all. */
static void on_greeting_reply(const redisReply *reply, void *user)
{
    struct link *link = user;

    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR) {
        char why[LINK_WHY_MAX_LEN + 1] = "Redis refuses the greeting: ";
        if (reaction_to(reply->str, reply->len) == REACTION_PASSWORD)
            link->pause_until_us = clock_mono_us() + PASSWORD_PAUSE_US;
        reaction_append(reply->str, reply->len, why, sizeof why);
        lose(link, why);
    }
}

/* A server that knows no CLIENT SETNAME, or forbids it, is as good as another; one that sends us
 * away is not. */
static void on_name_reply(const redisReply *reply, void *user)
{
    struct link *link = user;

    if (reply == NULL || link->state != LINK_GREETING)
        return;
    bool is_error = reply->type == REDIS_REPLY_ERROR;
    enum reaction reaction = is_error ? reaction_to(reply->str, reply->len) : REACTION_WAIT;
    if (reaction == REACTION_PASSWORD || reaction == REACTION_RECONNECT)
        on_greeting_reply(reply, user);
    else
        greeted(link);
}

static enum result greet_one(struct link *link, int argc, const char *const *argv,
                             link_on_reply on_reply)
{
    size_t lens[3];

    for (int i = 0; i < argc; i++)
        lens[i] = strlen(argv[i]);
    return format_and_send(link, argc, argv, lens, on_reply, link);
}

static enum result send_auth(struct link *link, const char *password)
{
    if (link->address.user[0] != '\0')
        return greet_one(link, 3, (const char *[]){"AUTH", link->address.user, password},
                         on_greeting_reply);
    if (password[0] != '\0')
        return greet_one(link, 2, (const char *[]){"AUTH", password}, on_greeting_reply);
    return RESULT_OK;
}

static void on_socket_connected(void *user)
{
    struct link *link = user;
    char password[LINK_PASSWORD_MAX_LEN + 1] = "";
    char db[16];

    if (!link->callbacks.on_password_wanted(password, sizeof password, link->user)) {
        lose(link, "the Redis password cannot be read");
        return;
    }
    set_state(link, LINK_GREETING);
    snprintf(db, sizeof db, "%u", (unsigned)link->address.db);
    enum result result = send_auth(link, password);
    explicit_bzero(password, sizeof password);
    if (result == RESULT_OK && link->address.db != 0)
        result = greet_one(link, 2, (const char *[]){"SELECT", db}, on_greeting_reply);
    if (result == RESULT_OK)
        result =
            greet_one(link, 3, (const char *[]){"CLIENT", "SETNAME", link->name}, on_name_reply);
    if (result != RESULT_OK)
        lose(link, result_text(result));
}

static void on_socket_lost(const char *why, void *user)
{
    lose(user, why);
}

/* Hands one reply to its command. False: the link was lost meanwhile. */
static bool deliver(struct link *link, redisReply *reply)
{
    struct command *command = pop_command(link);
    const struct reply_reader *reader = link->reader;

    if (command == NULL) { /* nobody asked: not a server that we can follow */
        freeReplyObject(reply);
        lose(link, "Redis sent a reply that was not asked for");
        return false;
    }
    command->on_reply(reply, command->user);
    free(command);
    freeReplyObject(reply);
    return link->reader == reader && reader != NULL;
}

static void on_socket_bytes(const char *bytes, size_t len, void *user)
{
    struct link *link = user;
    redisReply *reply = NULL;
    const char *why = "";
    enum result result = reply_reader_feed(link->reader, bytes, len, &why);

    while (result == RESULT_OK) {
        result = reply_reader_next(link->reader, &reply, &why);
        if (result == RESULT_OK && !deliver(link, reply))
            return;
    }
    if (result != RESULT_EMPTY)
        lose(link, why);
}

static void on_deadline(evutil_socket_t fd, short what, void *user)
{
    struct link *link = user;

    (void)fd;
    (void)what;
    if (link->state == LINK_CONNECTING && link_socket_skip(link->socket))
        timer_arm(link->deadline_timer, link->times.command_timeout_us);
    else if (link->state == LINK_CONNECTING)
        lose(link, link_socket_missing(link->socket));
    else if (link->first != NULL && clock_mono_us() >= link->first->deadline_us)
        lose(link, "Redis did not reply in time");
    else if (link->first != NULL)
        timer_arm(link->deadline_timer, link->first->deadline_us - clock_mono_us());
}

static void attempt(struct link *link)
{
    link->last_attempt_us = clock_mono_us();
    set_state(link, LINK_CONNECTING);
    link->reader = reply_reader_new(LINK_REPLY_MAX_BYTES);
    if (link->reader == NULL) {
        lose(link, "out of memory");
        return;
    }
    timer_arm(link->deadline_timer, link->times.command_timeout_us);
    link_socket_connect(link->socket); /* may call back at once */
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    attempt(user);
}

struct link *link_new(struct event_base *base, struct evdns_base *dns, const char *name,
                      const struct link_address *address, const struct link_times *times,
                      const struct link_callbacks *callbacks, void *user)
{
    static const struct link_socket_callbacks socket_callbacks = {
        .on_connected = on_socket_connected,
        .on_bytes = on_socket_bytes,
        .on_lost = on_socket_lost,
    };
    struct link *link = calloc(1, sizeof *link);

    if (link == NULL)
        return NULL;
    link->address = *address;
    link->times = *times;
    link->callbacks = *callbacks;
    link->user = user;
    link->backoff_us = times->reconnect_min_us;
    text_copy(link->name, sizeof link->name, name, strlen(name));
    link->retry_timer = evtimer_new(base, on_retry, link);
    link->deadline_timer = evtimer_new(base, on_deadline, link);
    link->socket = link_socket_new(base, dns, address, &socket_callbacks, link);
    if (link->retry_timer == NULL || link->deadline_timer == NULL || link->socket == NULL)
        return link_free(link);
    return link;
}

struct link *link_free(struct link *link)
{
    if (link == NULL)
        return NULL;
    while (link->first != NULL) {
        struct command *next = link->first->next;
        free(link->first);
        link->first = next;
    }
    link_socket_free(link->socket);
    reply_reader_free(link->reader);
    if (link->retry_timer != NULL)
        event_free(link->retry_timer);
    if (link->deadline_timer != NULL)
        event_free(link->deadline_timer);
    free(link);
    return NULL;
}

void link_start(struct link *link)
{
    timer_arm(link->retry_timer, 0);
}

void link_hurry(struct link *link)
{
    if (link->state != LINK_IDLE)
        return;
    link->pause_until_us = 0;
    timer_arm(link->retry_timer, 0);
}

bool link_is_up(const struct link *link)
{
    return link->state == LINK_UP;
}

int64_t link_last_attempt_us(const struct link *link)
{
    int64_t now_us = clock_mono_us();

    return link->state == LINK_IDLE && link->pause_until_us > now_us ? now_us
                                                                     : link->last_attempt_us;
}
