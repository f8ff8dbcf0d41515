/* settle_item.c - one outcome as settle.lua reads it. */
#include "queue/settle_item.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

/* Two dozen a job: not by a format, which would take a tenth of all that the daemon does. */
static void write_text(struct buffer *json, const char *text)
{
    if (text[0] == '\0') {
        buffer_append(json, ",\"\"", 3);
        return;
    }
    buffer_append_char(json, ',');
    buffer_append_json_string(json, text, strlen(text));
}

static void write_number(struct buffer *json, int64_t number)
{
    if (number == 0)
        buffer_append(json, ",0", 2);
    else
        buffer_append_format(json, ",%" PRId64, number);
}

static const char *accepted_word(const struct outcome *outcome)
{
    if (!outcome->is_told_to_pace)
        return ",null";
    return outcome->is_accepted ? ",true" : ",false";
}

/* sessionId, authFlowUrl, createdAt, expiresAt */
static void write_session(struct buffer *json, const struct outcome *outcome)
{
    const struct session *session = &outcome->answer.session;

    if (outcome->kind != OUTCOME_CREATED) {
        buffer_append_str(json, ",\"\",\"\",\"\",\"\"");
        return;
    }
    write_text(json, session->id);
    write_text(json, session->auth_flow_url);
    write_text(json, session->created_at);
    write_text(json, session->expires_at);
}

enum result settle_item_write(struct buffer *json, const struct server *server,
                              const struct job *job, const struct outcome *outcome, int64_t now_us)
{
    const struct answer *answer = &outcome->answer;
    char lease[LEASE_NAME_MAX + 1];
    size_t start = json->len;
    int64_t age_ms = outcome->began_us > 0 ? (now_us - outcome->began_us) / US_PER_MS : 0;
    bool is_created = outcome->kind == OUTCOME_CREATED;

    server_lease_name(server, job->lease_seq, lease);
    buffer_append_char(json, '[');
    buffer_append_json_string(json, lease, strlen(lease));
    write_text(json, job->end_user_id);
    write_text(json, outcome_kind_name(outcome->kind));
    write_text(json, outcome_signal_name(outcome->signal));
    write_text(json, outcome->key_fp);
    buffer_append_str(json, accepted_word(outcome));
    write_number(json, age_ms);
    write_number(json, outcome->retry_after_ms);
    write_number(json, outcome->quota_reset_ms);
    write_number(json, is_created ? answer->session.life_ms : 0);
    write_number(json, job->link_expiry_mins);
    write_session(json, outcome);
    write_text(json, answer->request_id);
    write_text(json, job->redirect_url);
    write_text(json, job->ref);
    write_number(json, outcome->delay_ms);
    write_number(json, answer->http_status);
    write_text(json, answer->error_code);
    write_text(json, answer->detail);
    buffer_append_char(json, ']');
    if (!json->failed)
        return RESULT_OK;
    json->len = start;
    return RESULT_FULL;
}
