/* command_events.c - jobs that ended, as they end. */
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/fields.h"
#include "ctl/options.h"
#include "ctl/stream.h"
#include "queue/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 65536
#define BLOCK_MS       500
#define BLOCK_MS_TEXT  "500"
#define GROUP_MAX_LEN  128
#define CONSUMER       "authlinkctl"

struct events {
    struct ctl *ctl;
    const char *group;
    int64_t since_ms; /* 0: all */
    bool follows;
    bool is_history; /* of a group: what an earlier run had in hand and did not acknowledge */
    char last_id[STREAM_ID_SIZE];
    int64_t printed;
};

static void print_text(const char *id, const redisReply *flat)
{
    static const char *const columns[] = {"type",     "endUserId", "ref",
                                          "attempts", "reason",    "sessionId"};
    char time[TERMINAL_TIME_SIZE];
    int64_t at_ms = 0;
    bool is_known = text_to_int64(id, strcspn(id, "-"), 0, INT64_MAX, &at_ms) == RESULT_OK;

    fputs(is_known ? terminal_time(at_ms, time) : "-", stdout);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        const redisReply *value = field_of(flat, columns[i]);
        if (reply_len(value) == 0)
            continue;
        printf("  %s%s", i < 2 ? "" : columns[i], i < 2 ? "" : "=");
        terminal_put(stdout, reply_text(value), reply_len(value));
    }
    putchar('\n');
}

static enum result on_event(const char *id, const redisReply *flat, void *user)
{
    struct events *events = user;
    struct buffer text;
    struct json json = {.text = &text};

    events->printed++;
    if (events->ctl->wants_json) {
        buffer_init(&text, TEXT_MAX_BYTES);
        stream_entry_json(&json, id, flat);
        ctl_put_line(events->ctl, &text);
    } else {
        print_text(id, flat);
    }
    return text_copy(events->last_id, sizeof events->last_id, id, strlen(id));
}

/* What a read gave; *ret_count events. Those of a group are acknowledged once they are written. */
static enum result take(struct events *events, const redisReply *entries, size_t *ret_count)
{
    struct dialog *dialog = events->ctl->dialog;
    enum result result = RESULT_OK;

    *ret_count = entries == NULL ? 0 : entries->elements;
    for (size_t i = 0; i < *ret_count && result == RESULT_OK; i++) {
        const redisReply *flat = reply_at(entries->element[i], 1);
        if (reply_is_array(flat)) /* else trimmed since a group's earlier run had it */
            result = on_event(reply_text(reply_at(entries->element[i], 0)), flat, events);
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return RESULT_SYSTEM;
    for (size_t i = 0; events->group != NULL && i < *ret_count && result == RESULT_OK; i++) {
        redisReply *unused = NULL;
        result = dialog_ask(dialog, &unused, "XACK", dialog_keys(dialog)->events, events->group,
                            reply_text(reply_at(entries->element[i], 0)), NULL);
        if (result == RESULT_OK)
            freeReplyObject(unused);
    }
    return result;
}

static enum result read_some(struct events *events, size_t *ret_count)
{
    struct dialog *dialog = events->ctl->dialog;
    struct dialog_words words = {0};
    redisReply *reply = NULL;
    bool is_group = events->group != NULL;

    dialog_words_add(&words, is_group ? "XREADGROUP" : "XREAD");
    if (is_group) {
        dialog_words_add(&words, "GROUP");
        dialog_words_add(&words, events->group);
        dialog_words_add(&words, CONSUMER);
    }
    dialog_words_add(&words, "COUNT");
    dialog_words_add(&words, "100");
    if (events->follows) {
        dialog_words_add(&words, "BLOCK");
        dialog_words_add(&words, BLOCK_MS_TEXT);
    }
    dialog_words_add(&words, "STREAMS");
    dialog_words_add(&words, dialog_keys(dialog)->events);
    dialog_words_add(&words, !is_group ? events->last_id : events->is_history ? "0" : ">");
    enum result result = dialog_command(dialog, &words, BLOCK_MS, &reply);
    if (result != RESULT_OK)
        return result;
    result = take(events, reply_at(reply_at(reply, 0), 1), ret_count);
    freeReplyObject(reply);
    return result;
}

/* One that is there already is as good. */
static enum result make_group(struct events *events)
{
    struct dialog *dialog = events->ctl->dialog;
    redisReply *reply = NULL;

    enum result result = dialog_ask(dialog, &reply, "XGROUP", "CREATE", dialog_keys(dialog)->events,
                                    events->group, "0", "MKSTREAM", NULL);
    if (result == RESULT_OK)
        freeReplyObject(reply);
    if (result == RESULT_REFUSED && strstr(dialog_why(dialog), "BUSYGROUP") != NULL)
        return RESULT_OK;
    return result;
}

static enum result find_start(struct events *events, char start[STREAM_ID_SIZE])
{
    redisReply *reply = NULL;

    snprintf(start, STREAM_ID_SIZE, "-");
    if (events->since_ms == 0)
        return RESULT_OK;
    enum result result = dialog_ask(events->ctl->dialog, &reply, "TIME", NULL);
    if (result != RESULT_OK)
        return result;
    int64_t sec = 0;
    const redisReply *first = reply_at(reply, 0);
    result = text_to_int64(reply_text(first), reply_len(first), 0, INT64_MAX / 1000, &sec);
    int64_t start_ms = sec * 1000 - events->since_ms;
    snprintf(start, STREAM_ID_SIZE, "%" PRId64, start_ms > 0 ? start_ms : 0);
    freeReplyObject(reply);
    return result;
}

static enum result run(struct events *events)
{
    struct dialog *dialog = events->ctl->dialog;
    const char *key = dialog_keys(dialog)->events;
    char start[STREAM_ID_SIZE];
    enum result result = RESULT_OK;
    size_t count = 1;

    if (events->group != NULL) {
        result = make_group(events);
        events->is_history = true;
        while (result == RESULT_OK && count > 0)
            result = read_some(events, &count);
        events->is_history = false;
        count = 1;
    } else {
        result = stream_last_id(dialog, key, events->last_id);
        if (result == RESULT_OK && (!events->follows || events->since_ms > 0)) {
            result = find_start(events, start);
            if (result == RESULT_OK)
                result = stream_read(dialog, key, start, on_event, events);
        }
        count = events->follows;
    }
    while (result == RESULT_OK && (events->follows || count > 0) && !dialog_is_interrupted(dialog))
        result = read_some(events, &count);
    return result;
}

enum ctl_exit command_events(struct ctl *ctl, int argc, char **argv)
{
    struct events events = {.ctl = ctl};
    const struct option_spec options[] = {
        {"--follow", NULL, OPTION_FLAG, &events.follows, 0, 0,
         "print what comes from now on, until ctrl-c"},
        {"--since", "TIME", OPTION_DURATION, &events.since_ms, 0, 0,
         "only the last 30s, 10m, 2h, 1d; with --follow: these, too"},
        {"--group", "NAME", OPTION_TEXT, &events.group, 0, 0,
         "as the reader of this group: an event written is acknowledged"},
    };
    const struct command_help help = {
        .words = "",
        .summary = "Prints the jobs that ended, oldest first; with --json one object a line.\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    if (events.group != NULL && (events.group[0] == '\0' || strlen(events.group) > GROUP_MAX_LEN))
        return ctl_misused(ctl, "--group wants a name of 1 to %d bytes", GROUP_MAX_LEN);
    if (events.group != NULL && events.since_ms > 0)
        return ctl_misused(ctl, "--group goes on where the group is: not with --since");
    enum ctl_exit status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    result = run(&events);
    return result == RESULT_OK || result == RESULT_LATER || result == RESULT_SYSTEM
               ? CTL_EXIT_OK /* a failed write is told at the end */
               : ctl_explain(ctl, result);
}
