/*
 * http-versions.c - what the daemon's request costs libcurl by HTTP/1.1 and by HTTP/2, for the bench.
 *
 *     http-versions URL CA_FILE 1.1|2 IN_FLIGHT REQUESTS
 *                                           prints requests a second, and us of CPU a request,
 *                                           from the first tenth of the answers on
 *
 * The daemon's own options and loop (conductor/handle.c, loop.c), and of the options one else: the
 * version. It fails when the server answers by another.
 */
#include "base/clock.h"
#include "conductor/handle.h"
#include "conductor/loop.h"
#include "load.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct load {
    struct event_base *base;
    struct loop *loop;
    CURLU *url;
    struct curl_slist *headers;
    const char *ca_file;
    bool is_http2;
    CURL **handles;
    long in_flight;
    long wanted;
    long left; /* not yet begun */
    long answered;
    long first; /* answers before the account begins: connections are made by then */
    int64_t began_us;
    double began_cpu_us;
};

static void fail(const char *why)
{
    load_fail("http-versions", why);
}

static size_t ignore(char *bytes, size_t size, size_t count, void *user)
{
    (void)bytes;
    (void)user;
    return size * count;
}

static int allow(void *user, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    (void)user;
    (void)peer_ip;
    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    return CURL_PREREQFUNC_OK;
}

static void begin(struct load *load, CURL *easy)
{
    load->left--;
    if (loop_add(load->loop, easy) != RESULT_OK)
        fail("memory is short");
}

static void on_finished(CURL *easy, CURLcode code, void *user)
{
    struct load *load = user;
    long status = 0;
    long version = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    if (code != CURLE_OK || status != 200)
        fail(code != CURLE_OK ? curl_easy_strerror(code) : "refused");
    if (version != (load->is_http2 ? CURL_HTTP_VERSION_2_0 : CURL_HTTP_VERSION_1_1))
        fail("answered by another version of HTTP");
    load->answered++;
    if (load->answered == load->first) {
        load->began_us = clock_mono_us();
        load->began_cpu_us = load_cpu_us();
    }
    if (load->left > 0)
        begin(load, easy);
    else if (load->answered == load->wanted)
        event_base_loopbreak(load->base);
}

static void on_acted(void *user)
{
    (void)user;
}

static CURL *handle_for(struct load *load)
{
    CURL *easy = curl_easy_init();
    const struct handle_options options = {
        .url = load->url,
        .is_https = true,
        .ca_file = load->ca_file,
        .headers = load->headers,
        .request_timeout_ms = 60000,
        .on_sending = allow,
        .on_body = ignore,
        .on_header = ignore,
        .user = load,
    };

    if (easy == NULL || handle_set_up(easy, &options) != RESULT_OK ||
        loop_set_up(load->loop, easy) != RESULT_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                         (long)(load->is_http2 ? CURL_HTTP_VERSION_2TLS
                                               : CURL_HTTP_VERSION_1_1)) != CURLE_OK ||
        /* Else each of the first requests opens a connection, for none can be shared yet. */
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, load->is_http2 ? 1L : 0L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, LOAD_BODY) != CURLE_OK)
        fail("the handle could not be set up");
    return easy;
}

static void set_up(struct load *load, const char *url)
{
    load->base = event_base_new();
    load->loop = loop_new(load->base, on_acted, on_finished, load);
    load->url = curl_url();
    load->handles = calloc((size_t)load->in_flight, sizeof load->handles[0]);
    load->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (load->loop == NULL || load->handles == NULL || load->headers == NULL ||
        curl_url_set(load->url, CURLUPART_URL, url, 0) != CURLUE_OK)
        fail("memory is short, or the URL is none");
    loop_set_connections(load->loop, (uint32_t)load->in_flight);
    for (long i = 0; i < load->in_flight; i++)
        load->handles[i] = handle_for(load);
}

static void done(struct load *load)
{
    for (long i = 0; i < load->in_flight; i++)
        curl_easy_cleanup(load->handles[i]);
    free(load->handles);
    loop_free(load->loop);
    curl_slist_free_all(load->headers);
    curl_url_cleanup(load->url);
    event_base_free(load->base);
}

int main(int argc, char **argv)
{
    struct load load = {0};

    if (argc == 6) {
        load.ca_file = argv[2];
        load.is_http2 = strcmp(argv[3], "2") == 0;
        load.in_flight = strtol(argv[4], NULL, 10);
        load.left = strtol(argv[5], NULL, 10);
    }
    if (load.in_flight <= 0 || load.left < 10 * load.in_flight)
        fail("usage: http-versions URL CA_FILE 1.1|2 IN_FLIGHT REQUESTS");
    load.wanted = load.left;
    load.first = load.wanted / 10;
    set_up(&load, argv[1]);

    for (long i = 0; i < load.in_flight; i++)
        begin(&load, load.handles[i]);
    event_base_dispatch(load.base);

    load_print(load.answered - load.first, load.began_us, load.began_cpu_us);
    done(&load);
    return EXIT_SUCCESS;
}
