/* settle_item.c - one outcome as settle.lua reads it. */
#include "queue/settle_item.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

/* A dozen a job: not by a format, which would take a tenth of all that the daemon does. */
static void write_name(struct buffer *json, const char *name)
{
    buffer_append(json, ",\"", 2);
    buffer_append_str(json, name);
    buffer_append(json, "\":", 2);
}

/* Absent means empty: what says nothing is left out. */
static void write_text(struct buffer *json, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    write_name(json, name);
    buffer_append_json_string(json, text, strlen(text));
}

static void write_number(struct buffer *json, const char *name, int64_t number)
{
    if (number == 0)
        return;
    write_name(json, name);
    buffer_append_format(json, "%" PRId64, number);
}

static void write_answer(struct buffer *json, const struct outcome *outcome)
{
    const struct answer *answer = &outcome->answer;

    write_number(json, "httpStatus", answer->http_status);
    write_text(json, "errorCode", answer->error_code);
    write_text(json, "requestId", answer->request_id);
    write_text(json, "detail", answer->detail);
    if (outcome->is_told_to_pace)
        buffer_append_str(json,
                          outcome->is_accepted ? ",\"accepted\":true" : ",\"accepted\":false");
}

static void write_session(struct buffer *json, const struct session *session)
{
    write_text(json, "sessionId", session->id);
    write_text(json, "authFlowUrl", session->auth_flow_url);
    write_text(json, "createdAt", session->created_at);
    write_text(json, "expiresAt", session->expires_at);
    write_number(json, "lifeMs", session->life_ms);
}

enum result settle_item_write(struct buffer *json, const struct server *server,
                              const struct job *job, const struct outcome *outcome, int64_t now_us)
{
    char lease[LEASE_NAME_MAX + 1];
    size_t start = json->len;

    server_lease_name(server, job->lease_seq, lease);
    buffer_append_format(json, "{\"kind\":\"%s\",\"signal\":\"%s\"",
                         outcome_kind_name(outcome->kind), outcome_signal_name(outcome->signal));
    write_text(json, "lease", lease);
    write_text(json, "endUserId", job->end_user_id);
    write_text(json, "keyFp", outcome->key_fp);
    if (outcome->began_us > 0)
        write_number(json, "ageMs", (now_us - outcome->began_us) / US_PER_MS);
    write_number(json, "delayMs", outcome->delay_ms);
    write_number(json, "retryAfterMs", outcome->retry_after_ms);
    write_number(json, "resetMs", outcome->quota_reset_ms);
    write_answer(json, outcome);
    if (outcome->kind == OUTCOME_CREATED)
        write_session(json, &outcome->answer.session);
    write_text(json, "redirectUrl", job->redirect_url);
    write_number(json, "linkExpiryMins", job->link_expiry_mins);
    write_text(json, "ref", job->ref);
    buffer_append_char(json, '}');
    if (!json->failed)
        return RESULT_OK;
    json->len = start;
    return RESULT_FULL;
}
