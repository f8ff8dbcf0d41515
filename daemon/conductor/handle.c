/* handle.c - the options that every request to the API has. */
#include "conductor/handle.h"

#define CONNECT_TIMEOUT_MAX_MS 5000
#define IDLE_CONNECTION_SEC    30L  /* below the keep-alive of servers in use */
#define CONNECTION_LIFE_SEC    600L /* then certificate and address are looked at anew */

/* Each request under way has both: small ones keep 512 of them small. */
#define RECEIVE_BUFFER_BYTES 2048L  /* an answer has about one KiB */
#define SEND_BUFFER_BYTES    16384L /* the least that libcurl takes */

/* Keeps the first failure, so that a list of options is checked once at its end. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(easy, option, value);                                          \
    } while (0)

/*
 * When a connection that was used before dies, libcurl sends a request with POSTFIELDS again by
 * itself (reliability.md B2: measured); but it asks on_sending first, each time, which says no. A
 * body that comes by a read function cannot be sent again either, but leaves in a packet of its own
 * behind the header: a sixth more CPU a job.
 */
static CURLcode set_request(CURL *easy, const struct handle_options *options)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_CURLU, options->url);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_PREREQFUNCTION, options->on_sending);
    SET(CURLOPT_PREREQDATA, options->user);
    SET(CURLOPT_HTTPHEADER, options->headers);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER_BYTES);
    return code;
}

static CURLcode set_answer(CURL *easy, const struct handle_options *options)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_WRITEFUNCTION, options->on_body);
    SET(CURLOPT_WRITEDATA, options->user);
    SET(CURLOPT_HEADERFUNCTION, options->on_header);
    SET(CURLOPT_HEADERDATA, options->user);
    SET(CURLOPT_PRIVATE, options->user);
    SET(CURLOPT_ERRORBUFFER, options->error_text);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOPROGRESS, 1L);
    SET(CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
    return code;
}

static CURLcode set_protocol(CURL *easy, bool is_https)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, is_https ? "https" : "http");
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                            is_https ? (long)CURLPROTO_HTTPS : (long)CURLPROTO_HTTP);
#endif
}

/* Nothing from the environment or a user's files; no signals; no wait for a thread that resolves.
 */
static CURLcode set_connection(CURL *easy, const struct handle_options *options)
{
    CURLcode code = set_protocol(easy, options->is_https);
    int64_t connect_ms = options->request_timeout_ms < CONNECT_TIMEOUT_MAX_MS
                             ? options->request_timeout_ms
                             : CONNECT_TIMEOUT_MAX_MS;

    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)options->request_timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    SET(CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_SEC);
    SET(CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_SEC);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A request whose name is still being looked up would else block the loop at its deadline. */
    SET(CURLOPT_QUICK_EXIT, 1L);
#endif
    return code;
}

static CURLcode set_tls(CURL *easy, const struct handle_options *options)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Else a renewed file of certificates would be read after a day (CURLOPT_CA_CACHE_TIMEOUT(3)).
     */
    SET(CURLOPT_CA_CACHE_TIMEOUT, CONNECTION_LIFE_SEC);
#endif
    if (options->ca_file[0] != '\0') {
        SET(CURLOPT_CAINFO, options->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* only the file given: not the system's besides */
    }
    return code;
}

enum result handle_set_up(CURL *easy, const struct handle_options *options)
{
    CURLcode code = set_request(easy, options);

    if (code == CURLE_OK)
        code = set_answer(easy, options);
    if (code == CURLE_OK)
        code = set_connection(easy, options);
    if (code == CURLE_OK && options->is_https)
        code = set_tls(easy, options);
    if (code == CURLE_OK)
        return RESULT_OK;
    return code == CURLE_OUT_OF_MEMORY ? RESULT_NO_MEMORY : RESULT_INVALID;
}
