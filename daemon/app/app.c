/* app.c - the daemon: wiring, life and end. */
#include "app/app.h"

#include "app/identity.h"
#include "app/metrics.h"
#include "app/notify.h"
#include "app/signals.h"
#include "app/worker.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/timer.h"
#include "config/compose.h"
#include "config/config.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_SEC        1
#define DRAIN_MARGIN_US (2 * US_PER_SEC)

struct app {
    const char *config_path;
    struct settings settings; /* owns its secrets */
    struct identity identity;
    struct event_base *base;
    struct signals *signals;
    struct worker *worker;
    struct metrics *metrics;
    struct event *tick_timer;  /* status, watchdog, instance hash, memory */
    struct event *drain_timer; /* when a drain has had its time */
    struct event *lock_event;  /* somebody asks whose the lock is */
    int64_t watchdog_us;       /* 0: nobody watches */
    int64_t watchdog_fed_us;
    bool is_watchdog_unfed;    /* and the log says so */
    uint64_t requests_at_rest; /* when memory was last given back */
    char redis_state[256];
    bool is_stopping;
};

static struct worker_settings compose_worker(const struct app *app)
{
    return (struct worker_settings){
        .conductor = compose_conductor(&app->settings),
        .queue = compose_queue(&app->settings, app->identity.owner),
        .retry = compose_retry(&app->settings),
    };
}

/* One line for people: systemctl status, the instance's hash, USR1. */
static void write_status(const struct app *app, char *text, size_t size)
{
    struct worker_load load = worker_load(app->worker);

    snprintf(text, size,
             "%s%s; %u in flight, %u waiting for their slots, %llu links since the start",
             app->is_stopping ? "stopping; " : "", app->redis_state, load.in_flight, load.waiting,
             (unsigned long long)load.created);
}

static void show_status(struct app *app)
{
    char status[400];

    write_status(app, status, sizeof status);
    notify_status(status);
    worker_report(app->worker, app->is_stopping ? "stopping" : app->redis_state);
}

/* The watchdog is fed by progress only: a wedged part lets systemd restart the process. */
static void feed_watchdog(struct app *app, int64_t now_us)
{
    if (app->watchdog_us == 0 || now_us - app->watchdog_fed_us < app->watchdog_us / 2)
        return;
    if (!worker_is_alive(app->worker, now_us)) {
        if (!app->is_watchdog_unfed)
            log_error("watchdog.unfed",
                      log_str("why", "no progress: systemd will restart the daemon"));
        app->is_watchdog_unfed = true;
        return;
    }
    app->is_watchdog_unfed = false;
    app->watchdog_fed_us = now_us;
    notify_send("WATCHDOG=1");
}

/*
 * Thousands of short-lived pieces (replies, requests, answers) leave holes in malloc's heap, free
 * and yet resident, and ever more of them: 1.3 MB of 2.8 after 10,000 jobs. At rest they go back to
 * the system, which takes 0.3 ms after a burst and 0.05 ms after one job.
 */
static void give_memory_back(struct app *app)
{
    struct worker_view view = worker_view(app->worker);

    if (view.load.waiting > 0 || view.load.in_flight > 0 ||
        view.requests->started == app->requests_at_rest)
        return;
    app->requests_at_rest = view.requests->started;
    malloc_trim(0);
}

static void on_tick(evutil_socket_t fd, short what, void *user)
{
    struct app *app = user;

    (void)fd;
    (void)what;
    show_status(app);
    feed_watchdog(app, clock_mono_us());
    give_memory_back(app);
    event_add(app->lock_event, NULL);
}

static void on_lock_asked(evutil_socket_t fd, short what, void *user)
{
    const struct app *app = user;

    (void)fd;
    (void)what;
    if (!identity_answer(&app->identity))
        event_del(app->lock_event); /* on_tick() looks again */
}

static void end_loop(struct app *app)
{
    event_base_loopbreak(app->base);
}

static void on_drained(void *user)
{
    struct app *app = user;

    log_notice("daemon.drained", log_str("now", "every outcome is in Redis"));
    end_loop(app);
}

static void on_drain_timeout(evutil_socket_t fd, short what, void *user)
{
    struct app *app = user;
    struct worker_load load = worker_load(app->worker);

    (void)fd;
    (void)what;
    log_warn("daemon.undrained", log_int("in_flight", load.in_flight),
             log_str("redis", app->redis_state),
             log_str("now", "ending; what is in hand is found again by its leases"));
    end_loop(app);
}

/* The first asks for a drain, the second ends at once. */
static void on_stop_wanted(void *user)
{
    struct app *app = user;
    int64_t now_us = clock_mono_us();
    int64_t last_us = worker_last_deadline_us(app->worker);
    int64_t wait_us = (last_us > now_us ? last_us - now_us : 0) + DRAIN_MARGIN_US;

    if (app->is_stopping) {
        log_notice("daemon.ended_at_once", log_str("why", "asked a second time"));
        end_loop(app);
        return;
    }
    app->is_stopping = true;
    log_notice("daemon.stopping", log_int("in_flight", worker_load(app->worker).in_flight),
               log_int("at_most_ms", wait_us / US_PER_MS));
    notify_send("STOPPING=1");
    notify_extend_timeout(wait_us + DRAIN_MARGIN_US);
    timer_arm(app->drain_timer, wait_us);
    worker_drain(app->worker);
}

static void on_state_wanted(void *user)
{
    struct app *app = user;
    char status[400];

    write_status(app, status, sizeof status);
    log_notice("daemon.state", log_str("owner", app->identity.owner), log_str("state", status),
               log_str("key_fp", secret_fingerprint(app->settings.secret_key)));
}

static void log_key(const struct app *app)
{
    const struct secret *key = app->settings.secret_key;

    log_notice("key.loaded", log_str("source", secret_source(key)),
               log_str("fingerprint", secret_fingerprint(key)));
    if (secret_shadowed(key) != NULL)
        log_warn("key.shadowed", log_str("unused", secret_shadowed(key)),
                 log_str("advice", "it holds another key; take one of the two away"));
}

/* Messages are lines; as a value of the log the last one's end says nothing. */
static size_t told_len(const struct buffer *messages)
{
    const char *text = buffer_text(messages);

    return messages->len > 0 && text[messages->len - 1] == '\n' ? messages->len - 1 : messages->len;
}

/* Takes `fresh` up, or says why not. */
static void take_up(struct app *app, struct settings *fresh)
{
    struct settings old = app->settings;
    struct buffer messages;

    buffer_init(&messages, CONFIG_MESSAGES_MAX_BYTES);
    if (config_check_reload(&old, fresh, &messages) == RESULT_REFUSED)
        log_warn("config.needs_restart",
                 log_bytes("settings", buffer_text(&messages), told_len(&messages)));
    buffer_done(&messages);

    app->settings = *fresh;
    struct worker_settings settings = compose_worker(app);
    if (worker_reload(app->worker, &settings) != RESULT_OK) {
        log_error("config.kept", log_str("why", "out of memory"));
        app->settings = old;
        config_free(fresh);
        return;
    }
    config_free(&old);
    log_configure(app->settings.log.level, app->settings.log.format);
    log_notice("config.reloaded", log_str("file", app->config_path));
    log_key(app);
    metrics_listen(app->metrics, app->settings.metrics.listen);
    metrics_note_reload(app->metrics, true);
}

static void on_reload_wanted(void *user)
{
    struct app *app = user;
    struct settings fresh = {0};
    struct buffer messages;

    if (app->is_stopping) {
        log_notice("config.kept", log_str("why", "the daemon is stopping"));
        return;
    }
    notify_reloading(clock_mono_us());
    metrics_note_reload(app->metrics, false); /* until it is taken up */
    buffer_init(&messages, CONFIG_MESSAGES_MAX_BYTES);
    if (config_load(app->config_path, &fresh, &messages) == RESULT_OK)
        take_up(app, &fresh);
    else
        log_error("config.kept", log_bytes("why", buffer_text(&messages), told_len(&messages)),
                  log_str("now", "the old configuration stays in force"));
    buffer_done(&messages);
    notify_send("READY=1");
    show_status(app);
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    struct app *app = user;
    struct buffer messages;

    buffer_init(&messages, CONFIG_MESSAGES_MAX_BYTES);
    bool is_read = compose_redis_password(&app->settings, target, size, &messages);
    if (!is_read)
        log_error("password.unread", log_bytes("why", buffer_text(&messages), messages.len));
    buffer_done(&messages);
    return is_read;
}

static void on_redis_state(const char *state, void *user)
{
    struct app *app = user;

    text_copy(app->redis_state, sizeof app->redis_state, state, strlen(state));
    log_info("redis.state", log_str("state", state));
}

static bool build(struct app *app)
{
    static const struct signals_callbacks signals_callbacks = {.on_stop_wanted = on_stop_wanted,
                                                               .on_reload_wanted = on_reload_wanted,
                                                               .on_state_wanted = on_state_wanted};
    static const struct worker_callbacks worker_callbacks = {.on_password_wanted =
                                                                 on_password_wanted,
                                                             .on_redis_state = on_redis_state,
                                                             .on_drained = on_drained};

    text_copy(app->redis_state, sizeof app->redis_state, "connecting to Redis", 19);
    app->base = event_base_new();
    if (app->base == NULL)
        return false;
    struct worker_settings settings = compose_worker(app);
    app->signals = signals_new(app->base, &signals_callbacks, app);
    app->worker = worker_new(app->base, &settings, &worker_callbacks, app);
    app->metrics = app->worker == NULL ? NULL : metrics_new(app->base, app->worker);
    app->tick_timer = event_new(app->base, -1, EV_PERSIST, on_tick, app);
    app->drain_timer = evtimer_new(app->base, on_drain_timeout, app);
    app->lock_event =
        event_new(app->base, app->identity.lock_fd, EV_READ | EV_PERSIST, on_lock_asked, app);
    return app->signals != NULL && app->metrics != NULL && app->tick_timer != NULL &&
           app->drain_timer != NULL && app->lock_event != NULL;
}

static void take_down(struct app *app)
{
    metrics_free(app->metrics);
    worker_free(app->worker);
    signals_free(app->signals);
    if (app->tick_timer != NULL)
        event_free(app->tick_timer);
    if (app->drain_timer != NULL)
        event_free(app->drain_timer);
    if (app->lock_event != NULL)
        event_free(app->lock_event);
    if (app->base != NULL)
        event_base_free(app->base);
    identity_done(&app->identity);
}

static int live(struct app *app)
{
    struct timeval tick = {.tv_sec = TICK_SEC};
    int64_t now_us = clock_mono_us();

    if (!build(app)) {
        log_error("daemon.unstarted", log_str("why", "out of memory"));
        return APP_EXIT_FAILURE;
    }
    app->watchdog_us = 2 * notify_watchdog_interval_us();
    app->watchdog_fed_us = now_us;
    event_add(app->tick_timer, &tick);
    event_add(app->lock_event, NULL);
    metrics_listen(app->metrics, app->settings.metrics.listen);
    worker_start(app->worker);
    log_notice("daemon.started", log_str("version", AUTHLINKD_VERSION),
               log_str("owner", app->identity.owner), log_str("config", app->config_path));
    log_key(app);
    notify_send("READY=1"); /* Redis being down is no reason not to be ready: it is waited for */
    return event_base_dispatch(app->base) < 0 ? APP_EXIT_FAILURE : APP_EXIT_OK;
}

static int run(struct app *app)
{
    pid_t holder = 0;
    enum result result = identity_take(app->settings.instance, app->settings.redis.key_prefix,
                                       &app->identity, &holder);

    if (result == RESULT_EXISTS) {
        fprintf(stderr,
                "authlinkd: process %d is instance \"%s\" of \"%s\" on this host already; give "
                "this one another "
                "name (instance = \"...\")\n",
                (int)holder, app->settings.instance, app->settings.redis.key_prefix);
        return APP_EXIT_CONFIG;
    }
    if (result != RESULT_OK) {
        perror("authlinkd: cannot take the lock of this instance");
        return APP_EXIT_FAILURE;
    }
    int code = live(app);
    take_down(app);
    log_notice("daemon.stopped", log_int("exit", code));
    return code;
}

int app_run(const char *config_path, const struct settings *settings)
{
    struct app app = {
        .config_path = config_path, .settings = *settings, .identity = {.lock_fd = -1}};

    log_configure(app.settings.log.level, app.settings.log.format);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int code = run(&app);
    config_free(&app.settings);
    curl_global_cleanup();
    return code;
}
