/* outcome.c - one table from answer to outcome. */
#include "core/outcome.h"

#include "base/text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What an answer means, before the job's history is looked at. */
enum meaning {
    MEANS_CREATED,
    MEANS_REFUSED,   /* this job is refused, intelligibly: it ends */
    MEANS_MISSING,   /* the end user does not exist in this project: it ends */
    MEANS_CONFLICT,  /* intelligible, and may pass */
    MEANS_ACCOUNT,   /* key or account are refused: no job's fault */
    MEANS_THROTTLED,
    MEANS_DOWN,      /* network, proxy or API fail */
    MEANS_MISROUTED, /* as down; base_url is probably wrong */
    MEANS_UNSENT,    /* no connection */
};

/* A row: what kind of body the status comes with; ANY_BODY: whatever it is. */
enum body_wanted { ANY_BODY, ENVELOPE };

static const struct {
    int first_status, last_status;
    enum body_wanted body;
    enum meaning meaning;
} meanings[] = {
    /* First match counts; what none matches is down. Source: conductor-api.md 3.5. */
    {401, 403, ENVELOPE, MEANS_ACCOUNT},
    {404, 404, ENVELOPE, MEANS_MISSING},
    {408, 408, ANY_BODY, MEANS_DOWN},
    {409, 409, ENVELOPE, MEANS_CONFLICT},
    {429, 429, ANY_BODY, MEANS_THROTTLED},
    {400, 499, ENVELOPE, MEANS_REFUSED},
    {404, 405, ANY_BODY, MEANS_MISROUTED},
    {415, 415, ANY_BODY, MEANS_MISROUTED},
    {300, 399, ANY_BODY, MEANS_MISROUTED},
};

static bool is_success(int status)
{
    return status == 200 || status == 201;
}

static enum meaning meaning_of_status(const struct answer *answer)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (answer->http_status < meanings[i].first_status ||
            answer->http_status > meanings[i].last_status)
            continue;
        if (meanings[i].body == ENVELOPE && answer->body != ANSWER_BODY_ENVELOPE)
            continue;
        return meanings[i].meaning;
    }
    return MEANS_DOWN;
}

/*
 * True if a refusal of a job is one of the key or the account, whatever its status: by its type, or
 * for it names the publishable key, which every job carries. Source: conductor-api.md 3.2, 3.5.
 */
static bool is_of_account(const struct answer *answer)
{
    return strcmp(answer->error_type, "AUTHENTICATION_ERROR") == 0 ||
           strcmp(answer->error_type, "PERMISSION_ERROR") == 0 ||
           (answer->http_status == 400 && answer->names_publishable_key);
}

static enum meaning meaning_of(const struct answer *answer)
{
    switch (answer->state) {
    case ANSWER_UNSENT:
        return MEANS_UNSENT;
    case ANSWER_BROKEN:
        return MEANS_DOWN;
    case ANSWER_WHOLE:
        break;
    }
    if (is_success(answer->http_status))
        return answer->body == ANSWER_BODY_SESSION && answer->session.life_ms > 0 ? MEANS_CREATED
                                                                                   : MEANS_DOWN;

    enum meaning meaning = meaning_of_status(answer);
    if ((meaning == MEANS_REFUSED || meaning == MEANS_MISSING) && is_of_account(answer))
        return MEANS_ACCOUNT;
    /* A connection that is not set up waits for a person; trying again does not help. */
    if (meaning == MEANS_CONFLICT && text_starts_with(answer->error_code, "INTEGRATION_CONNECTION_"))
        meaning = MEANS_REFUSED;
    /* The API's own word on a refusal: it may pass. Its word that a failure stays is not taken:
     * a failure ends by attempts and age, never at once. */
    if (meaning == MEANS_REFUSED && answer->should_retry == SHOULD_RETRY_YES)
        return MEANS_CONFLICT;
    if (meaning == MEANS_CONFLICT && answer->should_retry == SHOULD_RETRY_NO)
        return MEANS_REFUSED;
    return meaning;
}

static const struct {
    enum outcome_kind kind;
    enum outcome_signal signal;
} outcomes[] = {
    [MEANS_CREATED] = {OUTCOME_CREATED, SIGNAL_OK},
    [MEANS_REFUSED] = {OUTCOME_REJECTED, SIGNAL_OWN},
    [MEANS_MISSING] = {OUTCOME_REJECTED, SIGNAL_MISSING},
    [MEANS_CONFLICT] = {OUTCOME_RETRY, SIGNAL_OWN},
    [MEANS_ACCOUNT] = {OUTCOME_ACCOUNT_ERROR, SIGNAL_ACCOUNT},
    [MEANS_THROTTLED] = {OUTCOME_THROTTLED, SIGNAL_THROTTLED},
    [MEANS_DOWN] = {OUTCOME_RETRY, SIGNAL_DOWN},
    [MEANS_MISROUTED] = {OUTCOME_RETRY, SIGNAL_DOWN},
    [MEANS_UNSENT] = {OUTCOME_UNSENT, SIGNAL_DOWN},
};

static int64_t max_int64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/*
 * How long until the next attempt. What the API asks for is a floor, capped where it was read;
 * that its limit is used up delays those that it refused for it, no others.
 */
static int64_t delay_of(const struct outcome *outcome, const struct job *job,
                        const struct retry_policy *policy, double random_unit)
{
    bool is_throttled = outcome->kind == OUTCOME_THROTTLED;
    int64_t floor_ms = max_int64(outcome->retry_after_ms, is_throttled ? outcome->quota_reset_ms : 0);

    switch (outcome->kind) {
    case OUTCOME_RETRY:
    case OUTCOME_UNSENT:
    case OUTCOME_THROTTLED:
        return max_int64(retry_delay_ms(policy, job->attempts + 1, random_unit), floor_ms);
    case OUTCOME_ACCOUNT_ERROR: /* the hold keeps it back */
    case OUTCOME_CREATED:
    case OUTCOME_REJECTED:
    case OUTCOME_GAVE_UP:
    case OUTCOME_RETURNED:
        break;
    }
    return 0;
}

static void say_where_to_look(enum meaning meaning, struct answer *answer)
{
    char detail[DETAIL_MAX_LEN + 1];

    if (meaning != MEANS_MISROUTED)
        return;
    snprintf(detail, sizeof detail, "HTTP %d that is not the API's: check conductor.base_url",
             answer->http_status);
    text_copy(answer->detail, sizeof answer->detail, detail, strlen(detail));
}

static size_t session_used_bytes(const struct session *session)
{
    return offsetof(struct session, auth_flow_url) + strlen(session->auth_flow_url) + 1;
}

static size_t answer_used_bytes(const struct answer *answer)
{
    return offsetof(struct answer, session) + session_used_bytes(&answer->session);
}

void session_wipe(struct session *session)
{
    explicit_bzero(session, session_used_bytes(session));
}

void outcome_copy(struct outcome *target, const struct outcome *source)
{
    memcpy(target, source, offsetof(struct outcome, answer) + answer_used_bytes(&source->answer));
}

void outcome_of_answer(const struct answer *answer, const struct job *job, int64_t age_ms,
                       const struct retry_policy *policy, double random_unit,
                       struct outcome *ret_outcome)
{
    enum meaning meaning = meaning_of(answer);
    struct outcome *outcome = ret_outcome;

    memset(outcome, 0, offsetof(struct outcome, answer));
    memcpy(&outcome->answer, answer, answer_used_bytes(answer));
    outcome->kind = outcomes[meaning].kind;
    outcome->signal = outcomes[meaning].signal;
    outcome->retry_after_ms = max_int64(answer->retry_after_ms, 0);
    /* A probe that finds the API down is no attempt of its job (settle.lua): age alone ends it. */
    bool is_vain_probe = job->is_probe && outcome->signal == SIGNAL_DOWN;
    uint32_t attempts = is_vain_probe ? 0 : job->attempts + 1;
    if (outcome->kind == OUTCOME_RETRY && retry_is_over(policy, attempts, age_ms))
        outcome->kind = OUTCOME_GAVE_UP;

    bool is_whole = answer->state == ANSWER_WHOLE;
    outcome->is_accepted = is_whole && answer->http_status != 429 && answer->http_status < 500 &&
                           !answer->is_html;
    outcome->is_told_to_pace = outcome->is_accepted || (is_whole && answer->http_status == 429);
    if (outcome->is_told_to_pace)
        outcome->quota_reset_ms = max_int64(answer->quota_reset_ms, 0);
    outcome->delay_ms = delay_of(outcome, job, policy, random_unit);
    say_where_to_look(meaning, &outcome->answer);
}

void outcome_returned(const char *why, struct outcome *ret_outcome)
{
    *ret_outcome = (struct outcome){.kind = OUTCOME_RETURNED, .signal = SIGNAL_NONE};
    text_copy(ret_outcome->answer.detail, sizeof ret_outcome->answer.detail, why, strlen(why));
}

const char *outcome_kind_name(enum outcome_kind kind)
{
    switch (kind) {
#define X(name, text)                                                                              \
    case OUTCOME_##name:                                                                           \
        return text;
        OUTCOME_KINDS(X)
#undef X
    }
    return "unknown";
}

const char *outcome_signal_name(enum outcome_signal signal)
{
    switch (signal) {
#define X(name, text)                                                                              \
    case SIGNAL_##name:                                                                            \
        return text;
        OUTCOME_SIGNALS(X)
#undef X
    }
    return "unknown";
}
