/* settle_item.c - outcomes in words, as settle.lua reads them. */
#include "queue/settle_item.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define MEANING_SIZE 32

/* Of a link its life, of anything else how long the API asked for. */
static int64_t span_ms(const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_CREATED ? outcome->answer.session.life_ms
                                            : outcome->retry_after_ms;
}

bool settle_group_fits(struct settled a, struct settled b)
{
    return a.job->lease_seq == b.job->lease_seq && a.outcome->kind == b.outcome->kind &&
           a.outcome->signal == b.outcome->signal &&
           a.outcome->is_accepted == b.outcome->is_accepted &&
           a.outcome->is_told_to_pace == b.outcome->is_told_to_pace &&
           a.outcome->quota_reset_ms == b.outcome->quota_reset_ms &&
           span_ms(a.outcome) == span_ms(b.outcome) &&
           a.job->link_expiry_mins == b.job->link_expiry_mins &&
           strcmp(a.outcome->key_fp, b.outcome->key_fp) == 0 &&
           strcmp(a.job->redirect_url, b.job->redirect_url) == 0 &&
           strcmp(a.job->ref, b.job->ref) == 0;
}

/* `<kind> <signal> <accepted>` */
static void add_meaning(struct word_list *words, const struct outcome *outcome)
{
    const char *accepted = outcome->is_accepted ? "1" : "0";
    char text[MEANING_SIZE];
    int len =
        snprintf(text, sizeof text, "%s %s %s", outcome_kind_name(outcome->kind),
                 outcome_signal_name(outcome->signal), outcome->is_told_to_pace ? accepted : "-");

    word_list_add(words, text, (size_t)len);
}

void settle_group_write(struct word_list *words, const struct server *server, uint32_t count,
                        struct settled item)
{
    char lease[LEASE_NAME_MAX + 1];

    server_lease_name(server, item.job->lease_seq, lease);
    word_list_add_number(words, count);
    word_list_add_text(words, lease);
    add_meaning(words, item.outcome);
    word_list_add_text(words, item.outcome->key_fp);
    word_list_add_number(words, item.job->link_expiry_mins);
    word_list_add_text(words, item.job->redirect_url);
    word_list_add_text(words, item.job->ref);
    word_list_add_number(words, item.outcome->quota_reset_ms);
    word_list_add_number(words, span_ms(item.outcome));
}

static void add_link(struct word_list *words, const struct session *session)
{
    word_list_add_text(words, session->id);
    word_list_add_text(words, session->created_at);
    word_list_add_text(words, session->expires_at);
    word_list_add_text(words, session->auth_flow_url);
}

static void add_other(struct word_list *words, const struct outcome *outcome)
{
    word_list_add_number(words, outcome->delay_ms);
    word_list_add_number(words, outcome->answer.http_status);
    word_list_add_text(words, outcome->answer.error_code);
    word_list_add_text(words, outcome->answer.detail);
}

void settle_item_write(struct word_list *words, struct settled item, int64_t now_us)
{
    const struct outcome *outcome = item.outcome;
    int64_t age_ms = outcome->began_us > 0 ? (now_us - outcome->began_us) / US_PER_MS : 0;

    word_list_add_text(words, item.job->end_user_id);
    word_list_add_number(words, age_ms);
    word_list_add_text(words, outcome->answer.request_id);
    if (outcome->kind == OUTCOME_CREATED)
        add_link(words, &outcome->answer.session);
    else
        add_other(words, outcome);
}
