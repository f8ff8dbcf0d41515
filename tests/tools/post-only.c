/*
 * post-only.c - how many requests a second the daemon's HTTP client makes alone, for the bench.
 *
 *     post-only URL IN_FLIGHT REQUESTS      prints requests a second, and us of CPU a request
 *
 * conductor/transfers.c as the daemon has it, without queue, pace and reading of answers.
 */
#include "base/clock.h"
#include "conductor/transfers.h"
#include "load.h"

#include <event2/event.h>
#include <stdlib.h>

struct load {
    struct event_base *base;
    struct transfers *transfers;
    struct transfer_target *target;
    struct buffer body;
    uint32_t in_flight;
    int64_t left; /* not yet begun */
    int64_t answered;
};

static void fail(const char *why)
{
    load_fail("post-only", why);
}

static void fill(struct load *load)
{
    for (; load->left > 0 && transfers_running(load->transfers) < load->in_flight; load->left--)
        if (transfers_start(load->transfers, load->target, &load->body, NULL) != RESULT_OK)
            fail("a request could not be made");
}

static void on_done(void *tag, const struct transfer_report *report, void *user)
{
    struct load *load = user;

    (void)tag;
    if (report->state != ANSWER_WHOLE || report->http_status != 200)
        fail(report->failure != NULL ? report->failure : "refused");
    load->answered++;
    fill(load);
    if (transfers_running(load->transfers) == 0)
        event_base_loopbreak(load->base);
}

static void on_start(evutil_socket_t socket, short what, void *user)
{
    (void)socket;
    (void)what;
    fill(user);
}

static void set_up(struct load *load, const char *url)
{
    struct endpoint endpoint;
    const char *why = NULL;

    if (endpoint_parse(url, &endpoint, &why) != RESULT_OK)
        fail(why);
    load->base = event_base_new();
    load->target = transfer_target_new(&endpoint, "sk_conductor_fake", "", 10000);
    load->transfers = transfers_new(load->base, load->in_flight, on_done, load);
    buffer_init(&load->body, sizeof LOAD_BODY);
    if (load->target == NULL || load->transfers == NULL ||
        buffer_append_str(&load->body, LOAD_BODY) != RESULT_OK)
        fail("memory is short");
}

int main(int argc, char **argv)
{
    struct load load = {.in_flight = argc == 4 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0,
                        .left = argc == 4 ? strtoll(argv[3], NULL, 10) : 0};

    if (load.in_flight == 0 || load.left <= 0)
        fail("usage: post-only URL IN_FLIGHT REQUESTS");
    set_up(&load, argv[1]);

    int64_t began_us = clock_mono_us();
    double began_cpu_us = load_cpu_us();
    event_base_once(load.base, -1, EV_TIMEOUT, on_start, &load, NULL);
    event_base_dispatch(load.base);

    load_print(load.answered, began_us, began_cpu_us);
    transfers_free(load.transfers);
    transfer_target_release(load.target);
    buffer_done(&load.body);
    event_base_free(load.base);
    return EXIT_SUCCESS;
}
