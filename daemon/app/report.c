/* report.c - what the log says of jobs. */
#include "app/report.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

#define MINUTE_US          (60 * US_PER_SEC)
#define MAX_LINES_A_MINUTE 600

void report_init(struct report *report, int64_t now_us)
{
    *report = (struct report){.minute_start_us = now_us};
}

/* What counts since the start goes on. */
static void begin_minute(struct report *report, int64_t now_us)
{
    const struct report over = *report;

    report_init(report, now_us);
    memcpy(report->totals, over.totals, sizeof over.totals);
    report->last_created_unix_ms = over.last_created_unix_ms;
}

static void write_line(int64_t now_us, const struct job *job, const struct outcome *outcome)
{
    const struct answer *answer = &outcome->answer;

    log_info("job.answered", log_str("outcome", outcome_kind_name(outcome->kind)),
             log_str("end_user", job->end_user_id), log_str("job", job->job_key),
             log_int("attempts", (int64_t)job->attempts + 1),
             log_int("status", answer->http_status),
             log_int("took_ms", (now_us - outcome->began_us) / US_PER_MS),
             log_int("next_ms", outcome->delay_ms), log_str("request_id", answer->request_id),
             log_str("code", answer->error_code), log_str("detail", answer->detail));
}

static void write_summary(const struct report *report)
{
    log_info("jobs.summarized", log_int("seconds", MINUTE_US / US_PER_SEC),
             log_int("created", (int64_t)report->counts[OUTCOME_CREATED]),
             log_int("retry", (int64_t)report->counts[OUTCOME_RETRY]),
             log_int("throttled", (int64_t)report->counts[OUTCOME_THROTTLED]),
             log_int("account_error", (int64_t)report->counts[OUTCOME_ACCOUNT_ERROR]),
             log_int("rejected", (int64_t)report->counts[OUTCOME_REJECTED]),
             log_int("gave_up", (int64_t)report->counts[OUTCOME_GAVE_UP]),
             log_int("unsent", (int64_t)report->counts[OUTCOME_UNSENT]),
             log_int("returned", (int64_t)report->counts[OUTCOME_RETURNED]),
             log_int("lines_left_out", (int64_t)report->hushed));
}

void report_tick(struct report *report, int64_t now_us)
{
    if (now_us - report->minute_start_us < MINUTE_US)
        return;
    if (report->hushed > 0)
        write_summary(report);
    begin_minute(report, now_us);
}

void report_unmade(struct report *report, int64_t now_us, const struct job *job, const char *why)
{
    report_tick(report, now_us);
    if (report->is_warned)
        return;
    report->is_warned = true;
    log_warn("request.unmade", log_str("end_user", job->end_user_id), log_str("job", job->job_key),
             log_str("why", why),
             log_str("now", "the job is given back unharmed and tried again with its next slot"));
}

void report_job(struct report *report, int64_t now_us, const struct job *job,
                const struct outcome *outcome)
{
    report_tick(report, now_us);
    report->counts[outcome->kind]++;
    report->totals[outcome->kind]++;
    if (outcome->kind == OUTCOME_CREATED)
        report->last_created_unix_ms = clock_wall_unix_ms();
    if (outcome->kind == OUTCOME_RETURNED) {
        log_debug("job.returned", log_str("end_user", job->end_user_id),
                  log_str("job", job->job_key), log_str("why", outcome->answer.detail));
        return;
    }
    if (!log_is_on(LOG_LEVEL_INFO))
        return;
    if (report->lines >= MAX_LINES_A_MINUTE) {
        report->hushed++;
        return;
    }
    report->lines++;
    write_line(now_us, job, outcome);
}
