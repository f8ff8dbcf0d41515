/* settle.c - outcomes on their way into Redis. */
#include "queue/settle.h"

#include "base/clock.h"
#include "base/hooks.h"
#include "base/log.h"
#include "base/slab.h"
#include "base/timer.h"
#include "queue/replies.h"
#include "queue/settle_item.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ITEMS    256
#define MAX_BYTES    (256 * 1024)
#define BEHIND_COUNT 256
#define BEHIND_US    US_PER_SEC

/*
 * Under load settles are gathered: within this time of the last one nothing is sent before so
 * many outcomes wait. Alone, an outcome goes at the end of the loop turn.
 */
#define GATHER_US    (5 * US_PER_MS)
#define GATHER_COUNT 64

/* SLOWLOG shows the first 31 words of a command: with so many empty ones the items, which have
 * links, begin behind them (settle.lua). */
#define SHADE_WORDS 6

struct entry {
    struct job *job;
    struct outcome outcome;
    struct entry *next;
};

struct entries {
    struct entry *first, *last;
    uint32_t count;
};

enum settler_state {
    SETTLER_PAUSED,  /* not connected */
    SETTLER_READY,   /* may send */
    SETTLER_SENT,    /* waits for the answer */
    SETTLER_REFUSED, /* waits to send the same again */
};

struct settler {
    struct server *server; /* borrows */
    struct settler_callbacks callbacks;
    void *user;
    enum settler_state state;
    struct entries outstanding; /* of settle `number`: sent, or to be sent again */
    struct entries waiting;
    struct slab entries; /* owns them all */
    uint64_t number;
    int64_t sent_us;
    uint32_t refusals;      /* in a row */
    struct word_list words; /* of the outstanding settle */
    struct event *timer;    /* owns: end of the loop turn, or time to repeat */
};

static void append(struct entries *list, struct entry *entry)
{
    entry->next = NULL;
    if (list->last != NULL)
        list->last->next = entry;
    else
        list->first = entry;
    list->last = entry;
    list->count++;
}

static struct entry *take_first(struct entries *list)
{
    struct entry *entry = list->first;

    list->first = entry->next;
    if (list->first == NULL)
        list->last = NULL;
    list->count--;
    return entry;
}

static void schedule(struct settler *settler)
{
    int64_t wait_us = settler->sent_us + GATHER_US - clock_mono_us();

    if (settler->sent_us == 0 || settler->waiting.count >= GATHER_COUNT || wait_us < 0)
        wait_us = 0;
    timer_arm(settler->timer, wait_us);
}

static void free_entry(struct settler *settler, struct entry *entry)
{
    session_wipe(&entry->outcome.answer.session);
    slab_give_back(&settler->entries, entry);
}

static struct settled settled_of(const struct entry *entry)
{
    return (struct settled){.job = entry->job, .outcome = &entry->outcome};
}

/* Writes the longest group that begins with this entry; returns the one behind it, or NULL. */
static const struct entry *write_group(struct settler *settler, const struct entry *first,
                                       int64_t now_us)
{
    const struct entry *end = first;
    uint32_t count = 0;

    for (; end != NULL && settle_group_fits(settled_of(first), settled_of(end)); end = end->next)
        count++;
    settle_group_write(&settler->words, settler->server, count, settled_of(first));
    for (; first != end; first = first->next)
        settle_item_write(&settler->words, settled_of(first), now_us);
    return end;
}

static bool write_words(struct settler *settler, int64_t now_us)
{
    struct word_list *words = &settler->words;

    word_list_reset(words);
    for (int i = 0; i < SHADE_WORDS; i++)
        word_list_add_text(words, "");
    for (const struct entry *entry = settler->outstanding.first; entry != NULL;)
        entry = write_group(settler, entry, now_us);
    return !words->bytes.failed;
}

/* Moves as many waiting outcomes into the outstanding settle as fit, when it is empty. An item has
 * at most about 5 KiB (two URLs), most have half a KiB. */
static void fill_outstanding(struct settler *settler)
{
    size_t bytes = 0;

    settler->number++;
    while (settler->waiting.count > 0 && settler->outstanding.count < MAX_ITEMS) {
        const struct entry *next = settler->waiting.first;
        bytes += 1024 + strlen(next->outcome.answer.session.auth_flow_url) +
                 strlen(next->job->redirect_url);
        if (settler->outstanding.count > 0 && bytes > MAX_BYTES)
            return;
        append(&settler->outstanding, take_first(&settler->waiting));
    }
}

static void on_reply(const redisReply *reply, void *user);

static void repeat_later(struct settler *settler)
{
    settler->state = SETTLER_REFUSED;
    settler->refusals++;
    timer_arm(settler->timer, server_backoff_us(settler->refusals));
}

static void send_outstanding(struct settler *settler)
{
    struct server *server = settler->server;
    struct script_args args = {.more = &settler->words};
    char number[24], events_keep[24];

    settler->sent_us = clock_mono_us();
    if (!write_words(settler, settler->sent_us)) {
        log_error("settle.unwritten", log_int("items", settler->outstanding.count),
                  log_str("now", "kept, and tried again"));
        repeat_later(settler);
        return;
    }
    snprintf(number, sizeof number, "%" PRIu64, settler->number);
    snprintf(events_keep, sizeof events_keep, "%" PRId64, server->events_keep_ms);
    const char *const keys[] = {server->keys.leases,  server->keys.inflight, server->keys.delayed,
                                server->keys.limiter, server->keys.holds,    server->keys.events,
                                server->keys.dead,    server->keys.stats,    server->keys.settled};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        script_args_key(&args, keys[i]);
    script_args_text(&args, server->keys.prefix);
    script_args_text(&args, number);
    script_args_bytes(&args, buffer_text(&server->settings_json), server->settings_json.len);
    script_args_text(&args, events_keep);

    settler->state = SETTLER_SENT;
    enum result result = scripts_call(server->scripts, LUA_STEP_settle, &args, on_reply, settler);
    if (result == RESULT_DISCONNECTED)
        settler->state = SETTLER_PAUSED;
    else if (result != RESULT_OK)
        repeat_later(settler);
    else
        hook_reach("settle.sent");
}

static void send_next(struct settler *settler)
{
    if (settler->outstanding.count == 0 && settler->waiting.count > 0)
        fill_outstanding(settler);
    if (settler->outstanding.count > 0)
        send_outstanding(settler);
}

/* Redis has them: jobs go back to their owner, links are wiped. */
static void finish_outstanding(struct settler *settler)
{
    struct job *jobs = NULL;

    while (settler->outstanding.count > 0) {
        struct entry *entry = take_first(&settler->outstanding);
        entry->job->next = jobs;
        jobs = entry->job;
        free_entry(settler, entry);
    }
    word_list_reset(&settler->words);
    settler->callbacks.on_settled(jobs, settler->user);
}

static void log_fenced(const redisReply *fenced)
{
    for (size_t i = 0; reply_at(fenced, i) != NULL; i++)
        log_warn(
            "job.fenced",
            log_bytes("end_user", reply_text(reply_at(fenced, i)), reply_len(reply_at(fenced, i))),
            log_str("why",
                    "the lease was over before its outcome came: another instance has the job"));
}

static void on_reply(const redisReply *reply, void *user)
{
    struct settler *settler = user;

    if (reply == NULL) {
        settler->state = SETTLER_PAUSED;
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        if (server_react(settler->server, "settle", reply))
            repeat_later(settler);
        else
            settler->state = SETTLER_PAUSED;
        return;
    }

    int64_t now_ms = reply_int(reply_at(reply, 0), -1);
    const redisReply *word = reply_at(reply, 1);
    if (now_ms < 0 || !(reply_is(word, "done") || reply_is(word, "again")) ||
        !reply_is_array(reply_at(reply, 3))) {
        settler->state = SETTLER_PAUSED;
        server_reject(settler->server, "settle");
        return;
    }
    hook_reach("settle.received");
    server_note_reply(settler->server, now_ms);
    log_fenced(reply_at(reply, 2));
    settler->state = SETTLER_READY;
    settler->refusals = 0;
    finish_outstanding(settler);
    settler->callbacks.on_holds(reply_at(reply, 3), settler->user);
    if (settler->state == SETTLER_READY && settler->waiting.count > 0)
        schedule(settler);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    struct settler *settler = user;

    (void)fd;
    (void)what;
    if (settler->state == SETTLER_READY)
        send_next(settler);
    else if (settler->state == SETTLER_REFUSED)
        send_outstanding(settler);
}

struct settler *settler_new(struct event_base *base, struct server *server,
                            const struct settler_callbacks *callbacks, void *user)
{
    struct settler *settler = calloc(1, sizeof *settler);

    if (settler == NULL)
        return NULL;
    settler->server = server;
    settler->callbacks = *callbacks;
    settler->user = user;
    slab_init(&settler->entries, sizeof(struct entry));
    word_list_init(&settler->words, 2 * MAX_BYTES);
    settler->timer = evtimer_new(base, on_timer, settler);
    return settler->timer == NULL ? settler_free(settler) : settler;
}

struct settler *settler_free(struct settler *settler)
{
    if (settler == NULL)
        return NULL;
    slab_done(&settler->entries); /* what was in them is gone with their pages */
    word_list_done(&settler->words);
    if (settler->timer != NULL)
        event_free(settler->timer);
    free(settler);
    return NULL;
}

enum result settler_add(struct settler *settler, struct job *job, const struct outcome *outcome)
{
    struct entry *entry = slab_take(&settler->entries);

    if (entry == NULL)
        return RESULT_NO_MEMORY;
    entry->job = job;
    outcome_copy(&entry->outcome, outcome);
    append(&settler->waiting, entry);
    if (settler->state == SETTLER_READY)
        schedule(settler);
    return RESULT_OK;
}

void settler_resume(struct settler *settler)
{
    if (settler->state != SETTLER_PAUSED)
        return;
    settler->state = SETTLER_READY;
    settler->refusals = 0;
    send_next(settler);
}

void settler_pause(struct settler *settler)
{
    settler->state = SETTLER_PAUSED;
    event_del(settler->timer);
}

uint32_t settler_count(const struct settler *settler)
{
    return settler->outstanding.count + settler->waiting.count;
}

int64_t settler_sent_us(const struct settler *settler)
{
    return settler->state == SETTLER_SENT ? settler->sent_us : 0;
}

bool settler_is_behind(const struct settler *settler, int64_t now_us)
{
    /* refused, or on its way once more: each repetition would let a claim through */
    if (settler->refusals > 0 || settler->waiting.count > BEHIND_COUNT)
        return true;
    return settler->state == SETTLER_SENT && now_us - settler->sent_us > BEHIND_US;
}
