/* command_show.c - the link of an end user, or why there is none. */
#include "core/job.h"
#include "ctl/ctl.h"
#include "ctl/fields.h"
#include "ctl/json.h"
#include "ctl/options.h"
#include "queue/replies.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX_BYTES 65536
#define LINK_MAX_LEN   8192

static void print_json(struct ctl *ctl, const char *id, const redisReply *found, bool is_in_flight)
{
    static const char *const numbers[] = {"attempts", "linkExpiryMins", "httpStatus", NULL};
    struct buffer text;
    struct json json = {.text = &text};
    char link[LINK_MAX_LEN];
    struct redisReply *url = NULL;

    for (size_t i = 0; i + 1 < found->elements; i += 2)
        if (reply_is(found->element[i], "authFlowUrl"))
            url = found->element[i + 1];
    buffer_init(&text, TEXT_MAX_BYTES);
    json_open_object(&json, NULL);
    if (field_of(found, "endUserId") == NULL)
        json_text(&json, "endUserId", id, strlen(id));
    json_bool(&json, "inFlight", is_in_flight);
    for (size_t i = 0; i + 1 < found->elements; i += 2) {
        struct redisReply pair = {
            .type = REDIS_REPLY_ARRAY, .elements = 2, .element = found->element + i};
        if (found->element[i + 1] != url) {
            fields_json(&json, &pair, numbers);
            continue;
        }
        ctl_show_link(ctl, reply_text(url), reply_len(url), link, sizeof link);
        json_text(&json, "authFlowUrl", link, strlen(link));
    }
    json_close_object(&json);
    ctl_put_line(ctl, &text);
}

static void print_text(const struct ctl *ctl, const redisReply *found, bool is_in_flight)
{
    for (size_t i = 0; i + 1 < found->elements; i += 2) {
        const redisReply *name = found->element[i];
        const redisReply *value = found->element[i + 1];
        char link[LINK_MAX_LEN];
        char time[TERMINAL_TIME_SIZE];
        size_t name_len = reply_len(name);

        if (reply_len(value) == 0)
            continue;
        terminal_put(stdout, reply_text(name), name_len);
        printf("%*s", name_len < 16 ? (int)(16 - name_len) : 1, "");
        if (reply_is(name, "authFlowUrl")) {
            ctl_show_link(ctl, reply_text(value), reply_len(value), link, sizeof link);
            terminal_put(stdout, link, strlen(link));
        } else {
            terminal_put(stdout, reply_text(value), reply_len(value));
        }
        if (name_len > 2 && strcmp(reply_text(name) + name_len - 2, "Ms") == 0)
            printf("  (%s)", terminal_time(field_int(found, reply_text(name), 0), time));
        putchar('\n');
    }
    if (is_in_flight)
        puts("A job for this end user is in flight now.");
}

static enum result read_user(struct ctl *ctl, const char *id, redisReply **ret_found,
                             bool *ret_is_in_flight)
{
    const struct keys *keys = dialog_keys(ctl->dialog);
    redisReply *lease = NULL;
    char key[KEY_MAX_LEN];

    snprintf(key, sizeof key, "%s:session:%s", keys->prefix, id);
    enum result result = dialog_ask(ctl->dialog, ret_found, "HGETALL", key, NULL);
    if (result != RESULT_OK)
        return result;
    result = dialog_ask(ctl->dialog, &lease, "HGET", keys->inflight, id, NULL);
    if (result != RESULT_OK) {
        freeReplyObject(*ret_found);
        return result;
    }
    *ret_is_in_flight = lease->type == REDIS_REPLY_STRING;
    freeReplyObject(lease);
    return RESULT_OK;
}

enum ctl_exit command_show(struct ctl *ctl, int argc, char **argv)
{
    static const struct command_help help = {
        .words = "ID",
        .summary = "Shows what stands in Redis for an end user: the link, or why there is none.\n"
                   "The link is masked without --reveal. Exit status 3: nothing is there.\n",
        .min_words = 1,
        .max_words = 1,
    };
    redisReply *found = NULL;
    bool is_in_flight = false;
    int words = 0;

    enum result result = options_read(ctl, &help, argc, argv, &words);
    if (result != RESULT_OK)
        return options_exit(result);
    if (strlen(argv[0]) > JOB_ID_MAX_LEN)
        return ctl_misused(ctl, "an end-user ID has at most %d bytes", JOB_ID_MAX_LEN);
    enum ctl_exit status = ctl_connect(ctl);
    if (status != CTL_EXIT_OK)
        return status;
    result = read_user(ctl, argv[0], &found, &is_in_flight);
    if (result != RESULT_OK)
        return ctl_explain(ctl, result);
    bool is_there = found->elements > 0;
    if (ctl->wants_json)
        print_json(ctl, argv[0], found, is_in_flight);
    else
        print_text(ctl, found, is_in_flight);
    if (!is_there)
        ctl_complain(is_in_flight ? "no link yet"
                                  : "no link: never asked for, still waiting, or its life is over. "
                                    "Ask for one: authlinkctl enqueue ID");
    freeReplyObject(found);
    return is_there ? CTL_EXIT_OK : CTL_EXIT_NOT_FOUND;
}
