/* transfers.c - POST requests over libcurl's multi interface. */
#include "conductor/transfers.h"

#include "base/hooks.h"
#include "conductor/failure.h"
#include "conductor/handle.h"
#include "conductor/loop.h"
#include "conductor/request.h"
#include "conductor/transfer_target.h"

#include <stdlib.h>
#include <string.h>

struct transfer {
    struct transfers *pool;
    CURL *easy;                     /* owns; NULL until a request is to be made, and as target */
    struct transfer_target *target; /* holds a reference: the easy handle has its options */
    struct buffer request;
    uint32_t sendings; /* how often libcurl meant to send it */
    struct buffer answer;
    struct headers headers;
    size_t header_bytes;
    unsigned header_lines;
    bool headers_are_over; /* lines that follow a body are trailers */
    const char *cut_off;   /* why we cut it off ourselves; NULL: we did not */
    void *tag;
    char curl_error[CURL_ERROR_SIZE];
    bool is_running;
    struct transfer *next_free;
};

struct transfers {
    struct loop *loop; /* owns */
    uint32_t max_running;
    uint32_t running;
    uint32_t requests_begun;     /* since the last look */
    uint32_t count;              /* of all */
    struct transfer **all;       /* owns */
    struct transfer *first_free; /* in all */
    transfers_on_done on_done;
    void *user;
};

/*
 * A request is sent once. Whoever asks again lost it with a connection and means to send it on
 * another: refused, for the API may have it.
 */
static int on_sending(void *user, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct transfer *transfer = user;

    (void)peer_ip;
    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    transfer->sendings++;
    if (transfer->sendings > 1) {
        transfer->cut_off = "the connection broke before an answer came";
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->pool->requests_begun++;
    return CURL_PREREQFUNC_OK;
}

/* An own cap: libcurl's MAXFILESIZE lets a chunked body pass (reliability.md B2). */
static size_t on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;

    if (buffer_append(&transfer->answer, bytes, size * count) != RESULT_OK) {
        transfer->cut_off = "the answer is longer than 64 KiB";
        return 0;
    }
    return size * count;
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    size_t len = size * count;

    transfer->header_bytes += len;
    transfer->header_lines++;
    if (transfer->header_bytes > TRANSFER_HEADER_MAX_BYTES ||
        transfer->header_lines > TRANSFER_HEADER_MAX_LINES) {
        transfer->cut_off = "the headers of the answer are too many";
        return 0;
    }
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0 && transfer->answer.len == 0) {
        headers_reset(&transfer->headers); /* an interim answer (1xx) is over */
        transfer->headers_are_over = false;
    } else if (len <= 2) {
        transfer->headers_are_over = true;
    } else if (!transfer->headers_are_over) {
        headers_add(&transfer->headers, line, len);
    }
    return len;
}

static void drop_handle(struct transfer *transfer)
{
    if (transfer->easy != NULL)
        curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    transfer->target = transfer_target_release(transfer->target);
}

static void transfer_free(struct transfer *transfer)
{
    if (transfer->is_running)
        loop_remove(transfer->pool->loop, transfer->easy);
    drop_handle(transfer);
    buffer_done(&transfer->request);
    buffer_done(&transfer->answer);
    free(transfer);
}

static struct transfer *transfer_new(struct transfers *pool)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    struct transfer **longer = realloc(pool->all, (pool->count + 1) * sizeof pool->all[0]);

    if (longer != NULL)
        pool->all = longer;
    if (transfer == NULL || longer == NULL) {
        free(transfer);
        return NULL;
    }
    transfer->pool = pool;
    buffer_init(&transfer->request, REQUEST_MAX_BYTES);
    buffer_init(&transfer->answer, TRANSFER_BODY_MAX_BYTES);
    pool->all[pool->count++] = transfer;
    return transfer;
}

static struct transfer *take_transfer(struct transfers *pool)
{
    struct transfer *transfer = pool->first_free;

    if (transfer == NULL)
        return transfer_new(pool);
    pool->first_free = transfer->next_free;
    return transfer;
}

static void give_back(struct transfers *pool, struct transfer *transfer)
{
    if (transfer->target != NULL && transfer->target->is_retired)
        drop_handle(transfer);
    transfer->next_free = pool->first_free;
    pool->first_free = transfer;
}

/* Surely no byte of the request went out: then no session can have been created. */
static bool is_unsent(const struct transfer *transfer)
{
    long request_bytes = 1;

    return transfer->sendings <= 1 &&
           curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes) == CURLE_OK &&
           request_bytes == 0;
}

/* The transfer failed; `sentence` of DETAIL_MAX_LEN + 1 bytes is lent to the report. */
static void report_failure(const struct transfer *transfer, CURLcode code, char *sentence,
                           struct transfer_report *report)
{
    const struct failure failure = {
        .code = code,
        .error_text = transfer->cut_off != NULL ? transfer->cut_off : transfer->curl_error,
        .host = transfer->target->endpoint.host,
        .is_unsent = is_unsent(transfer),
    };

    report->state = failure.is_unsent ? ANSWER_UNSENT : ANSWER_BROKEN;
    report->http_status = 0;
    failure_describe(&failure, sentence, DETAIL_MAX_LEN + 1);
    report->failure = sentence;
}

static void on_finished(CURL *easy, CURLcode code, void *user)
{
    struct transfers *pool = user;
    char sentence[DETAIL_MAX_LEN + 1];
    char *private = NULL;
    long http_status = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &http_status);

    struct transfer *transfer = (void *)private;
    struct transfer_report report = {
        .state = ANSWER_WHOLE,
        .http_status = (int)http_status,
        .headers = &transfer->headers,
        .body = &transfer->answer,
    };
    /* libcurl calls an answer whole that ended within its header. */
    if (code == CURLE_OK && !transfer->headers_are_over) {
        transfer->cut_off = "the connection closed within the header of the answer";
        code = CURLE_PARTIAL_FILE;
    }
    if (code != CURLE_OK)
        report_failure(transfer, code, sentence, &report);
    transfer->is_running = false;
    pool->running--;
    pool->on_done(transfer->tag, &report, pool->user);
    /* The link was in here; the next answer comes later or never. */
    if (transfer->answer.data != NULL)
        explicit_bzero(transfer->answer.data, transfer->answer.cap);
    /* What libcurl 8.14.1 keeps of a request that it could not send again makes each later one
     * of that handle fail, even after curl_easy_reset() (measured). */
    if (code != CURLE_OK)
        drop_handle(transfer);
    give_back(pool, transfer);
}

/* After libcurl has worked: what it has begun it has also sent, or will by itself. */
static void on_acted(void *user)
{
    struct transfers *pool = user;

    for (; pool->requests_begun > 0; pool->requests_begun--)
        hook_reach("request.sent");
}

struct transfers *transfers_new(struct event_base *base, uint32_t max_running,
                                transfers_on_done on_done, void *user)
{
    struct transfers *transfers = calloc(1, sizeof *transfers);

    if (transfers == NULL)
        return NULL;
    transfers->on_done = on_done;
    transfers->user = user;
    transfers->loop = loop_new(base, on_acted, on_finished, transfers);
    if (transfers->loop == NULL)
        return transfers_free(transfers);
    transfers_set_max(transfers, max_running);
    return transfers;
}

struct transfers *transfers_free(struct transfers *transfers)
{
    if (transfers == NULL)
        return NULL;
    for (uint32_t i = 0; i < transfers->count; i++)
        transfer_free(transfers->all[i]);
    loop_free(transfers->loop);
    free(transfers->all);
    free(transfers);
    return NULL;
}

static enum result set_target(struct transfer *transfer, struct transfer_target *target)
{
    const struct handle_options options = {
        .url = target->url,
        .is_https = target->endpoint.is_https,
        .ca_file = target->ca_file,
        .headers = target->headers,
        .request_timeout_ms = target->timeout_ms,
        .on_sending = on_sending,
        .on_body = on_body,
        .on_header = on_header,
        .user = transfer,
        .error_text = transfer->curl_error,
    };

    if (transfer->target == target)
        return RESULT_OK;
    /* A new handle, for some options can only be set, not taken back. */
    drop_handle(transfer);
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL)
        return RESULT_NO_MEMORY;
    transfer->target = transfer_target_hold(target);

    enum result result = handle_set_up(transfer->easy, &options);
    if (result == RESULT_OK)
        result = loop_set_up(transfer->pool->loop, transfer->easy);
    if (result != RESULT_OK)
        drop_handle(transfer);
    return result;
}

static enum result prepare(struct transfer *transfer, const struct buffer *body, void *tag)
{
    transfer->tag = tag;
    transfer->sendings = 0;
    transfer->header_bytes = 0;
    transfer->header_lines = 0;
    transfer->headers_are_over = false;
    transfer->cut_off = NULL;
    transfer->curl_error[0] = '\0';
    headers_reset(&transfer->headers);
    buffer_reset(&transfer->answer);
    buffer_reset(&transfer->request);

    enum result result = buffer_append(&transfer->request, body->data, body->len);
    CURLcode code = CURLE_OK;
    if (result ==
        RESULT_OK) /* the bytes are not copied: they stay until the transfer is used again */
        code = curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, transfer->request.data);
    if (result == RESULT_OK && code == CURLE_OK)
        code = curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    if (code != CURLE_OK)
        result = RESULT_NO_MEMORY;
    return result;
}

enum result transfers_start(struct transfers *transfers, struct transfer_target *target,
                            const struct buffer *body, void *tag)
{
    if (transfers->running >= transfers->max_running)
        return RESULT_FULL;

    struct transfer *transfer = take_transfer(transfers);
    if (transfer == NULL)
        return RESULT_NO_MEMORY;

    enum result result = set_target(transfer, target);
    if (result == RESULT_OK)
        result = prepare(transfer, body, tag);
    if (result == RESULT_OK)
        result = loop_add(transfers->loop, transfer->easy);
    if (result != RESULT_OK) {
        give_back(transfers, transfer);
        return result;
    }
    transfer->is_running = true;
    transfers->running++;
    return RESULT_OK;
}

void transfers_begin(struct transfers *transfers)
{
    loop_begin(transfers->loop);
}

uint32_t transfers_running(const struct transfers *transfers)
{
    return transfers->running;
}

void transfers_set_max(struct transfers *transfers, uint32_t max_running)
{
    transfers->max_running = max_running;
    loop_set_connections(transfers->loop, max_running);
}

void transfers_retire_target(struct transfers *transfers, struct transfer_target *target)
{
    target->is_retired = true;
    for (uint32_t i = 0; i < transfers->count; i++)
        if (!transfers->all[i]->is_running && transfers->all[i]->target == target)
            drop_handle(transfers->all[i]);
}
