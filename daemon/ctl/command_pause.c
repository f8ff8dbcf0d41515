/* command_pause.c - pause and resume: holds that an operator begins and ends. */
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/options.h"
#include "queue/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES   65536
#define REASON_MAX_BYTES 200

/* Calls hold.lua. On failure it was told, and *ret_reply is NULL. */
static enum ctl_exit act(struct ctl *ctl, const char *action, int64_t lasts_ms, const char *detail,
                         redisReply **ret_reply)
{
    const struct keys *keys;
    struct script_args args = {0};
    char lasts[24];

    *ret_reply = NULL;
    enum ctl_exit status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    keys = dialog_keys(ctl->dialog);
    snprintf(lasts, sizeof lasts, "%" PRId64, lasts_ms);
    script_args_key(&args, keys->holds);
    script_args_key(&args, keys->limiter);
    script_args_text(&args, keys->prefix);
    script_args_text(&args, action);
    script_args_text(&args, lasts);
    script_args_text(&args, detail);
    enum result result = dialog_step(ctl->dialog, LUA_STEP_hold, &args, ret_reply);
    return result == RESULT_OK ? CTL_EXIT_OK : ctl_explain(ctl, result);
}

static void print_json(struct ctl *ctl, const char *member, const redisReply *reply,
                       int64_t lasts_ms)
{
    const redisReply *causes = reply_at(reply, 1);
    struct buffer text;
    struct json json = {.text = &text};

    buffer_init(&text, TEXT_MAX_BYTES);
    json_open_object(&json, NULL);
    json_open_array(&json, member);
    for (size_t i = 0; causes != NULL && i < causes->elements; i++)
        json_text(&json, NULL, reply_text(causes->element[i]), reply_len(causes->element[i]));
    json_close_array(&json);
    if (lasts_ms > 0)
        json_int(&json, "untilMs", reply_int(reply_at(reply, 0), 0) + lasts_ms);
    json_close_object(&json);
    ctl_put_line(ctl, &text);
}

enum ctl_exit command_pause(struct ctl *ctl, int argc, char **argv)
{
    int64_t lasts_ms = 0;
    const char *reason = "by an operator";
    const struct option_spec options[] = {
        {"--for", "TIME", OPTION_DURATION, &lasts_ms, 0, 0, "end by itself after 30s, 10m, 2h, 1d"},
        {"--reason", "TEXT", OPTION_TEXT, &reason, 0, 0, "what status shows"},
    };
    const struct command_help help = {
        .words = "",
        .summary = "Stops the fleet: requests that run end, nothing more is sent, no job loses an\n"
                   "attempt. Ends with `authlinkctl resume`, or after --for.\n",
        .options = options,
        .option_count = 2,
    };
    char duration[TERMINAL_DURATION_SIZE];
    redisReply *reply = NULL;
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    if (strlen(reason) > REASON_MAX_BYTES)
        return ctl_misused(ctl, "--reason may have %d bytes", REASON_MAX_BYTES);
    enum ctl_exit status = act(ctl, "pause", lasts_ms, reason, &reply);
    if (status != CTL_EXIT_OK)
        return status;
    if (ctl->wants_json)
        print_json(ctl, "begun", reply, lasts_ms);
    else if (lasts_ms > 0)
        printf("Paused for %s.\n", terminal_duration(lasts_ms, duration));
    else
        puts("Paused. It ends with: authlinkctl resume");
    freeReplyObject(reply);
    return CTL_EXIT_OK;
}

enum ctl_exit command_resume(struct ctl *ctl, int argc, char **argv)
{
    static const struct command_help help = {
        .words = "[account]",
        .summary =
            "Ends a pause. `resume account` ends the holds of refused keys and accounts, and\n"
            "of keys whose first end users were all unknown. Exit status 3: there was none.\n",
        .max_words = 1,
    };
    redisReply *reply = NULL;
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    if (words == 1 && strcmp(argv[0], "account") != 0)
        return ctl_misused(ctl, "resume what? Only `account` may follow, not %s", argv[0]);
    enum ctl_exit status = act(ctl, words == 1 ? "resume_account" : "resume", 0, "", &reply);
    if (status != CTL_EXIT_OK)
        return status;
    const redisReply *causes = reply_at(reply, 1);
    size_t count = causes == NULL ? 0 : causes->elements;
    if (ctl->wants_json)
        print_json(ctl, "lifted", reply, 0);
    for (size_t i = 0; !ctl->wants_json && i < count; i++) {
        fputs("Lifted: ", stdout);
        terminal_put(stdout, reply_text(causes->element[i]), reply_len(causes->element[i]));
        putchar('\n');
    }
    if (count == 0)
        ctl_complain("no such hold is there. `authlinkctl status` shows what is");
    freeReplyObject(reply);
    return count == 0 ? CTL_EXIT_NOT_FOUND : CTL_EXIT_OK;
}
