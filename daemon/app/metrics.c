/* metrics.c - what a monitor may ask the daemon. */
#include "app/metrics.h"

#include "app/http_server.h"
#include "app/metrics_text.h"
#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct metrics {
    struct worker *worker;      /* borrows */
    struct http_server *server; /* owns */
    int64_t started_unix_ms;
    bool is_config_fresh;
};

static int64_t cpu_us(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_SEC + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

/* The second number of proc_pid_statm(5), in pages. */
static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128] = "";

    if (file == NULL)
        return 0;
    char *end = fgets(line, sizeof line, file) == NULL ? NULL : strchr(line, ' ');
    fclose(file);
    return end == NULL ? 0 : strtoll(end, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static struct metrics_view view_of(const struct metrics *metrics)
{
    return (struct metrics_view){
        .worker = worker_view(metrics->worker),
        .now_us = clock_mono_us(),
        .started_unix_ms = metrics->started_unix_ms,
        .is_config_fresh = metrics->is_config_fresh,
    };
}

static int get_metrics(const struct metrics *metrics, struct buffer *body)
{
    struct metrics_view view = view_of(metrics);

    view.cpu_us = cpu_us();
    view.resident_bytes = resident_bytes();
    return metrics_write(&view, body) == RESULT_OK ? 200 : 500;
}

static int get_health(const struct metrics *metrics, struct buffer *body)
{
    bool is_alive = worker_is_alive(metrics->worker, clock_mono_us());

    buffer_append_str(body, is_alive ? "ok\n" : "stuck\n");
    return is_alive ? 200 : 503;
}

static int get_readiness(const struct metrics *metrics, struct buffer *body)
{
    struct metrics_view view = view_of(metrics);
    const char *obstacle = metrics_obstacle(&view);

    buffer_append_format(body, "%s\n", obstacle == NULL ? "ready" : obstacle);
    return obstacle == NULL ? 200 : 503;
}

static int on_get(const char *path, struct buffer *body, void *user)
{
    const struct metrics *metrics = user;

    if (strcmp(path, "/metrics") == 0)
        return get_metrics(metrics, body);
    if (strcmp(path, "/healthz") == 0)
        return get_health(metrics, body);
    if (strcmp(path, "/readyz") == 0)
        return get_readiness(metrics, body);
    buffer_append_str(body, "there are /metrics, /healthz and /readyz\n");
    return 404;
}

struct metrics *metrics_new(struct event_base *base, struct worker *worker)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics == NULL)
        return NULL;
    metrics->worker = worker;
    metrics->started_unix_ms = clock_wall_unix_ms();
    metrics->is_config_fresh = true;
    metrics->server = http_server_new(base, on_get, metrics);
    return metrics->server == NULL ? metrics_free(metrics) : metrics;
}

struct metrics *metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return NULL;
    http_server_free(metrics->server);
    free(metrics);
    return NULL;
}

void metrics_listen(struct metrics *metrics, const char *address)
{
    struct listen_address parsed;
    const char *why = NULL;
    enum result result = listen_address_parse(address, &parsed, &why);

    assert(result == RESULT_OK); /* rule_metrics_listen() has seen it */
    worker_survey(metrics->worker, parsed.family != LISTEN_NOWHERE);
    http_server_listen(metrics->server, &parsed, address);
}

void metrics_note_reload(struct metrics *metrics, bool is_taken_up)
{
    metrics->is_config_fresh = is_taken_up;
}
