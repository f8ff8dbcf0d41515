/* metrics_text.c - the state of the daemon in the text format of Prometheus. */
#include "app/metrics_text.h"

#include "base/clock.h"
#include "queue/survey.h"

#include <inttypes.h>
#include <string.h>

static void head(struct buffer *text, const char *name, const char *type, const char *help)
{
    buffer_append_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_gauge(struct buffer *text, const char *name, const char *help, double value)
{
    head(text, name, "gauge", help);
    buffer_append_format(text, "%s %.15g\n", name, value);
}

static void write_counter(struct buffer *text, const char *name, const char *help, uint64_t value)
{
    head(text, name, "counter", help);
    buffer_append_format(text, "%s %" PRIu64 "\n", name, value);
}

/* A sample of a family whose head has been written. */
static void write_sample(struct buffer *text, const char *name, const char *label,
                         const char *label_value, uint64_t value)
{
    buffer_append_format(text, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, label_value, value);
}

static double seconds_of_us(int64_t time_us)
{
    return (double)time_us / (double)US_PER_SEC;
}

static double seconds_of_ms(int64_t time_ms)
{
    return (double)time_ms / 1000.0;
}

/* The survey looks at the holds themselves; without it there is what the last claims met. */
static bool binds(const struct metrics_view *view, int kind)
{
    const struct queue_view *queue = &view->worker.queue;

    if (survey_is_fresh(queue->reading, view->now_us))
        return queue->reading->binds[kind];
    return queue->hold != NULL && strcmp(queue->hold, hold_kind_name(kind)) == 0;
}

const char *metrics_obstacle(const struct metrics_view *view)
{
    const struct queue_view *queue = &view->worker.queue;

    if (view->worker.is_draining)
        return "stopping";
    if (!queue->is_connected)
        return "redis";
    if (!queue->is_working)
        return "recovering";
    if (queue->is_foreign)
        return "foreign";
    for (int kind = 0; kind < HOLD_KINDS; kind++)
        if (binds(view, kind))
            return hold_kind_name(kind);
    return NULL;
}

static void write_process(const struct metrics_view *view, struct buffer *text)
{
    head(text, "authlinkd_build_info", "gauge", "Version of the program; the value is 1.");
    write_sample(text, "authlinkd_build_info", "version", AUTHLINKD_VERSION, 1);
    write_gauge(text, "process_start_time_seconds", "Start of the process, Unix time.",
                seconds_of_ms(view->started_unix_ms));
    head(text, "process_cpu_seconds_total", "counter", "CPU time used by the process.");
    buffer_append_format(text, "process_cpu_seconds_total %.15g\n", seconds_of_us(view->cpu_us));
    if (view->resident_bytes > 0)
        write_gauge(text, "process_resident_memory_bytes", "Memory of the process.",
                    (double)view->resident_bytes);
    write_gauge(text, "authlinkd_config_last_reload_successful",
                "1 if the configuration was taken up at the last reload, or at the start.",
                view->is_config_fresh);
    write_gauge(text, "authlinkd_ready", "1 if this instance takes jobs, as /readyz says.",
                metrics_obstacle(view) == NULL);
}

static void write_jobs(const struct worker_view *worker, struct buffer *text)
{
    static const char name[] = "authlinkd_jobs_total";

    head(text, name, "counter", "Jobs that this instance had in hand, by what became of them.");
    for (int kind = 0; kind < REPORT_KIND_COUNT; kind++)
        write_sample(text, name, "outcome", outcome_kind_name((enum outcome_kind)kind),
                     worker->outcomes[kind]);
    write_gauge(text, "authlinkd_slot_waiting_jobs",
                "Jobs of this instance that wait for their slots.", worker->load.waiting);
    write_gauge(text, "authlinkd_unsettled_outcomes",
                "Outcomes of this instance that are not known to be in Redis.",
                worker->queue.unsettled);
}

/* Each request in one series: 429 is not among 4xx. */
static void write_requests(const struct worker_view *worker, struct buffer *text)
{
    static const char name[] = "authlinkd_api_requests_total";
    const struct conductor_counters *requests = worker->requests;
    const struct {
        const char *status;
        uint64_t count;
    } rows[] = {
        {"1xx", requests->by_status_class[1]},
        {"2xx", requests->by_status_class[2]},
        {"3xx", requests->by_status_class[3]},
        {"4xx", requests->by_status_class[4] - requests->throttled},
        {"429", requests->throttled},
        {"5xx", requests->by_status_class[5]},
        {"other", requests->by_status_class[0]},
        {"ambiguous", requests->broken},
        {"unsent", requests->unsent},
    };

    head(text, name, "counter",
         "Requests to the API that ended, by status; ambiguous: sent and not answered, so a "
         "session may exist; unsent: no connection.");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        write_sample(text, name, "status", rows[i].status, rows[i].count);
    write_gauge(text, "authlinkd_api_requests_in_flight", "Requests to the API that are under way.",
                worker->load.in_flight);
}

static void write_durations(const struct conductor_counters *requests, struct buffer *text)
{
    static const int64_t bounds_ms[] = CONDUCTOR_DURATION_BOUNDS_MS;
    static const char name[] = "authlinkd_api_request_duration_seconds";
    uint64_t count = 0;

    head(text, name, "histogram", "Time from sending a request to the end of its whole answer.");
    for (size_t i = 0; i < sizeof bounds_ms / sizeof bounds_ms[0]; i++) {
        count += requests->by_duration[i];
        buffer_append_format(text, "%s_bucket{le=\"%.15g\"} %" PRIu64 "\n", name,
                             seconds_of_ms(bounds_ms[i]), count);
    }
    count += requests->by_duration[CONDUCTOR_DURATION_BUCKETS - 1];
    write_sample(text, "authlinkd_api_request_duration_seconds_bucket", "le", "+Inf", count);
    buffer_append_format(text, "%s_sum %.15g\n%s_count %" PRIu64 "\n", name,
                         seconds_of_us(requests->duration_sum_us), name, count);
}

static void write_redis(const struct metrics_view *view, struct buffer *text)
{
    static const char hold[] = "authlinkd_hold";
    const struct worker_view *worker = &view->worker;

    write_gauge(text, "authlinkd_redis_connected", "1 if there is a connection to Redis.",
                worker->queue.is_connected);
    write_counter(text, "authlinkd_redis_reconnects_total",
                  "Connections to Redis made after the first one.", worker->queue.reconnects);
    head(text, hold, "gauge", "1 if a hold of this kind binds this instance.");
    for (int kind = 0; kind < HOLD_KINDS; kind++)
        write_sample(text, hold, "hold", hold_kind_name(kind), binds(view, kind));
    if (worker->last_created_unix_ms != 0)
        write_gauge(text, "authlinkd_last_link_timestamp_seconds",
                    "When this instance got its last link, Unix time.",
                    seconds_of_ms(worker->last_created_unix_ms));
}

static void write_fleet_counters(const struct survey_reading *reading, struct buffer *text)
{
    static const struct {
        const char *name;
        const char *help;
    } rows[SURVEY_COUNTER_COUNT] = {
        [SURVEY_TAKEN] = {"authlinkd_fleet_jobs_taken_total",
                          "Jobs taken out of the queue by the fleet."},
        [SURVEY_READY] = {"authlinkd_fleet_jobs_ready_total", "Jobs that got a new link."},
        [SURVEY_REUSED] = {"authlinkd_fleet_jobs_reused_total",
                           "Jobs that a link served which was there."},
        [SURVEY_DEAD] = {"authlinkd_fleet_jobs_dead_total", "Jobs that became dead letters."},
        [SURVEY_REDRIVEN] = {"authlinkd_fleet_letters_redriven_total",
                             "Dead letters that were tried again."},
        [SURVEY_REMOVED] = {"authlinkd_fleet_letters_removed_total",
                            "Dead letters that were removed."},
        [SURVEY_ATTEMPTS] = {"authlinkd_fleet_attempts_total",
                             "Requests that count against their jobs."},
        [SURVEY_THROTTLED] = {"authlinkd_fleet_throttled_total",
                              "Answers 429, which count against nothing."},
        [SURVEY_RETRIED] = {"authlinkd_fleet_retried_total",
                            "Attempts that failed and are followed by another."},
        [SURVEY_UNSENT] = {"authlinkd_fleet_unsent_total",
                           "Requests that found no connection to the API."},
        [SURVEY_RETURNED] = {"authlinkd_fleet_returned_total", "Jobs given back untried."},
        [SURVEY_FENCED] = {"authlinkd_fleet_fenced_total",
                           "Outcomes refused: somebody else had the job by then."},
        [SURVEY_LATE] = {"authlinkd_fleet_late_links_total",
                         "Links of fenced outcomes that were kept all the same."},
        [SURVEY_RECOVERED] = {"authlinkd_fleet_recovered_total",
                              "Jobs found again in leases that were over."},
    };

    for (size_t i = 0; i < SURVEY_COUNTER_COUNT; i++)
        write_counter(text, rows[i].name, rows[i].help, reading->counters[i]);
}

static void write_fleet_jobs(const struct survey_reading *reading, struct buffer *text)
{
    write_gauge(text, "authlinkd_fleet_queue_length", "Jobs in the queue.", (double)reading->queue);
    if (reading->queue == 0 || reading->head_age_ms >= 0)
        write_gauge(text, "authlinkd_fleet_queue_oldest_age_seconds",
                    "Age of the queue's first job, where its producer said enqueuedAtMs.",
                    reading->queue == 0 ? 0 : seconds_of_ms(reading->head_age_ms));
    write_gauge(text, "authlinkd_fleet_delayed_jobs", "Jobs that wait for their due time.",
                (double)reading->delayed);
    write_gauge(text, "authlinkd_fleet_delayed_overdue_seconds",
                "How long the first delayed job has been due.", seconds_of_ms(reading->overdue_ms));
    write_gauge(text, "authlinkd_fleet_leases", "Batches of jobs in hand.",
                (double)reading->leases);
    write_gauge(text, "authlinkd_fleet_inflight_jobs", "Jobs in hand.", (double)reading->inflight);
    write_gauge(text, "authlinkd_fleet_dead_letters", "Dead letters that lie there.",
                (double)reading->letters);
    if (reading->last_ready_unix_ms > 0)
        write_gauge(text, "authlinkd_fleet_last_link_timestamp_seconds",
                    "When the fleet got its last link, Unix time of Redis.",
                    seconds_of_ms(reading->last_ready_unix_ms));
}

static void write_fleet(const struct metrics_view *view, struct buffer *text)
{
    const struct survey_reading *reading = view->worker.queue.reading;

    if (reading->read_unix_ms != 0)
        write_gauge(text, "authlinkd_fleet_last_read_timestamp_seconds",
                    "When authlinkd_fleet_* was read from Redis, Unix time.",
                    seconds_of_ms(reading->read_unix_ms));
    if (!survey_is_fresh(reading, view->now_us))
        return;
    write_fleet_jobs(reading, text);
    write_gauge(text, "authlinkd_fleet_rate_requests_per_second",
                "Rate that the API allows, by the settings; 0: unknown.", reading->per_sec);
    write_gauge(text, "authlinkd_fleet_pace_requests_per_second",
                "Rate at which the fleet sends now, learned.", reading->pace_per_sec);
    write_fleet_counters(reading, text);
    write_gauge(text, "authlinkd_redis_memory_used_bytes", "Memory that Redis uses.",
                (double)reading->memory_used_bytes);
    write_gauge(text, "authlinkd_redis_memory_max_bytes", "Memory that Redis may use; 0: no limit.",
                (double)reading->memory_max_bytes);
}

enum result metrics_write(const struct metrics_view *view, struct buffer *text)
{
    write_process(view, text);
    write_jobs(&view->worker, text);
    write_requests(&view->worker, text);
    write_durations(view->worker.requests, text);
    write_redis(view, text);
    write_fleet(view, text);
    return text->failed ? RESULT_FULL : RESULT_OK;
}
