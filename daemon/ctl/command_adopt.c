/* command_adopt.c - says on purpose what project the data in Redis belongs to. */
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/fields.h"
#include "ctl/json.h"
#include "ctl/options.h"
#include "queue/queue.h"
#include "queue/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 8192
#define WHAT_MAX_BYTES 4096

struct adoption {
    struct ctl *ctl;
    const char *key;
    redisReply *meta; /* owns; what stood there */
};

static enum result change(const struct adoption *adoption)
{
    const struct keys *keys = dialog_keys(adoption->ctl->dialog);
    struct script_args args = {0};
    redisReply *reply = NULL;
    char schema[16];

    snprintf(schema, sizeof schema, "%d", QUEUE_SCHEMA);
    script_args_key(&args, keys->meta);
    script_args_text(&args, keys->prefix);
    script_args_text(&args, adoption->key);
    script_args_text(&args, schema);
    enum result result = dialog_step(adoption->ctl->dialog, LUA_STEP_adopt, &args, &reply);
    if (result == RESULT_OK)
        freeReplyObject(reply);
    return result;
}

static void print(const struct adoption *adoption, bool is_changed)
{
    const redisReply *before = field_of(adoption->meta, "publishableKey");
    struct buffer text;
    struct json json = {.text = &text};

    if (!adoption->ctl->wants_json) {
        fputs(is_changed ? "The data now belongs to " : "The data belongs already to ", stdout);
        terminal_put(stdout, adoption->key, strlen(adoption->key));
        putchar('\n');
        return;
    }
    buffer_init(&text, TEXT_MAX_BYTES);
    json_open_object(&json, NULL);
    json_bool(&json, "changed", is_changed);
    json_text(&json, "publishableKey", adoption->key, strlen(adoption->key));
    json_int(&json, "schema", QUEUE_SCHEMA);
    if (before == NULL)
        json_null(&json, "publishableKeyBefore");
    else
        json_text(&json, "publishableKeyBefore", reply_text(before), reply_len(before));
    json_close_object(&json);
    ctl_put_line(adoption->ctl, &text);
}

static bool is_confirmed(const struct adoption *adoption)
{
    struct buffer what;

    buffer_init(&what, WHAT_MAX_BYTES);
    buffer_append_str(&what, "give all jobs in Redis to ");
    terminal_escape(&what, adoption->key, strlen(adoption->key));
    buffer_append_str(&what, " (until now: ");
    const char *before = field_text(adoption->meta, "publishableKey");
    terminal_escape(&what, before[0] == '\0' ? "nobody" : before,
                    before[0] == '\0' ? strlen("nobody") : strlen(before));
    buffer_append_str(&what, ")");
    bool is_yes = ctl_is_confirmed(adoption->ctl, buffer_text(&what));
    buffer_done(&what);
    return is_yes;
}

static enum ctl_exit decide(const struct adoption *adoption)
{
    int64_t schema = field_int(adoption->meta, "schema", QUEUE_SCHEMA);
    bool is_same = strcmp(field_text(adoption->meta, "publishableKey"), adoption->key) == 0 &&
                   field_int(adoption->meta, "schema", 0) == QUEUE_SCHEMA;

    if (schema > QUEUE_SCHEMA) {
        ctl_complain("the data has schema %" PRId64
                     ", this program knows %d: a newer authlinkd wrote it. "
                     "What to do: install that one",
                     schema, QUEUE_SCHEMA);
        return CTL_EXIT_FAILED;
    }
    if (!is_same) {
        if (!is_confirmed(adoption))
            return CTL_EXIT_FAILED;
        enum result result = change(adoption);
        if (result != RESULT_OK)
            return ctl_explain(adoption->ctl, result);
    }
    print(adoption, !is_same);
    return CTL_EXIT_OK;
}

enum ctl_exit command_adopt(struct ctl *ctl, int argc, char **argv)
{
    static const struct command_help help = {
        .words = "[PUBLISHABLE_KEY]",
        .summary =
            "A daemon whose publishable key is not the one that the data in Redis belongs to\n"
            "takes no jobs. This gives the data to the key of --config, or to the one given:\n"
            "all jobs that wait are then done for that project.\n",
        .max_words = 1,
    };
    struct adoption adoption = {.ctl = ctl};
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    enum ctl_exit status = ctl_configure(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    adoption.key = words == 1 ? argv[0] : ctl->settings.conductor.publishable_key;
    if (adoption.key[0] == '\0')
        return ctl_misused(ctl, "which project? --redis knows none: give the publishable key");
    if (!text_starts_with(adoption.key, "pk_") || !text_is_one_word(adoption.key))
        return ctl_misused(ctl, "a publishable key is one word that begins with pk_");
    status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    result =
        dialog_ask(ctl->dialog, &adoption.meta, "HGETALL", dialog_keys(ctl->dialog)->meta, NULL);
    if (result != RESULT_OK)
        return ctl_explain(ctl, result);
    status = decide(&adoption);
    freeReplyObject(adoption.meta);
    return status;
}
