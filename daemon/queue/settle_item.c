/* settle_item.c - one outcome as settle.lua reads it. */
#include "queue/settle_item.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define MEANING_SIZE 32

/* `<kind> <signal> <accepted>`: the same few again and again, so the step reads each once. */
static void add_meaning(struct word_list *words, const struct outcome *outcome)
{
    const char *accepted = outcome->is_accepted ? "1" : "0";
    char text[MEANING_SIZE];
    int len =
        snprintf(text, sizeof text, "%s %s %s", outcome_kind_name(outcome->kind),
                 outcome_signal_name(outcome->signal), outcome->is_told_to_pace ? accepted : "-");

    word_list_add(words, text, (size_t)len);
}

static void add_link(struct word_list *words, const struct session *session)
{
    word_list_add_number(words, session->life_ms);
    word_list_add_text(words, session->id);
    word_list_add_text(words, session->created_at);
    word_list_add_text(words, session->expires_at);
    word_list_add_text(words, session->auth_flow_url);
}

static void add_other(struct word_list *words, const struct outcome *outcome)
{
    word_list_add_number(words, outcome->delay_ms);
    word_list_add_number(words, outcome->retry_after_ms);
    word_list_add_number(words, outcome->answer.http_status);
    word_list_add_text(words, outcome->answer.error_code);
    word_list_add_text(words, outcome->answer.detail);
}

enum result settle_item_write(struct word_list *words, const struct server *server,
                              const struct job *job, const struct outcome *outcome, int64_t now_us)
{
    char lease[LEASE_NAME_MAX + 1];
    size_t count = words->count, bytes = words->bytes.len;
    int64_t age_ms = outcome->began_us > 0 ? (now_us - outcome->began_us) / US_PER_MS : 0;

    server_lease_name(server, job->lease_seq, lease);
    word_list_add_text(words, lease);
    word_list_add_text(words, job->end_user_id);
    add_meaning(words, outcome);
    word_list_add_text(words, outcome->key_fp);
    word_list_add_number(words, age_ms);
    word_list_add_number(words, job->link_expiry_mins);
    word_list_add_text(words, outcome->answer.request_id);
    word_list_add_text(words, job->redirect_url);
    word_list_add_text(words, job->ref);
    word_list_add_number(words, outcome->quota_reset_ms);
    if (outcome->kind == OUTCOME_CREATED)
        add_link(words, &outcome->answer.session);
    else
        add_other(words, outcome);
    if (!words->bytes.failed)
        return RESULT_OK;
    word_list_cut(words, count, bytes);
    return RESULT_FULL;
}
