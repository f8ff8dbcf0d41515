/* test_conductor.c - a job goes out, an answer comes back, settings change meanwhile. */
#include "conductor/conductor.h"

#include "base/clock.h"
#include "base/hooks.h"
#include "base/text.h"
#include "run_tests.h"
#include "support_http.h"

#include <check.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_SEC 60
#define OLD_KEY      "sk_conductor_PLANTED.old"
#define NEW_KEY      "sk_conductor_PLANTED.new"
#define OLD_FP       "0123456789ab"
#define NEW_FP       "ba9876543210"

/* Stands for base/hooks.c: what was reached, and what is done there. */
static struct {
    int sent, received;
    void (*on_sent)(void *user);
    void *user;
} hooks;

void hook_reach(const char *point)
{
    hooks.received += strcmp(point, "answer.received") == 0;
    if (strcmp(point, "request.sent") != 0)
        return;
    hooks.sent++;
    if (hooks.on_sent != NULL)
        hooks.on_sent(hooks.user);
}

bool hook_is_wedged(const char *step)
{
    (void)step;
    return false;
}

/* What the API of these tests knows of itself; all under the mutex. */
struct api {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_held;    /* answers wait */
    int arrived;     /* requests read */
    int bearing_new; /* with the new key */
};

struct world {
    struct api api;
    struct http_server *server;
    struct event_base *base;
    struct host_list link_hosts;
    char base_url[64];
    struct conductor_settings settings;
    struct conductor *conductor;
    int answers;
    struct job *last_job;
    struct answer last;
    int64_t last_began_us;
    char last_key_fp[KEY_FP_LEN + 1];
};

/* The end user's ID says what is to be answered: "fail_500", "echo_key", "drop"; else a session. */
static bool serve(struct http_connection *connection, const struct http_request *request,
                  void *user)
{
    struct api *api = user;
    const char *id = strstr(request->body, "\"endUserId\":\"") + strlen("\"endUserId\":\"");
    int id_len = (int)strcspn(id, "\"");
    char body[2048];
    int status = 200;

    pthread_mutex_lock(&api->mutex);
    api->arrived++;
    api->bearing_new += strstr(request->head, NEW_KEY) != NULL;
    pthread_cond_broadcast(&api->changed);
    while (api->is_held)
        pthread_cond_wait(&api->changed, &api->mutex);
    pthread_mutex_unlock(&api->mutex);

    if (strncmp(id, "drop", 4) == 0)
        return false;
    if (strncmp(id, "fail_", 5) == 0 || strncmp(id, "echo_key", 8) == 0) {
        status = id[0] == 'f' ? (int)strtol(id + 5, NULL, 10) : 401;
        snprintf(body, sizeof body,
                 "{\"error\":{\"type\":\"T\",\"message\":\"got %s\",\"code\":\"C\"}}",
                 strstr(request->head, "Bearer") == NULL ? "nothing" : OLD_KEY);
    } else {
        snprintf(body, sizeof body,
                 "{\"id\":\"auth_sess_1\",\"objectType\":\"auth_session\",\"endUserId\":\"%.*s\","
                 "\"createdAt\":\"2026-11-24T12:00:00Z\",\"expiresAt\":\"2026-11-24T12:30:00Z\","
                 "\"authFlowUrl\":\"https://connect.conductor.is/qbd/x\"}",
                 id_len, id);
    }
    http_answer(connection, status, "Conductor-Request-Id: req_1\r\n", body);
    return true;
}

static void on_answer(struct job *job, const struct answer *answer, int64_t began_us,
                      const char *key_fp, void *user)
{
    struct world *world = user;

    world->answers++;
    world->last_job = job;
    world->last = *answer;
    world->last_began_us = began_us;
    memcpy(world->last_key_fp, key_fp, sizeof world->last_key_fp);
    ck_assert(memmem(answer, sizeof *answer, "PLANTED", 7) == NULL);
    event_base_loopbreak(world->base);
}

static void world_init(struct world *world)
{
    *world = (struct world){.base = event_base_new()};
    pthread_mutex_init(&world->api.mutex, NULL);
    pthread_cond_init(&world->api.changed, NULL);
    world->server = http_server_start(serve, &world->api, NULL);
    snprintf(world->base_url, sizeof world->base_url, "http://127.0.0.1:%d/v1",
             http_server_port(world->server));
    ck_assert_int_eq(host_list_add(&world->link_hosts, "connect.conductor.is"), RESULT_OK);
    world->settings = (struct conductor_settings){
        .base_url = world->base_url,
        .secret_key = OLD_KEY,
        .key_fp = OLD_FP,
        .publishable_key = "pk_conductor_1",
        .ca_file = "",
        .link_hosts = &world->link_hosts,
        .request_timeout_ms = 30000,
        .max_in_flight = 2,
    };
    world->conductor = conductor_new(world->base, &world->settings, on_answer, world);
    ck_assert_ptr_nonnull(world->conductor);
}

static void hold(struct world *world, bool is_held)
{
    pthread_mutex_lock(&world->api.mutex);
    world->api.is_held = is_held;
    pthread_cond_broadcast(&world->api.changed);
    pthread_mutex_unlock(&world->api.mutex);
}

static void world_done(struct world *world)
{
    hold(world, false);
    conductor_free(world->conductor);
    http_server_stop(world->server);
    event_base_free(world->base);
    pthread_cond_destroy(&world->api.changed);
    pthread_mutex_destroy(&world->api.mutex);
}

static struct job new_job(const char *end_user_id)
{
    struct job job = {.link_expiry_mins = 30};

    text_copy(job.end_user_id, sizeof job.end_user_id, end_user_id, strlen(end_user_id));
    return job;
}

static void send_job(struct world *world, struct job *job, int64_t now_us)
{
    ck_assert_int_eq(conductor_send(world->conductor, job, now_us), RESULT_OK);
}

static void on_too_late(evutil_socket_t fd, short what, void *user)
{
    struct world *world = user;

    (void)fd;
    (void)what;
    ck_abort_msg("%d answers, and no more in %d s", world->answers, PATIENCE_SEC);
}

static void run_until_answers(struct world *world, int answers)
{
    struct event *too_late = evtimer_new(world->base, on_too_late, world);
    struct timeval patience = {PATIENCE_SEC, 0};

    event_add(too_late, &patience);
    while (world->answers < answers)
        ck_assert_int_ge(event_base_loop(world->base, EVLOOP_ONCE), 0);
    event_free(too_late);
}

/* Runs until the API has read so many requests. */
static void run_until_arrived(struct world *world, int arrived)
{
    for (bool is_there = false; !is_there;) {
        event_base_loop(world->base, EVLOOP_NONBLOCK);
        pthread_mutex_lock(&world->api.mutex);
        is_there = world->api.arrived >= arrived;
        pthread_mutex_unlock(&world->api.mutex);
    }
}

START_TEST(job_becomes_a_session)
{
    struct world world;
    struct job job = new_job("end_usr_1");

    world_init(&world);
    send_job(&world, &job, 4711);
    ck_assert_int_eq(world.answers, 0);
    run_until_answers(&world, 1);
    ck_assert_ptr_eq(world.last_job, &job);
    ck_assert_int_eq(world.last.state, ANSWER_WHOLE);
    ck_assert_int_eq(world.last.body, ANSWER_BODY_SESSION);
    ck_assert_str_eq(world.last.session.auth_flow_url, "https://connect.conductor.is/qbd/x");
    ck_assert_str_eq(world.last.request_id, "req_1");
    ck_assert_int_eq(world.last_began_us, 4711);
    ck_assert_str_eq(world.last_key_fp, OLD_FP);
    /* An idle daemon is not woken by its connections: their end alone is waited for. */
    ck_assert_int_eq(event_base_loop(world.base, EVLOOP_NONBLOCK), 0);
    ck_assert_int_eq(event_base_get_num_events(world.base, EVENT_BASE_COUNT_ADDED), 1);
    ck_assert_int_eq(event_base_get_num_events(world.base, EVENT_BASE_COUNT_ACTIVE), 0);
    world_done(&world);
}
END_TEST

START_TEST(request_under_way_keeps_its_key_when_a_reload_changes_it)
{
    struct world world;
    struct job first = new_job("end_usr_1");
    struct job second = new_job("end_usr_2");
    struct host_list other_hosts = {.count = 0};

    world_init(&world);
    hold(&world, true);
    send_job(&world, &first, 1);
    run_until_arrived(&world, 1);

    ck_assert_int_eq(host_list_add(&other_hosts, "other.example"), RESULT_OK);
    world.settings.secret_key = NEW_KEY;
    world.settings.key_fp = NEW_FP;
    world.settings.link_hosts = &other_hosts;
    ck_assert_int_eq(conductor_reload(world.conductor, &world.settings), RESULT_OK);
    hold(&world, false);
    run_until_answers(&world, 1);
    ck_assert_str_eq(world.last_key_fp, OLD_FP);
    ck_assert_int_eq(world.last.body, ANSWER_BODY_SESSION);

    send_job(&world, &second, 2);
    run_until_answers(&world, 2);
    ck_assert_str_eq(world.last_key_fp, NEW_FP);
    ck_assert_int_eq(world.last.body, ANSWER_BODY_OTHER); /* the link hosts are others now */
    ck_assert_int_eq(world.api.bearing_new, 1);
    ck_assert_int_eq(http_server_connections(world.server), 1);
    world_done(&world);
}
END_TEST

/* Whoever is killed here has sent the request: the API reads it though this loop stands still. */
static void wait_until_arrived(void *user)
{
    struct api *api = user;

    pthread_mutex_lock(&api->mutex);
    while (api->arrived < hooks.sent)
        pthread_cond_wait(&api->changed, &api->mutex);
    pthread_mutex_unlock(&api->mutex);
    ck_assert_int_eq(hooks.received, hooks.sent - 1);
}

START_TEST(point_request_sent_is_reached_when_the_request_is_out)
{
    struct world world;
    struct job job = new_job("end_usr_1");

    world_init(&world);
    hooks.on_sent = wait_until_arrived;
    hooks.user = &world.api;
    for (int i = 1; i <= 3; i++) {
        send_job(&world, &job, 1);
        run_until_answers(&world, i);
        ck_assert_int_eq(hooks.sent, i);
        ck_assert_int_eq(hooks.received, i);
    }
    world_done(&world);
}
END_TEST

START_TEST(no_more_than_max_in_flight)
{
    struct world world;
    struct job jobs[3] = {new_job("end_usr_1"), new_job("end_usr_2"), new_job("end_usr_3")};

    world_init(&world);
    hold(&world, true);
    ck_assert_int_eq(conductor_last_deadline_us(world.conductor), 0);
    ck_assert_int_eq(conductor_first_deadline_us(world.conductor), 0);
    send_job(&world, &jobs[0], 100);
    send_job(&world, &jobs[1], 200);
    ck_assert_int_eq(conductor_send(world.conductor, &jobs[2], 300), RESULT_FULL);
    ck_assert_uint_eq(conductor_in_flight(world.conductor), 2);
    ck_assert_int_eq(conductor_first_deadline_us(world.conductor), 30000 * US_PER_MS + 100);
    ck_assert_int_eq(conductor_last_deadline_us(world.conductor), 30000 * US_PER_MS + 200);

    world.settings.max_in_flight = 3;
    world.settings.request_timeout_ms = 20000; /* the longer one still counts */
    ck_assert_int_eq(conductor_reload(world.conductor, &world.settings), RESULT_OK);
    send_job(&world, &jobs[2], 300);
    ck_assert_int_eq(conductor_last_deadline_us(world.conductor), 30000 * US_PER_MS + 200);
    ck_assert_int_eq(conductor_first_deadline_us(world.conductor), 20000 * US_PER_MS + 300);
    hold(&world, false);
    run_until_answers(&world, 3);
    ck_assert_uint_eq(conductor_in_flight(world.conductor), 0);
    ck_assert_int_eq(conductor_last_deadline_us(world.conductor), 0);
    world_done(&world);
}
END_TEST

START_TEST(key_stays_out_of_what_people_read)
{
    struct world world;
    struct job job = new_job("echo_key");

    world_init(&world);
    send_job(&world, &job, 1);
    run_until_answers(&world, 1);
    ck_assert_int_eq(world.last.body, ANSWER_BODY_ENVELOPE);
    ck_assert_str_eq(world.last.detail, "got [key]");
    world_done(&world);
}
END_TEST

START_TEST(ends_are_counted)
{
    static const char *const ids[] = {"end_usr_1", "fail_429", "fail_404", "fail_503", "drop"};
    struct world world;
    struct job job;
    uint64_t whole = 0;

    world_init(&world);
    for (int i = 0; i < 5; i++) {
        job = new_job(ids[i]);
        send_job(&world, &job, clock_mono_us());
        run_until_answers(&world, i + 1);
    }
    ck_assert_int_eq(world.last.state, ANSWER_BROKEN);
    ck_assert_int_eq(world.last.http_status, 0);
    snprintf(world.base_url, sizeof world.base_url, "http://127.0.0.1:%d", http_unused_port());
    ck_assert_int_eq(conductor_reload(world.conductor, &world.settings), RESULT_OK);
    send_job(&world, &job, clock_mono_us());
    run_until_answers(&world, 6);
    ck_assert_int_eq(world.last.state, ANSWER_UNSENT);

    const struct conductor_counters *counters = conductor_counters(world.conductor);
    ck_assert_uint_eq(counters->started, 6);
    ck_assert_uint_eq(counters->unsent, 1);
    ck_assert_uint_eq(counters->broken, 1);
    ck_assert_uint_eq(counters->throttled, 1);
    ck_assert_uint_eq(counters->by_status_class[2], 1);
    ck_assert_uint_eq(counters->by_status_class[4], 2);
    ck_assert_uint_eq(counters->by_status_class[5], 1);
    for (int i = 0; i < CONDUCTOR_DURATION_BUCKETS; i++)
        whole += counters->by_duration[i];
    ck_assert_uint_eq(whole, 4);
    world_done(&world);
}
END_TEST

START_TEST(settings_that_would_show_the_key_are_refused)
{
    struct world world;
    struct job job = new_job("end_usr_1");
    struct conductor_settings wrong;

    world_init(&world);
    wrong = world.settings;
    wrong.base_url = "http://api.conductor.is/v1";
    ck_assert_ptr_null(conductor_new(world.base, &wrong, on_answer, &world));
    ck_assert_int_ne(conductor_reload(world.conductor, &wrong), RESULT_OK);
    wrong = world.settings;
    wrong.secret_key = "sk_1\r\nX-Other: 1";
    ck_assert_ptr_null(conductor_new(world.base, &wrong, on_answer, &world));
    ck_assert_int_ne(conductor_reload(world.conductor, &wrong), RESULT_OK);

    send_job(&world, &job, 1);
    run_until_answers(&world, 1);
    ck_assert_str_eq(world.last_key_fp, OLD_FP);
    ck_assert_int_eq(world.last.body, ANSWER_BODY_SESSION);
    world_done(&world);
}
END_TEST

START_TEST(body_that_cannot_be_made_is_told_from_a_full_pool)
{
    static char key[20000];
    struct world world;
    struct job job = new_job("end_usr_1");

    memset(key, 'k', sizeof key - 1);
    world_init(&world);
    world.settings.publishable_key = key;
    ck_assert_int_eq(conductor_reload(world.conductor, &world.settings), RESULT_OK);
    ck_assert_int_eq(conductor_send(world.conductor, &job, 1), RESULT_INVALID);
    ck_assert_uint_eq(conductor_in_flight(world.conductor), 0);
    world_done(&world);
}
END_TEST

START_TEST(free_drops_requests_without_an_answer)
{
    struct world world;
    struct job jobs[2] = {new_job("end_usr_1"), new_job("end_usr_2")};

    world_init(&world);
    hold(&world, true);
    send_job(&world, &jobs[0], 1);
    run_until_arrived(&world, 1);
    ck_assert_int_eq(conductor_reload(world.conductor, &world.settings), RESULT_OK);
    send_job(&world, &jobs[1], 1);
    run_until_arrived(&world, 2);
    world.conductor = conductor_free(world.conductor);
    ck_assert_int_eq(world.answers, 0);
    world_done(&world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conductor");
    TCase *tcase = tcase_create("conductor");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, job_becomes_a_session);
    tcase_add_test(tcase, request_under_way_keeps_its_key_when_a_reload_changes_it);
    tcase_add_test(tcase, point_request_sent_is_reached_when_the_request_is_out);
    tcase_add_test(tcase, no_more_than_max_in_flight);
    tcase_add_test(tcase, key_stays_out_of_what_people_read);
    tcase_add_test(tcase, ends_are_counted);
    tcase_add_test(tcase, settings_that_would_show_the_key_are_refused);
    tcase_add_test(tcase, body_that_cannot_be_made_is_told_from_a_full_pool);
    tcase_add_test(tcase, free_drops_requests_without_an_answer);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
