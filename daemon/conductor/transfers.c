/* transfers.c - POST requests over libcurl's multi interface. */
#include "conductor/transfers.h"

#include "conductor/loop.h"
#include "conductor/transfer_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Below any server's keep-alive, so that a reused connection is rarely one that just died. */
#define MAX_IDLE_SEC 30L

/* Certificates and addresses are looked at again after it (libcurl-security(3)). */
#define MAX_CONNECTION_AGE_SEC 600L

#define MAX_HEADER_BYTES 32768

struct transfer {
    struct transfers *pool;
    CURL *easy;                     /* owns; its options are set once */
    struct transfer_target *target; /* holds a reference while its options are set */
    struct buffer request;
    size_t request_read; /* bytes that libcurl took */
    struct buffer answer;
    struct headers headers;
    size_t header_bytes;
    const char *cut_off; /* why we cut it off ourselves; NULL: we did not */
    void *tag;
    char curl_error[CURL_ERROR_SIZE];
    bool is_running;
    struct transfer *next_free;
};

struct transfers {
    struct loop *loop; /* owns */
    uint32_t max_running;
    uint32_t running;
    uint32_t count;              /* of all */
    struct transfer **all;       /* owns */
    struct transfer *first_free; /* in all */
    transfers_on_done on_done;
    void *user;
};

static size_t on_read(char *target, size_t size, size_t count, void *user)
{
    struct transfer *transfer = user;
    size_t left = transfer->request.len - transfer->request_read;
    size_t len = size * count < left ? size * count : left;

    memcpy(target, transfer->request.data + transfer->request_read, len);
    transfer->request_read += len;
    return len;
}

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

    transfer->header_bytes += size * count;
    if (transfer->header_bytes > MAX_HEADER_BYTES) {
        transfer->cut_off = "the headers of the answer are longer than 32 KiB";
        return 0;
    }
    headers_add(&transfer->headers, line, size * count);
    return size * count;
}

/* What is the same for every request to every target. Sources: reliability.md B2. */
static void set_lasting_options(struct transfer *transfer)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "authlinkd/" AUTHLINKD_VERSION);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, CURLHEADER_SEPARATE);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not from the environment */
    curl_easy_setopt(easy, CURLOPT_NETRC, CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, MAX_IDLE_SEC);
#if LIBCURL_VERSION_NUM >= 0x075000
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, MAX_CONNECTION_AGE_SEC);
#endif
}

static struct transfer *transfer_free(struct transfer *transfer)
{
    if (transfer == NULL)
        return NULL;
    if (transfer->is_running)
        loop_remove(transfer->pool->loop, transfer->easy);
    if (transfer->easy != NULL)
        curl_easy_cleanup(transfer->easy);
    transfer_target_release(transfer->target);
    buffer_done(&transfer->request);
    buffer_done(&transfer->answer);
    free(transfer);
    return NULL;
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
    buffer_init(&transfer->request, TRANSFER_REQUEST_MAX_BYTES);
    buffer_init(&transfer->answer, TRANSFER_BODY_MAX_BYTES);
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL)
        return transfer_free(transfer);
    set_lasting_options(transfer);
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
    transfer->next_free = pool->first_free;
    pool->first_free = transfer;
}

/* Surely no byte of the request went out: then no session can have been created. */
static bool is_unsent(const struct transfer *transfer)
{
    long request_bytes = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    return request_bytes == 0 && transfer->request_read == 0;
}

static const char *explain(struct transfer *transfer, CURLcode code)
{
    if (transfer->cut_off != NULL)
        return transfer->cut_off;
    if (code == CURLE_SEND_FAIL_REWIND)
        return "the connection closed while the request was under way; it is not sent a second "
               "time";
    return transfer->curl_error[0] != '\0' ? transfer->curl_error : curl_easy_strerror(code);
}

static void on_finished(CURL *easy, CURLcode code, void *user)
{
    struct transfers *pool = user;
    struct transfer *transfer = NULL;
    long http_status = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &http_status);

    struct transfer_report report = {.headers = &transfer->headers, .body = &transfer->answer};
    if (code == CURLE_OK) {
        report.state = ANSWER_WHOLE;
        report.http_status = (int)http_status;
    } else {
        report.state = is_unsent(transfer) ? ANSWER_UNSENT : ANSWER_BROKEN;
        report.failure = explain(transfer, code);
    }
    transfer->is_running = false;
    pool->running--;
    pool->on_done(transfer->tag, &report, pool->user);
    /* The link was in here; the next answer comes later or never. */
    if (transfer->answer.data != NULL)
        explicit_bzero(transfer->answer.data, transfer->answer.cap);
    give_back(pool, transfer);
}

struct transfers *transfers_new(struct event_base *base, uint32_t max_running,
                                transfers_on_done on_done, void *user)
{
    struct transfers *transfers = calloc(1, sizeof *transfers);

    if (transfers == NULL)
        return NULL;
    transfers->on_done = on_done;
    transfers->user = user;
    transfers->loop = loop_new(base, on_finished, transfers);
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

static void prepare(struct transfer *transfer, struct transfer_target *target, void *tag)
{
    if (transfer->target != target) {
        transfer_target_release(transfer->target);
        transfer->target = transfer_target_hold(target);
        transfer_target_apply(target, transfer->easy);
    }
    transfer->tag = tag;
    transfer->request_read = 0;
    transfer->cut_off = NULL;
    transfer->header_bytes = 0;
    transfer->curl_error[0] = '\0';
    buffer_reset(&transfer->answer);
    headers_reset(&transfer->headers);
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)transfer->request.len);
}

enum result transfers_start(struct transfers *transfers, struct transfer_target *target,
                            const struct buffer *body, void *tag)
{
    if (transfers->running >= transfers->max_running)
        return RESULT_FULL;

    struct transfer *transfer = take_transfer(transfers);
    if (transfer == NULL)
        return RESULT_NO_MEMORY;
    buffer_reset(&transfer->request);
    enum result result = buffer_append(&transfer->request, body->data, body->len);
    if (result == RESULT_OK) {
        prepare(transfer, target, tag);
        result = loop_add(transfers->loop, transfer->easy);
    }
    if (result != RESULT_OK) {
        give_back(transfers, transfer);
        return result;
    }
    transfer->is_running = true;
    transfers->running++;
    return RESULT_OK;
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
