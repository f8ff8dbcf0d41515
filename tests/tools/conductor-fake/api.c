/* api.c - one request: counted, throttled, failed or answered. */
#include "api.h"

#include "auth_sessions.h"
#include "base/clock.h"
#include "base/text.h"
#include "body_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define REQUEST_ID_LETTERS 20

static bool is_session_path(const struct fake *fake, struct http_text path)
{
    return http_text_is(path, "/v1/auth-sessions") ||
           (fake->settings.legacy && http_text_is(path, "/v1/auth_sessions"));
}

/* The token of `Authorization: Bearer <token>`; empty when there is none. */
static struct http_text bearer_key(const struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    const struct http_text *sent = http_header_find(request, "Authorization");
    struct http_text key = {"", 0};

    if (sent != NULL && sent->len >= sizeof scheme - 1 &&
        text_equals_ignoring_case(sent->data, sizeof scheme - 1, scheme, sizeof scheme - 1))
        key.data =
            text_trim(sent->data + sizeof scheme - 1, sent->len - (sizeof scheme - 1), &key.len);
    return key;
}

/* Whom the request is about: named in the body, in the path, or in a header. */
static struct http_text user_of(const struct fake *fake, const struct exchange *exchange)
{
    const struct http_request *request = exchange->request;
    const struct http_text *header = http_header_find(request, "Conductor-End-User-Id");
    struct http_text rest = {"", 0};

    if (header != NULL)
        return *header;
    if (http_text_follows(request->path, "/v1/end-users/", &rest)) {
        const char *slash = memchr(rest.data, '/', rest.len);
        return (struct http_text){rest.data,
                                  slash == NULL ? rest.len : (size_t)(slash - rest.data)};
    }
    if (is_session_path(fake, request->path)) {
        const cJSON *id = NULL;
        const cJSON *value = NULL;
        cJSON_ArrayForEach(value, exchange->json)
        {
            if (value->string != NULL && strcmp(value->string, "endUserId") == 0)
                id = value;
        }
        if (cJSON_IsString(id))
            return (struct http_text){id->valuestring, strlen(id->valuestring)};
    }
    return rest.len > 0 ? rest : (struct http_text){"", 0};
}

/* Its end user's count goes up too, so that single flight can be seen. */
static void count_arrival(struct fake *fake, struct exchange *exchange)
{
    struct stats *stats = &fake->stats;

    stats->requests++;
    stats->in_flight++;
    if (stats->in_flight > stats->max_in_flight)
        stats->max_in_flight = stats->in_flight;
    exchange->epoch = fake->epoch;
    exchange->is_counted = true;
    exchange->created = false;
    exchange->user = NULL;
    if (!is_session_path(fake, exchange->request->path) || exchange->user_id.len == 0)
        return;
    exchange->user = users_touch(&fake->users, exchange->user_id.data, exchange->user_id.len);
    if (exchange->user == NULL)
        return;
    exchange->user->requests++;
    exchange->user->in_flight++;
    if (exchange->user->in_flight > stats->max_in_flight_per_user)
        stats->max_in_flight_per_user = exchange->user->in_flight;
}

static struct recorded_request *recorded_of(struct fake *fake, const struct exchange *exchange)
{
    return ring_get(&fake->record, exchange->record_number);
}

static void record_arrival(struct fake *fake, struct exchange *exchange)
{
    exchange->record_number = 0;
    if (fake->settings.no_record)
        return;
    exchange->record_number =
        record_add(&fake->record, exchange->request, exchange->head, exchange->user_id);

    struct recorded_request *recorded = recorded_of(fake, exchange);
    if (recorded != NULL) {
        recorded->connection = exchange->connection;
        recorded->arrived_us = exchange->now_us;
    }
}

static void record_answer(struct fake *fake, const struct exchange *exchange)
{
    struct recorded_request *recorded = recorded_of(fake, exchange);
    int status = exchange->delivery.is_silent ? 0 : exchange->reply.status;

    if (status > 0 && status <= HTTP_STATUS_MAX)
        fake->stats.by_status[status]++;
    if (recorded == NULL)
        return;
    recorded->status = status;
    recorded->delay_us = exchange->delivery.delay_us;
    recorded->created = exchange->created;
    if (fake->settings.record_answers && status > 0) {
        recorded->answer = strndup(buffer_text(&exchange->reply.body), exchange->reply.body.len);
        recorded->answer_len = recorded->answer == NULL ? 0 : exchange->reply.body.len;
    }
}

static void set_latency(struct fake *fake, struct delivery *delivery)
{
    double ms = fake->settings.latency_ms;

    if (fake->settings.latency_sigma > 0)
        ms *= exp(fake->settings.latency_sigma * chance_normal(&fake->chance));
    delivery->delay_us += (int64_t)(ms * (double)US_PER_MS);
}

static void add_retry_after(const struct fake *fake, struct reply *reply, int64_t wait_us)
{
    int64_t wait_ms = (wait_us + US_PER_MS - 1) / US_PER_MS;
    int64_t wait_sec = (wait_ms + MS_PER_SEC - 1) / MS_PER_SEC;
    char text[64];

    if (fake->settings.retry_after_text != NULL) {
        reply_add_header(reply, "Retry-After", fake->settings.retry_after_text);
        return;
    }
    switch ((enum retry_after_form)fake->settings.retry_after) {
    case RETRY_AFTER_SECONDS:
        snprintf(text, sizeof text, "%" PRId64, wait_sec);
        reply_add_header(reply, "Retry-After", text);
        break;
    case RETRY_AFTER_MS:
        snprintf(text, sizeof text, "%" PRId64, wait_ms);
        reply_add_header(reply, "retry-after-ms", text);
        break;
    case RETRY_AFTER_DATE:
        http_date(fake_clock_unix_ms(fake) + wait_sec * MS_PER_SEC, text);
        reply_add_header(reply, "Retry-After", text);
        break;
    case RETRY_AFTER_ZERO:
        reply_add_header(reply, "Retry-After", "0");
        break;
    case RETRY_AFTER_NONE:
        break;
    }
}

/* What is left, and until when; of a request that is over the limit, until one passes again. */
static void add_rate_headers(struct fake *fake, struct exchange *exchange, int64_t wait_us)
{
    const struct settings *settings = &fake->settings;
    struct quota quota = limiter_quota(&fake->limiter, settings, exchange->now_us);
    int64_t reset_us = wait_us > 0 ? wait_us : quota.reset_us;
    char text[32];

    snprintf(text, sizeof text, "%.0f", ceil(settings->rate));
    reply_add_header(&exchange->reply, "RateLimit-Limit", text);
    snprintf(text, sizeof text, "%" PRId64, quota.left);
    reply_add_header(&exchange->reply, "RateLimit-Remaining", text);
    snprintf(text, sizeof text, "%" PRId64, (reset_us + US_PER_SEC - 1) / US_PER_SEC);
    reply_add_header(&exchange->reply, "RateLimit-Reset", text);
}

/* Whether the request is over a limit; then the reply says so. */
static bool is_throttled(struct fake *fake, struct exchange *exchange)
{
    const struct settings *settings = &fake->settings;
    struct reply *reply = &exchange->reply;
    int64_t wait_us = 0;

    bool is_over =
        (settings->concurrency > 0 && fake->stats.in_flight > (uint64_t)settings->concurrency) ||
        !limiter_take(&fake->limiter, settings, exchange->now_us, &wait_us);
    if (settings->rate_headers && settings->rate > 0)
        add_rate_headers(fake, exchange, wait_us);
    if (!is_over)
        return false;

    fake->stats.throttled++;
    add_retry_after(fake, reply, wait_us);
    if (settings->throttle_body == BODY_HTML)
        reply_set_html(reply, (int)settings->throttle_status);
    else if (settings->throttle_body == BODY_EMPTY)
        reply_set_empty(reply, (int)settings->throttle_status);
    else
        reply_set_error(reply, &(struct envelope){.status = (int)settings->throttle_status,
                                                  .code = "RATE_LIMIT_EXCEEDED",
                                                  .message = "Too many requests."});
    return true;
}

/* Share of failures that the settings ask for: a rule made on the spot. */
static bool fails_by_share(struct fake *fake, struct fault *ret_fault)
{
    if (fake->settings.fail_share <= 0 || chance_unit(&fake->chance) >= fake->settings.fail_share)
        return false;
    *ret_fault = (struct fault){
        .status = fake->settings.fail_status,
        .body = fake->settings.fail_body,
    };
    return true;
}

static void fail_or_route(struct fake *fake, struct exchange *exchange)
{
    struct fault_subject subject = {
        .method = exchange->request->method,
        .path = exchange->request->path,
        .end_user_id = exchange->user_id,
        .key = exchange->key,
        .attempt = exchange->user == NULL ? 0 : exchange->user->requests,
    };
    struct fault by_share;
    const struct fault *fault = faults_choose(&fake->faults, FAULT_AT_REQUEST, &subject);

    if (fault == NULL && fails_by_share(fake, &by_share))
        fault = &by_share;
    if (fault == NULL) {
        api_route(fake, exchange);
        return;
    }
    fake->stats.faults++;
    fault_take_effect(fake, exchange, fault);
}

void api_answer(struct fake *fake, struct exchange *exchange)
{
    const struct settings *settings = &fake->settings;
    struct reply *reply = &exchange->reply;

    exchange->json = body_parse(exchange->request->body);
    exchange->key = bearer_key(exchange->request);
    exchange->user_id = user_of(fake, exchange);
    exchange->delivery = (struct delivery){.cut_after_bytes = SIZE_MAX};
    exchange->form = (struct wire_form){
        .is_chunked = settings->chunked,
        .omits_request_id = settings->no_request_id,
        .omits_body = http_text_is(exchange->request->method, "HEAD"),
        .date_unix_ms = fake_clock_unix_ms(fake),
    };
    reply_reset(reply);
    fake_make_id(fake, "req_", REQUEST_ID_LETTERS, reply->request_id, sizeof reply->request_id);
    count_arrival(fake, exchange);
    record_arrival(fake, exchange);

    if (!is_throttled(fake, exchange))
        fail_or_route(fake, exchange);
    set_latency(fake, &exchange->delivery);
    if (settings->gzip) {
        const struct http_text *offered = http_header_find(exchange->request, "Accept-Encoding");
        exchange->form.is_gzipped =
            offered != NULL && memmem(offered->data, offered->len, "gzip", 4) != NULL;
    }
    record_answer(fake, exchange);
}

void api_leave(struct fake *fake, struct exchange *exchange, enum fate fate)
{
    struct recorded_request *recorded = NULL;

    cJSON_Delete(exchange->json);
    exchange->json = NULL;
    if (!exchange->is_counted)
        return;
    exchange->is_counted = false;
    if (exchange->epoch != fake->epoch)
        return;
    fake->stats.in_flight--;
    if (fate != FATE_ANSWERED)
        fake->stats.dropped++;
    if (exchange->user != NULL)
        exchange->user->in_flight--;
    if ((recorded = recorded_of(fake, exchange)) != NULL) {
        recorded->fate = fate;
        recorded->answered_us = clock_mono_us();
    }
}

static enum fault_drop drop_of(struct fake *fake, const struct fault *fault)
{
    if (fault == NULL)
        return FAULT_DROP_NONE;
    fake->stats.faults++;
    return (enum fault_drop)fault->drop;
}

enum fault_drop api_drop_at_accept(struct fake *fake)
{
    const struct fault_subject nothing = {.method = {"", 0}, .path = {"", 0}};

    return drop_of(fake, faults_choose(&fake->faults, FAULT_AT_ACCEPT, &nothing));
}

enum fault_drop api_drop_at_head(struct fake *fake, const struct http_request *request)
{
    const struct fault_subject subject = {
        .method = request->method,
        .path = request->path,
        .key = bearer_key(request),
    };

    return drop_of(fake, faults_choose(&fake->faults, FAULT_AT_HEAD, &subject));
}
