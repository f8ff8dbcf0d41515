/* support_app.c - an app for the tests of the queue. */
#include "support_app.h"

#include "base/clock.h"

#include <check.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct app app;

void app_tell_room(void)
{
    queue_set_room(app.queue, app.room - app.in_hand);
}

void app_settle(struct job *job)
{
    struct outcome outcome = test_created(job);

    app.in_hand--;
    queue_settle(app.queue, job, &outcome);
}

void app_settle_kept(void)
{
    while (app.kept != NULL) {
        struct job *job = app.kept;
        app.kept = job->next;
        app_settle(job);
    }
    app_tell_room();
}

static void on_jobs(struct job *list, void *user)
{
    uint32_t count = 0;

    (void)user;
    while (list != NULL) {
        struct job *next = list->next;
        app.recoveries = list->recoveries;
        list->next = app.kept;
        app.kept = list;
        list = next;
        count++;
    }
    app.jobs += count;
    app.in_hand += count;
    if (count > app.largest_batch)
        app.largest_batch = count;
    if (!app.keeps)
        app_settle_kept();
    app_tell_room();
}

static void on_hold(const char *cause, bool is_pause, void *user)
{
    (void)user;
    app.holds++;
    app.was_pause = is_pause;
    snprintf(app.cause, sizeof app.cause, "%s", cause);
}

static void on_lease_lost(uint64_t lease_seq, void *user)
{
    struct job *rest = NULL;

    (void)user;
    app.lost_leases++;
    while (app.kept != NULL) {
        struct job *job = app.kept;
        app.kept = job->next;
        if (job->lease_seq == lease_seq) {
            app.in_hand--;
            queue_drop(app.queue, job);
        } else {
            job->next = rest;
            rest = job;
        }
    }
    app.kept = rest;
    app_tell_room();
}

static void on_settled(void *user)
{
    (void)user;
    app.settled_times++;
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    (void)user;
    snprintf(target, size, "%s", app.password);
    return true;
}

static void on_state(const char *state, void *user)
{
    (void)user;
    snprintf(app.state, sizeof app.state, "%s", state);
}

const struct queue_callbacks app_callbacks = {
    .on_jobs = on_jobs,
    .on_hold = on_hold,
    .on_lease_lost = on_lease_lost,
    .on_settled = on_settled,
    .on_password_wanted = on_password_wanted,
    .on_state = on_state,
};

void app_init(void)
{
    static const struct link_address nowhere;

    memset(&app, 0, sizeof app);
    app.base = event_base_new();
    app.settings = test_settings(&nowhere);
    app.settings.timing.reap_interval_ms = 100;
    app.room = 64;
}

void app_begin(void)
{
    app_init();
    redis_flush();
    freeReplyObject(redis_ask("CONFIG RESETSTAT"));
    app.settings.address = redis_address();
}

void app_start(void)
{
    app.queue = queue_new(app.base, &app.settings, &app_callbacks, NULL);
    ck_assert_ptr_nonnull(app.queue);
    queue_start(app.queue);
    app_tell_room();
}

void app_end(void)
{
    queue_free(app.queue);
    event_base_free(app.base);
}

void app_ask(const char *format, ...)
{
    char words[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    redisReply *reply = redis_ask(words);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", words, reply->str);
    freeReplyObject(reply);
}

void app_push(int count)
{
    for (int i = 0; i < count; i++)
        app_ask("RPUSH authlink:queue end_usr_%05d", i);
}

bool app_is_working(void *user)
{
    (void)user;
    return queue_progress(app.queue).is_working;
}

static bool is_state(void *user)
{
    return strstr(app.state, user) != NULL;
}

void app_wait_for_state(const char *part)
{
    char copy[64];

    snprintf(copy, sizeof copy, "%s", part);
    run_until_true(app.base, is_state, copy);
}

static bool has_jobs(void *user)
{
    return app.jobs >= *(const uint32_t *)user;
}

void app_wait_for_jobs(uint32_t count)
{
    run_until_true(app.base, has_jobs, &count);
}

bool app_is_settled(void *user)
{
    (void)user;
    return queue_is_settled(app.queue);
}

long long app_stat(const char *name)
{
    char words[64];
    char text[32];

    snprintf(words, sizeof words, "HGET authlink:stats %s", name);
    return strtoll(redis_ask_text(words, text, sizeof text), NULL, 10);
}

static bool is_ready_count(void *user)
{
    return app_stat("ready") == *(const int *)user;
}

void app_wait_for_ready(int count)
{
    run_until_true(app.base, is_ready_count, &count);
}

long long app_count_calls(const char *command)
{
    char text[16384];
    char line[64];

    redis_ask_text("INFO commandstats", text, sizeof text);
    snprintf(line, sizeof line, "cmdstat_%s:calls=", command);
    const char *found = strstr(text, line);
    return found == NULL ? 0 : strtoll(found + strlen(line), NULL, 10);
}

void app_plant_lease(const char *lease, const char *user)
{
    char key[256];
    char record[256];

    snprintf(key, sizeof key, "authlink:lease:%s", lease);
    snprintf(record, sizeof record, "0000000000000001 0 0 1700000000000 1700000000000000 %s", user);
    const char *words[] = {"HSET", key, user, record};
    freeReplyObject(redis_ask_argv(4, words));
    app_ask("ZADD authlink:leases 9999999999999 %s", lease);
    app_ask("HSET authlink:inflight %s %s", user, lease);
    app_ask("HSET authlink:stats taken 1");
}
