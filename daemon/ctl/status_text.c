/* status_text.c - the picture of the fleet for people, and for programs. */
#include "ctl/status_text.h"

#include "ctl/fields.h"
#include "ctl/json.h"
#include "queue/replies.h"

#include <inttypes.h>
#include <string.h>

static void append_jobs(struct buffer *text, const struct status *status)
{
    char age[TERMINAL_DURATION_SIZE];
    char retry_age[TERMINAL_DURATION_SIZE];
    char eta[TERMINAL_DURATION_SIZE];
    int64_t eta_ms = status_eta_ms(status);

    buffer_append_format(text, "queue      %" PRId64, status->audit.queue);
    if (status->audit.oldest_age_ms >= 0)
        buffer_append_format(text, "   (its head waits for %s)",
                             terminal_duration(status->audit.oldest_age_ms, age));
    buffer_append_format(text, "\ndelayed    %" PRId64, status->audit.delayed);
    if (status->audit.oldest_retry_ms >= 0)
        buffer_append_format(text, "   (the next one was first tried %s ago)",
                             terminal_duration(status->audit.oldest_retry_ms, retry_age));
    buffer_append_format(text, "\nin flight  %" PRId64 "\ndead       %" PRId64 "\n",
                         status->audit.in_leases, status->audit.letters);
    buffer_append_format(text, "done in    %s\n\n",
                         eta_ms < 0 ? "not known: nothing is being sent"
                                    : terminal_duration(eta_ms, eta));
}

static void append_pace(struct buffer *text, const struct status *status)
{
    double limit = status_limit_per_sec(status);
    double requests = status->minute.span_ms > 0 ? 1000.0 * (double)status->minute.requests /
                                                       (double)status->minute.span_ms
                                                 : 0;

    if (limit > 0)
        buffer_append_format(
            text, "pace       %.4g/s, %s %.4g/s, %.0f %% of it used in the last minute\n",
            field_double(status->limiter, "pace", 0),
            field_double(status->limiter, "perSec", 0) > 0 ? "limit" : "limit unknown; learned",
            limit, 100 * requests / limit);
    else
        buffer_append_str(text, "pace       no instance has set one yet\n");
    buffer_append_format(text,
                         "last %2" PRId64 " s  %" PRId64 " ready, %" PRId64 " reused, %" PRId64
                         " failed (%.4g/s)\n",
                         status->minute.span_ms / 1000, status->minute.ready, status->minute.reused,
                         status->minute.failed, status_jobs_per_sec(status));
    buffer_append_format(text,
                         "all time   %" PRId64 " taken, %" PRId64 " ready, %" PRId64
                         " reused, %" PRId64 " dead, %" PRId64 " throttled, %" PRId64
                         " retried, %" PRId64 " recovered, %" PRId64 " fenced\n",
                         status->audit.taken, status->audit.ready, status->audit.reused,
                         status->audit.dead, status->audit.throttled, status->audit.retried,
                         status->audit.recovered, status->audit.fenced);
}

static void append_holds(struct buffer *text, const struct status *status,
                         const struct terminal *terminal)
{
    char since[TERMINAL_DURATION_SIZE];
    char left[TERMINAL_DURATION_SIZE];
    struct status_hold hold;

    for (size_t i = 0; status_hold_at(status, i, &hold); i++) {
        buffer_append_format(text, "\n%sHOLD%s       ", terminal_color(terminal, COLOR_BAD),
                             terminal_color(terminal, COLOR_NONE));
        terminal_escape(text, hold.cause, hold.cause_len);
        buffer_append_format(text, ", for %s",
                             terminal_duration(status->audit.now_ms - hold.since_ms, since));
        if (hold.until_ms > 0)
            buffer_append_format(text, ", ends in %s",
                                 terminal_duration(hold.until_ms - status->audit.now_ms, left));
        if (hold.detail_len > 0) {
            buffer_append_str(text, ": ");
            terminal_escape(text, hold.detail, hold.detail_len);
        }
        buffer_append_format(text, "\n           what to do: %s\n", status_hold_advice(&hold));
    }
}

static void append_instances(struct buffer *text, const struct status *status,
                             const struct terminal *terminal)
{
    char progress[TERMINAL_DURATION_SIZE];

    if (status->instance_count == 0)
        buffer_append_format(text, "\n%sno instance is running%s: systemctl start authlinkd\n",
                             terminal_color(terminal, COLOR_WARN),
                             terminal_color(terminal, COLOR_NONE));
    for (size_t i = 0; i < status->instance_count; i++) {
        const redisReply *instance = status->instances[i];
        const redisReply *state = field_of(instance, "state");
        int64_t progress_ms = field_int(instance, "lastProgressMs", 0);
        buffer_append_str(text, i == 0 ? "\ninstance   " : "instance   ");
        terminal_escape(text, field_text(instance, "instance"),
                        reply_len(field_of(instance, "instance")));
        buffer_append_str(text, "  ");
        terminal_escape(text, field_text(instance, "version"),
                        reply_len(field_of(instance, "version")));
        buffer_append_str(text, "  host ");
        terminal_escape(text, field_text(instance, "hostId"),
                        strnlen(field_text(instance, "hostId"), 8));
        buffer_append_format(
            text, "  pid %" PRId64 "  in flight %" PRId64 "  waiting %" PRId64 "  %s ago  ",
            field_int(instance, "pid", 0), field_int(instance, "inFlight", 0),
            field_int(instance, "waiting", 0),
            terminal_duration(progress_ms > 0 ? status->audit.now_ms - progress_ms : -1, progress));
        terminal_escape(text, reply_text(state), reply_len(state));
        buffer_append_char(text, '\n');
    }
}

void status_append_text(struct buffer *text, const struct status *status, const char *where,
                        const struct terminal *terminal)
{
    const redisReply *key = field_of(status->meta, "publishableKey");

    buffer_append_format(text, "%sauthlinkd%s at %s", terminal_color(terminal, COLOR_BOLD),
                         terminal_color(terminal, COLOR_NONE), where);
    if (key != NULL) {
        buffer_append_str(text, ", project ");
        terminal_escape(text, reply_text(key), reply_len(key));
    }
    buffer_append_str(text, "\n\n");
    append_jobs(text, status);
    append_pace(text, status);
    append_holds(text, status, terminal);
    append_instances(text, status, terminal);
}

static void append_hold_json(struct json *json, const struct status_hold *hold)
{
    json_open_object(json, NULL);
    json_text(json, "cause", hold->cause, hold->cause_len);
    json_text(json, "detail", hold->detail, hold->detail_len);
    json_int(json, "sinceMs", hold->since_ms);
    json_int(json, "untilMs", hold->until_ms);
    json_int(json, "nextProbeMs", hold->next_ms);
    json_text(json, "advice", status_hold_advice(hold), strlen(status_hold_advice(hold)));
    json_close_object(json);
}

static void append_known_or_null(struct json *json, const char *key, int64_t number)
{
    if (number < 0)
        json_null(json, key);
    else
        json_int(json, key, number);
}

static void append_rates_json(struct json *json, const struct status *status)
{
    double limit = status_limit_per_sec(status);
    double requests = status->minute.span_ms > 0 ? 1000.0 * (double)status->minute.requests /
                                                       (double)status->minute.span_ms
                                                 : 0;

    append_known_or_null(json, "oldestAgeMs", status->audit.oldest_age_ms);
    append_known_or_null(json, "oldestRetryAgeMs", status->audit.oldest_retry_ms);
    append_known_or_null(json, "etaMs", status_eta_ms(status));
    json_open_object(json, "pace");
    json_double(json, "perSec", field_double(status->limiter, "pace", 0));
    json_double(json, "limitPerSec", field_double(status->limiter, "perSec", 0));
    json_double(json, "usedShare", limit > 0 ? requests / limit : 0);
    json_close_object(json);
    json_open_object(json, "lastMinute");
    json_int(json, "spanMs", status->minute.span_ms);
    json_int(json, "ready", status->minute.ready);
    json_int(json, "reused", status->minute.reused);
    json_int(json, "failed", status->minute.failed);
    json_int(json, "requests", status->minute.requests);
    json_double(json, "jobsPerSec", status_jobs_per_sec(status));
    json_close_object(json);
}

void status_append_json(struct buffer *text, const struct status *status)
{
    static const char *const numbers[] = {"pid", "schema", "inFlight", "waiting", NULL};
    struct json json = {.text = text};
    struct status_hold hold;

    json_open_object(&json, NULL);
    audit_json(&json, &status->audit);
    append_rates_json(&json, status);
    json_open_array(&json, "holds");
    for (size_t i = 0; status_hold_at(status, i, &hold); i++)
        append_hold_json(&json, &hold);
    json_close_array(&json);
    json_open_array(&json, "instances");
    for (size_t i = 0; i < status->instance_count; i++) {
        json_open_object(&json, NULL);
        fields_json(&json, status->instances[i], numbers);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_open_object(&json, "meta");
    fields_json(&json, status->meta, numbers);
    json_close_object(&json);
    json_close_object(&json);
}
