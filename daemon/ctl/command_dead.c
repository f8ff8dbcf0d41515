/* command_dead.c - the jobs that were given up: list, retry, rm. */
#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/fields.h"
#include "ctl/letters.h"
#include "ctl/options.h"
#include "queue/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES   65536
#define IDS_MAX_BYTES    ((size_t)1 << 30)
#define LETTERS_A_STEP   100 /* 256 are what redrive.lua and remove.lua take */
#define RATE_STEPS_A_SEC 10

struct dead {
    struct ctl *ctl;
    struct letter_filter filter;
    int64_t rate; /* letters per second; 0: at once */
    bool is_dry_run;
    struct buffer ids; /* of STREAM_ID_SIZE bytes each */
    int64_t redriven, missing, too_long, removed;
};

static void print_letter_text(const char *id, const redisReply *flat)
{
    static const char *const columns[] = {"reason",     "endUserId", "ref",   "attempts",
                                          "httpStatus", "errorCode", "detail"};
    char time[TERMINAL_TIME_SIZE];

    printf("%s  %s", id, terminal_time(field_int(flat, "lastMs", 0), time));
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        const redisReply *value = field_of(flat, columns[i]);
        if (reply_len(value) == 0)
            continue;
        printf("  %s", i == 0 || i == 6 ? "" : columns[i]);
        fputs(i == 0 || i == 6 ? "" : "=", stdout);
        terminal_put(stdout, reply_text(value), reply_len(value));
    }
    putchar('\n');
}

static enum result on_listed(const char *id, const redisReply *flat, void *user)
{
    struct dead *dead = user;
    struct buffer text;
    struct json json = {.text = &text};

    if (!dead->ctl->wants_json) {
        print_letter_text(id, flat);
        return RESULT_OK;
    }
    buffer_init(&text, TEXT_MAX_BYTES);
    stream_entry_json(&json, id, flat);
    ctl_put_line(dead->ctl, &text);
    return RESULT_OK;
}

static enum result on_collected(const char *id, const redisReply *flat, void *user)
{
    struct dead *dead = user;
    char fixed[STREAM_ID_SIZE] = "";

    (void)flat;
    snprintf(fixed, sizeof fixed, "%s", id);
    return buffer_append(&dead->ids, fixed, sizeof fixed);
}

static int64_t id_count(const struct dead *dead)
{
    return (int64_t)(dead->ids.len / STREAM_ID_SIZE);
}

static void count_words(struct dead *dead, const redisReply *words)
{
    for (size_t i = 0; words != NULL && i < words->elements; i++) {
        dead->redriven += reply_is(words->element[i], "redriven");
        dead->missing += reply_is(words->element[i], "missing");
        dead->too_long += reply_is(words->element[i], "too_long");
    }
}

/* One step over `count` letters from `first` on. */
static enum result step(struct dead *dead, bool is_retry, int64_t first, int64_t count)
{
    const struct keys *keys = dialog_keys(dead->ctl->dialog);
    struct script_args args = {0};
    redisReply *reply = NULL;

    script_args_key(&args, keys->dead);
    if (is_retry)
        script_args_key(&args, keys->delayed);
    script_args_key(&args, keys->stats);
    script_args_text(&args, keys->prefix);
    for (int64_t i = first; i < first + count; i++)
        script_args_text(&args, dead->ids.data + i * STREAM_ID_SIZE);
    enum result result = dialog_step(dead->ctl->dialog,
                                     is_retry ? LUA_STEP_redrive : LUA_STEP_remove, &args, &reply);
    if (result != RESULT_OK)
        return result;
    if (is_retry)
        count_words(dead, reply_at(reply, 1));
    else
        dead->removed += reply_int(reply_at(reply, 1), 0);
    freeReplyObject(reply);
    return RESULT_OK;
}

/* With a rate, some each tenth of a second, or one at a time. */
static enum result work(struct dead *dead, bool is_retry, struct progress *progress)
{
    int64_t share = dead->rate > RATE_STEPS_A_SEC ? dead->rate / RATE_STEPS_A_SEC : 1;
    int64_t at_once = dead->rate == 0 || share > LETTERS_A_STEP ? LETTERS_A_STEP : share;
    int64_t begin_us = clock_mono_us();
    int64_t total = id_count(dead);

    for (int64_t done = 0; done < total;) {
        int64_t count = total - done < at_once ? total - done : at_once;
        int64_t now_us = clock_mono_us();
        int64_t due_us = dead->rate > 0 ? begin_us + done * US_PER_SEC / dead->rate : now_us;
        if (due_us > now_us)
            dialog_sleep(dead->ctl->dialog, (due_us - now_us) / US_PER_MS + 1);
        if (dialog_is_interrupted(dead->ctl->dialog))
            return RESULT_LATER;
        enum result result = step(dead, is_retry, done, count);
        if (result != RESULT_OK)
            return result;
        done += count;
        progress_show(progress, done, clock_mono_us());
    }
    return RESULT_OK;
}

static void print_summary(const struct dead *dead, bool is_retry)
{
    struct buffer text;
    struct json json = {.text = &text};

    if (!dead->ctl->wants_json) {
        if (dead->is_dry_run)
            printf("%" PRId64 " letters match; nothing was done\n", id_count(dead));
        else if (is_retry)
            printf("redriven %" PRId64 "\n", dead->redriven);
        else
            printf("removed %" PRId64 "\n", dead->removed);
        return;
    }
    buffer_init(&text, TEXT_MAX_BYTES);
    json_open_object(&json, NULL);
    json_int(&json, "matched", id_count(dead));
    if (is_retry) {
        json_int(&json, "redriven", dead->redriven);
        json_int(&json, "missing", dead->missing);
        json_int(&json, "tooLong", dead->too_long);
    } else {
        json_int(&json, "removed", dead->removed);
    }
    json_close_object(&json);
    ctl_put_line(dead->ctl, &text);
}

/* Retry or rm, once the letters are known. */
static enum ctl_exit act(struct dead *dead, bool is_retry)
{
    struct ctl *ctl = dead->ctl;
    struct progress progress;
    char what[80];

    snprintf(what, sizeof what, "remove %" PRId64 " dead letters for ever", id_count(dead));
    if (!is_retry && !dead->is_dry_run && id_count(dead) > 0 && !ctl_is_confirmed(ctl, what))
        return CTL_EXIT_FAILED;
    progress_begin(&progress, &ctl->err, is_retry ? "redriven" : "removed", id_count(dead),
                   clock_mono_us());
    enum result result = dead->is_dry_run ? RESULT_OK : work(dead, is_retry, &progress);
    print_summary(dead, is_retry);
    if (dead->too_long > 0)
        ctl_complain("%" PRId64 " are longer than what a letter keeps: they can only be removed",
                     dead->too_long);
    if (result == RESULT_LATER) {
        ctl_complain("interrupted: the other letters are as they were. The same command goes on");
        return CTL_EXIT_FAILED;
    }
    if (result != RESULT_OK)
        return ctl_explain(ctl, result);
    if (id_count(dead) == 0) {
        ctl_complain("no letter matches");
        return CTL_EXIT_NOT_FOUND;
    }
    return dead->too_long > 0 ? CTL_EXIT_FAILED : CTL_EXIT_OK;
}

static enum ctl_exit run(struct dead *dead, const char *verb)
{
    bool is_list = strcmp(verb, "list") == 0;
    struct ctl *ctl = dead->ctl;

    for (int i = 0; i < dead->filter.id_count; i++)
        if (!stream_id_is_sound(dead->filter.ids[i]))
            return ctl_misused(
                ctl, "%s is no ID of a letter: `dead list` shows them, as in 1790000000000-0",
                dead->filter.ids[i]);
    enum ctl_exit status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    enum result result =
        letters_read(ctl->dialog, &dead->filter, is_list ? on_listed : on_collected, dead);
    if (result == RESULT_LATER)
        return CTL_EXIT_FAILED;
    if (result != RESULT_OK)
        return ctl_explain(ctl, result);
    return is_list ? CTL_EXIT_OK : act(dead, strcmp(verb, "retry") == 0);
}

enum ctl_exit command_dead(struct ctl *ctl, int argc, char **argv)
{
    struct dead dead = {.ctl = ctl};
    const struct option_spec options[] = {
        {"--reason", "WORD", OPTION_TEXT, &dead.filter.reason, 0, 0,
         "only those given up for it: rejected, gave_up, bad_id ..."},
        {"--ref", "PREFIX", OPTION_TEXT, &dead.filter.ref_prefix, 0, 0,
         "only those whose ref begins with it"},
        {"--max", "N", OPTION_NUMBER, &dead.filter.max, 1, INT64_MAX, "only the N oldest of them"},
        {"--rate", "N", OPTION_NUMBER, &dead.rate, 1, 1000000, "retry: at most N a second"},
        {"--dry-run", NULL, OPTION_FLAG, &dead.is_dry_run, 0, 0, "count them, do nothing"},
    };
    const struct command_help help = {
        .words = "list | retry | rm [ID...]",
        .summary =
            "Lists the dead letters; with --json one object a line. `retry` makes jobs of them\n"
            "again, `rm` removes them for ever. Without IDs and options all are meant.\n"
            "Exit status 3: none matches.\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .min_words = 1,
        .max_words = -1,
    };
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    if (strcmp(argv[0], "list") != 0 && strcmp(argv[0], "retry") != 0 && strcmp(argv[0], "rm") != 0)
        return ctl_misused(ctl, "dead list, dead retry or dead rm; not %s", argv[0]);
    dead.filter.ids = argv + 1;
    dead.filter.id_count = words - 1;
    buffer_init(&dead.ids, IDS_MAX_BYTES);
    enum ctl_exit status = run(&dead, argv[0]);
    buffer_done(&dead.ids);
    return status;
}
