/* command_enqueue.c - ask for links: checked before the first is pushed. */
#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/follow.h"
#include "ctl/job_source.h"
#include "ctl/json.h"
#include "ctl/options.h"
#include "ctl/push.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 4096

struct enqueue {
    struct job_source source;
    const char *csv_path;
    int64_t skip;
    int64_t timeout_ms;
    bool is_first, is_dry_run, skips_bad, waits;
    struct push push;
    struct follow follow;
};

#define OPTION_COUNT 13

static void list_options(struct enqueue *enqueue, struct option_spec target[OPTION_COUNT])
{
    struct job_source *source = &enqueue->source;
    const struct option_spec specs[OPTION_COUNT] = {
        {"--csv", "FILE", OPTION_TEXT, &enqueue->csv_path, 0, 0,
         "a CSV file whose first row names its columns; -: standard input"},
        {"--column", "NAME", OPTION_TEXT, &source->column, 0, 0,
         "its column of IDs (endUserId, id)"},
        {"--ref-column", "NAME", OPTION_TEXT, &source->ref_column, 0, 0, "its column of refs"},
        {"--link-expiry-mins", "N", OPTION_NUMBER, &source->defaults.link_expiry_mins,
         JOB_LINK_EXPIRY_MIN, JOB_LINK_EXPIRY_MAX, "life of the links, 15 to 10080"},
        {"--redirect-url", "URL", OPTION_TEXT, &source->defaults.redirect_url, 0, 0,
         "where the browser goes at the end"},
        {"--ref", "TEXT", OPTION_TEXT, &source->defaults.ref, 0, 0,
         "your own word; comes back in hash, events and export"},
        {"--force", NULL, OPTION_FLAG, &source->defaults.force, 0, 0,
         "a new link although a valid one exists"},
        {"--first", NULL, OPTION_FLAG, &enqueue->is_first, 0, 0,
         "to the head of the line: for a person who waits"},
        {"--dry-run", NULL, OPTION_FLAG, &enqueue->is_dry_run, 0, 0, "check only, push nothing"},
        {"--skip-bad", NULL, OPTION_FLAG, &enqueue->skips_bad, 0, 0,
         "push what is right although something is wrong"},
        {"--skip", "N", OPTION_NUMBER, &enqueue->skip, 0, INT64_MAX,
         "leave out the first N right ones: they were pushed before"},
        {"--wait", NULL, OPTION_FLAG, &enqueue->waits, 0, 0,
         "until all have ended; exit status 1: one failed"},
        {"--timeout", "TIME", OPTION_DURATION, &enqueue->timeout_ms, 0, 0,
         "with --wait: no longer than 30s, 10m, 2h"},
    };

    memcpy(target, specs, sizeof specs);
}

/* "-" is no ID: it stands for standard input, which nothing else goes with. */
static bool has_dash_among_ids(int count, char **words)
{
    for (int i = 0; i < count; i++)
        if (count > 1 && strcmp(words[i], "-") == 0)
            return true;
    return false;
}

static enum ctl_exit read_jobs(struct ctl *ctl, struct enqueue *enqueue, int count, char **words)
{
    struct job_source *source = &enqueue->source;
    bool is_lines = count == 1 && strcmp(words[0], "-") == 0;
    enum result result;

    if ((enqueue->csv_path != NULL) == (count > 0) || has_dash_among_ids(count, words))
        return ctl_misused(ctl, "give IDs, or - for standard input, or --csv FILE");
    if (enqueue->csv_path == NULL && (source->column != NULL || source->ref_column != NULL))
        return ctl_misused(ctl, "--column and --ref-column go with --csv");
    if (enqueue->csv_path != NULL)
        result = job_source_read_csv(source, enqueue->csv_path);
    else if (is_lines)
        result = job_source_read_lines(source);
    else
        result = job_source_read_words(source, count, words);
    if (result == RESULT_NO_MEMORY || result == RESULT_FULL)
        ctl_complain("%s: nothing was pushed. Split the input", result_text(result));
    if (result != RESULT_OK)
        return CTL_EXIT_FAILED;
    if (source->bad > JOB_SOURCE_FAULTS_TOLD)
        ctl_complain("and %" PRId64 " more faults", source->bad - JOB_SOURCE_FAULTS_TOLD);
    if (source->bad > 0 && !enqueue->skips_bad && !enqueue->is_dry_run) {
        ctl_complain("%" PRId64 " of %" PRId64
                     " are wrong: nothing was pushed. What to do: correct them, "
                     "or push the others with --skip-bad",
                     source->bad, source->bad + source->list.count);
        return CTL_EXIT_FAILED;
    }
    return CTL_EXIT_OK;
}

static void print_summary(struct ctl *ctl, const struct enqueue *enqueue)
{
    const struct job_source *source = &enqueue->source;
    const struct follow *follow = &enqueue->follow;
    struct buffer text;
    struct json json = {.text = &text};

    if (!ctl->wants_json) {
        if (enqueue->is_dry_run)
            printf("%" PRId64 " right, %" PRId64 " wrong; nothing was pushed\n", source->list.count,
                   source->bad);
        else
            printf("pushed %" PRId64 "\n", enqueue->push.pushed);
        if (enqueue->waits)
            printf("%" PRId64 " ready, %" PRId64 " reused, %" PRId64 " failed\n", follow->ready,
                   follow->reused, follow->failed);
        return;
    }
    buffer_init(&text, TEXT_MAX_BYTES);
    json_open_object(&json, NULL);
    json_int(&json, "right", source->list.count);
    json_int(&json, "wrong", source->bad);
    json_int(&json, "pushed", enqueue->push.pushed);
    if (enqueue->waits) {
        json_int(&json, "ready", follow->ready);
        json_int(&json, "reused", follow->reused);
        json_int(&json, "failed", follow->failed);
    }
    json_close_object(&json);
    ctl_put_line(ctl, &text);
}

static void explain_rest(const struct enqueue *enqueue)
{
    int64_t pushed = enqueue->skip + enqueue->push.pushed;
    int64_t total = enqueue->source.list.count;

    if (pushed == 0 && enqueue->push.uncertain == 0) {
        ctl_complain("nothing was pushed");
        return;
    }
    if (enqueue->push.uncertain > 0)
        ctl_complain(
            "%" PRId64 " of %" PRId64 " are pushed; of the next %" PRId64
            " it is not known, for the "
            "connection was lost. Pushing them again is harmless: a valid link is used again",
            pushed, total, enqueue->push.uncertain);
    else
        ctl_complain("%" PRId64 " of %" PRId64 " are pushed, the others are not", pushed, total);
    ctl_complain("To go on: the same command with --skip %" PRId64, pushed);
}

static enum ctl_exit wait(struct ctl *ctl, struct enqueue *enqueue)
{
    struct progress progress;
    const struct job_source *source = &enqueue->source;

    fflush(stdout);
    progress_begin(&progress, &ctl->err, "done", source->list.count - enqueue->skip,
                   clock_mono_us());
    enum result result = follow_jobs(ctl->dialog, &enqueue->follow, &source->list, enqueue->skip,
                                     &source->rules, enqueue->timeout_ms, &progress);
    print_summary(ctl, enqueue);
    if (result == RESULT_LATER || result == RESULT_TIMED_OUT) {
        ctl_complain("%s: the jobs stay in Redis and go on. See: authlinkctl status",
                     result == RESULT_LATER ? "interrupted" : "--timeout has passed");
        return CTL_EXIT_FAILED;
    }
    if (result != RESULT_OK)
        return ctl_explain(ctl, result);
    return enqueue->follow.failed > 0 ? CTL_EXIT_FAILED : CTL_EXIT_OK;
}

static enum ctl_exit push(struct ctl *ctl, struct enqueue *enqueue)
{
    const struct job_list *list = &enqueue->source.list;
    struct progress progress;

    if (enqueue->is_first && list->count - enqueue->skip > PUSH_BATCH_JOBS)
        return ctl_misused(ctl, "--first takes at most %d at once: it is for people who wait",
                           PUSH_BATCH_JOBS);
    enum ctl_exit status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    enum result result = enqueue->waits ? follow_begin(ctl->dialog, &enqueue->follow) : RESULT_OK;
    if (result != RESULT_OK)
        return ctl_explain(ctl, result);
    progress_begin(&progress, &ctl->err, "pushed", list->count - enqueue->skip, clock_mono_us());
    result =
        push_jobs(ctl->dialog, list, enqueue->skip, enqueue->is_first, &progress, &enqueue->push);
    progress_end(&progress, enqueue->push.pushed, clock_mono_us());
    if (result == RESULT_OK && enqueue->waits)
        return wait(ctl, enqueue);
    enqueue->waits = false;
    print_summary(ctl, enqueue);
    if (result == RESULT_OK)
        return CTL_EXIT_OK;
    status = CTL_EXIT_FAILED;
    if (result == RESULT_LATER)
        ctl_complain("interrupted");
    else
        status = ctl_explain(ctl, result);
    explain_rest(enqueue);
    return status;
}

static enum ctl_exit run(struct ctl *ctl, struct enqueue *enqueue, int count, char **words)
{
    struct job_source *source = &enqueue->source;

    enum ctl_exit status = ctl_configure(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    source->defaults.enqueued_at_unix_ms = clock_wall_unix_ms();
    source->rules = (struct job_rules){
        .link_expiry_mins = (uint32_t)ctl->settings.conductor.link_expiry_mins,
        .redirect_url = ctl->settings.conductor.redirect_url,
        .redirect_hosts = &ctl->settings.conductor.redirect_hosts,
        .now_unix_ms = source->defaults.enqueued_at_unix_ms,
    };
    status = read_jobs(ctl, enqueue, count, words);
    if (status != CTL_EXIT_OK)
        return status;
    if (enqueue->skip > source->list.count)
        return ctl_misused(ctl, "--skip %" PRId64 ": there are only %" PRId64, enqueue->skip,
                           source->list.count);
    if (!enqueue->is_dry_run)
        return push(ctl, enqueue);
    enqueue->waits = false;
    print_summary(ctl, enqueue);
    return source->bad > 0 ? CTL_EXIT_FAILED : CTL_EXIT_OK;
}

enum ctl_exit command_enqueue(struct ctl *ctl, int argc, char **argv)
{
    struct enqueue enqueue = {.csv_path = NULL};
    struct option_spec options[OPTION_COUNT];
    const struct command_help help = {
        .words = "ID... | - | --csv FILE",
        .summary =
            "Asks for links. Everything is checked before the first job is pushed; if one is\n"
            "wrong, none is pushed. Standard input (-) has an ID or a job in JSON on each line.\n"
            "What is said of the links by options is for IDs: a job in JSON says it itself.\n"
            "With --redis the allowed hosts of --redirect-url are not known; use --config.\n",
        .options = options,
        .option_count = OPTION_COUNT,
        .max_words = -1,
    };
    int words = 0;

    list_options(&enqueue, options);
    job_list_init(&enqueue.source.list);
    enum result result = options_read(ctl, &help, argc, argv, &words);
    enum ctl_exit status =
        result == RESULT_OK ? run(ctl, &enqueue, words, argv) : options_exit(result);
    job_list_done(&enqueue.source.list);
    return status;
}
