/* conductor.c - our side of the API. */
#include "conductor/conductor.h"

#include "base/clock.h"
#include "base/hooks.h"
#include "base/text.h"
#include "conductor/answer.h"
#include "conductor/request.h"
#include "conductor/transfers.h"

#include <stdlib.h>
#include <string.h>

/* What new requests go by. Running ones hold theirs. */
struct account {
    uint32_t references;
    struct transfer_target *target; /* owns a reference */
    char *publishable_key;          /* owns */
    char key_fp[KEY_FP_LEN + 1];
    struct host_list link_hosts;
    int64_t timeout_us;
};

/* A request under way, in a list from the oldest to the youngest. */
struct call {
    struct account *account; /* holds a reference */
    struct job *job;         /* borrows */
    int64_t began_us;
    struct call *previous, *next;
};

struct conductor {
    struct transfers *transfers; /* owns */
    struct account *account;     /* holds a reference */
    struct call *oldest, *youngest;
    struct call *first_free;
    struct buffer body;   /* of the request being written */
    struct answer answer; /* of the call being answered: too large for the stack of a callback */
    conductor_on_answer on_answer;
    void *user;
    struct conductor_counters counters;
};

static struct account *account_release(struct account *account)
{
    if (account == NULL || --account->references > 0)
        return NULL;
    transfer_target_release(account->target);
    free(account->publishable_key);
    free(account);
    return NULL;
}

static struct account *account_new(const struct conductor_settings *settings)
{
    struct endpoint endpoint;
    const char *why;

    if (endpoint_parse(settings->base_url, &endpoint, &why) != RESULT_OK)
        return NULL;

    struct account *account = calloc(1, sizeof *account);
    if (account == NULL)
        return NULL;
    account->references = 1;
    account->link_hosts = *settings->link_hosts;
    account->timeout_us = settings->request_timeout_ms * US_PER_MS;
    account->publishable_key = strdup(settings->publishable_key);
    text_copy(account->key_fp, sizeof account->key_fp, settings->key_fp, strlen(settings->key_fp));
    account->target = transfer_target_new(&endpoint, settings->secret_key, settings->ca_file,
                                          settings->request_timeout_ms);
    if (account->publishable_key == NULL || account->target == NULL)
        return account_release(account);
    return account;
}

static void unlink_call(struct conductor *conductor, struct call *call)
{
    *(call->previous != NULL ? &call->previous->next : &conductor->oldest) = call->next;
    *(call->next != NULL ? &call->next->previous : &conductor->youngest) = call->previous;
}

static void link_call(struct conductor *conductor, struct call *call)
{
    call->previous = conductor->youngest;
    call->next = NULL;
    *(call->previous != NULL ? &call->previous->next : &conductor->oldest) = call;
    conductor->youngest = call;
}

static void give_call_back(struct conductor *conductor, struct call *call)
{
    account_release(call->account);
    call->account = NULL;
    call->next = conductor->first_free;
    conductor->first_free = call;
}

static struct call *take_call(struct conductor *conductor)
{
    struct call *call = conductor->first_free;

    if (call == NULL)
        return calloc(1, sizeof *call);
    conductor->first_free = call->next;
    return call;
}

static void count_duration(struct conductor_counters *counters, int64_t duration_us)
{
    static const int64_t bounds_ms[] = CONDUCTOR_DURATION_BOUNDS_MS;
    size_t bucket = 0;

    _Static_assert(sizeof bounds_ms / sizeof bounds_ms[0] + 1 == CONDUCTOR_DURATION_BUCKETS,
                   "one bucket a bound, and the last");
    while (bucket < CONDUCTOR_DURATION_BUCKETS - 1 && duration_us > bounds_ms[bucket] * US_PER_MS)
        bucket++;
    counters->by_duration[bucket]++;
    counters->duration_sum_us += duration_us;
}

static void count(struct conductor_counters *counters, const struct answer *answer,
                  int64_t duration_us)
{
    int class = answer->http_status / 100;

    switch (answer->state) {
    case ANSWER_UNSENT:
        counters->unsent++;
        return;
    case ANSWER_BROKEN:
        counters->broken++;
        return;
    case ANSWER_WHOLE:
        break;
    }
    counters->by_status_class[class >= 1 && class <= 5 ? class : 0]++;
    counters->throttled += answer->http_status == 429;
    count_duration(counters, duration_us);
}

static void read_answer(const struct call *call, const struct transfer_report *report,
                        struct answer *answer)
{
    const struct answer_raw raw = {
        .http_status = report->http_status,
        .body = buffer_text(report->body),
        .body_len = report->body->len,
        .headers = report->headers,
        .wall_unix_ms = clock_wall_unix_ms(),
    };
    const struct answer_expected expected = {
        .end_user_id = call->job->end_user_id,
        .link_expiry_mins = call->job->link_expiry_mins,
        .link_hosts = &call->account->link_hosts,
    };

    if (report->state == ANSWER_WHOLE) {
        answer_parse(&raw, &expected, answer);
        return;
    }
    *answer = (struct answer){.state = report->state, .retry_after_ms = -1, .quota_reset_ms = -1};
    text_copy(answer->detail, sizeof answer->detail, report->failure, strlen(report->failure));
}

static void on_transfer_done(void *tag, const struct transfer_report *report, void *user)
{
    struct conductor *conductor = user;
    struct call *call = tag;

    hook_reach("answer.received");
    read_answer(call, report, &conductor->answer);
    count(&conductor->counters, &conductor->answer, clock_mono_us() - call->began_us);
    unlink_call(conductor, call);
    conductor->on_answer(call->job, &conductor->answer, call->began_us, call->account->key_fp,
                         conductor->user);
    session_wipe(&conductor->answer.session);
    give_call_back(conductor, call);
}

struct conductor *conductor_new(struct event_base *base, const struct conductor_settings *settings,
                                conductor_on_answer on_answer, void *user)
{
    struct conductor *conductor = calloc(1, sizeof *conductor);

    if (conductor == NULL)
        return NULL;
    conductor->on_answer = on_answer;
    conductor->user = user;
    buffer_init(&conductor->body, REQUEST_MAX_BYTES);
    conductor->account = account_new(settings);
    conductor->transfers =
        transfers_new(base, settings->max_in_flight, on_transfer_done, conductor);
    if (conductor->account == NULL || conductor->transfers == NULL)
        return conductor_free(conductor);
    return conductor;
}

static void free_calls(struct call *call)
{
    while (call != NULL) {
        struct call *next = call->next;
        account_release(call->account);
        free(call);
        call = next;
    }
}

struct conductor *conductor_free(struct conductor *conductor)
{
    if (conductor == NULL)
        return NULL;
    transfers_free(conductor->transfers);
    free_calls(conductor->oldest);
    free_calls(conductor->first_free);
    account_release(conductor->account);
    buffer_done(&conductor->body);
    free(conductor);
    return NULL;
}

enum result conductor_send(struct conductor *conductor, struct job *job, int64_t now_us)
{
    enum result result = request_write(&conductor->body, conductor->account->publishable_key, job);
    if (result != RESULT_OK)
        return result == RESULT_FULL ? RESULT_INVALID : result;

    struct call *call = take_call(conductor);
    if (call == NULL)
        return RESULT_NO_MEMORY;
    *call = (struct call){.account = conductor->account, .job = job, .began_us = now_us};
    call->account->references++;
    result = transfers_start(conductor->transfers, call->account->target, &conductor->body, call);
    if (result != RESULT_OK) {
        give_call_back(conductor, call);
        return result;
    }
    link_call(conductor, call);
    conductor->counters.started++;
    return RESULT_OK;
}

void conductor_begin(struct conductor *conductor)
{
    transfers_begin(conductor->transfers);
}

enum result conductor_reload(struct conductor *conductor, const struct conductor_settings *settings)
{
    struct account *account = account_new(settings);

    if (account == NULL)
        return RESULT_NO_MEMORY;
    transfers_retire_target(conductor->transfers, conductor->account->target);
    account_release(conductor->account);
    conductor->account = account;
    transfers_set_max(conductor->transfers, settings->max_in_flight);
    return RESULT_OK;
}

uint32_t conductor_in_flight(const struct conductor *conductor)
{
    return transfers_running(conductor->transfers);
}

int64_t conductor_last_deadline_us(const struct conductor *conductor)
{
    int64_t last_us = 0;

    for (const struct call *call = conductor->oldest; call != NULL; call = call->next)
        if (call->began_us + call->account->timeout_us > last_us)
            last_us = call->began_us + call->account->timeout_us;
    return last_us;
}

int64_t conductor_first_deadline_us(const struct conductor *conductor)
{
    int64_t first_us = 0;

    for (const struct call *call = conductor->oldest; call != NULL; call = call->next)
        if (first_us == 0 || call->began_us + call->account->timeout_us < first_us)
            first_us = call->began_us + call->account->timeout_us;
    return first_us;
}

const struct conductor_counters *conductor_counters(const struct conductor *conductor)
{
    return &conductor->counters;
}
