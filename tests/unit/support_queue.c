/* support_queue.c - a queue of tests. */
#include "support_queue.h"

#include "base/clock.h"
#include "base/text.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct queue_settings test_settings(const struct link_address *address)
{
    static const struct host_list no_hosts;
    struct queue_settings settings = {
        .address = *address,
        .key_prefix = "authlink",
        .owner = TEST_OWNER,
        .publishable_key = "pk_conductor_test",
        .key_fp = TEST_KEY_FP,
        .request_timeout_ms = 30000,
        .timing = timing_get(),
        .link_expiry_mins = 30,
        .redirect_url = "",
        .redirect_hosts = &no_hosts,
        .reuse_min_share = 0.5,
        .failed_ttl_ms = 3600000,
        .events_keep_ms = 3600000,
        .max_recoveries = 10,
        .per_sec = 100000,
        .burst = 64,
        .max_per_sec = 100000,
    };

    settings.timing.reconnect_min_ms = 10;
    settings.timing.reconnect_max_ms = 100;
    return settings;
}

static void on_up(void *user)
{
    struct test_server *test = user;

    test->is_up = true;
}

static void on_down(const char *why, void *user)
{
    struct test_server *test = user;

    (void)why;
    test->is_up = false;
    test->downs++;
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    (void)user;
    ck_assert_uint_gt(size, 0);
    target[0] = '\0';
    return true;
}

void test_server_init(struct test_server *test, struct event_base *base, struct evdns_base *dns,
                      const struct queue_settings *settings)
{
    static const struct link_callbacks callbacks = {
        .on_up = on_up, .on_down = on_down, .on_password_wanted = on_password_wanted};
    struct link_times times = server_link_times(&settings->timing);
    struct server *server = &test->server;

    memset(test, 0, sizeof *test);
    snprintf(server->boot, sizeof server->boot, "00000000000000aa");
    keys_init(&server->keys, settings->key_prefix, settings->queue_key, settings->owner,
              server->boot);
    ck_assert_int_eq(server_configure(server, settings), RESULT_OK);
    server->link = link_new(base, dns, "test", &settings->address, &times, &callbacks, test);
    ck_assert_ptr_nonnull(server->link);
    server->scripts = scripts_new(server->link);
    ck_assert_ptr_nonnull(server->scripts);
    link_start(server->link);
}

void test_server_done(struct test_server *test)
{
    server_done(&test->server);
}

struct outcome test_created(const struct job *job)
{
    struct outcome outcome = {
        .kind = OUTCOME_CREATED,
        .signal = SIGNAL_OK,
        .is_accepted = true,
        .is_told_to_pace = true,
        .began_us = clock_mono_us(),
        .key_fp = TEST_KEY_FP,
    };
    struct session *session = &outcome.answer.session;

    outcome.answer.state = ANSWER_WHOLE;
    outcome.answer.http_status = 200;
    outcome.answer.body = ANSWER_BODY_SESSION;
    snprintf(session->id, sizeof session->id, "auth_sess_%.64s", job->end_user_id);
    snprintf(session->auth_flow_url, sizeof session->auth_flow_url,
             "https://connect.conductor.is/qbd/secret_of_%.64s", job->end_user_id);
    snprintf(session->created_at, sizeof session->created_at, "2026-01-01T00:00:00.000Z");
    snprintf(session->expires_at, sizeof session->expires_at, "2026-01-01T00:30:00.000Z");
    session->life_ms = 30 * 60000;
    return outcome;
}

struct outcome test_unsent(void)
{
    struct outcome outcome = {.kind = OUTCOME_UNSENT, .signal = SIGNAL_DOWN, .delay_ms = 0};

    text_copy(outcome.answer.detail, sizeof outcome.answer.detail, "refused", 7);
    return outcome;
}

struct job test_job(const char *user, uint64_t seq)
{
    struct job job = {.lease_seq = seq, .link_expiry_mins = 30};

    text_copy(job.end_user_id, sizeof job.end_user_id, user, strlen(user));
    text_copy(job.job_key, sizeof job.job_key, "1", 1);
    return job;
}
