/* support_client.c - transfers on a loop of their own, and how each of them ended. */
#include "support_client.h"

#include "base/text.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_SEC 60

/* The tag is an address within this array. */
static int tags[1 << 16];

static void on_done(void *tag, const struct transfer_report *report, void *user)
{
    struct client *client = user;
    struct client_end *end = &client->last;
    size_t shown = report->body->len < sizeof end->body ? report->body->len : sizeof end->body - 1;

    *end = (struct client_end){.tag = (int)((int *)tag - tags),
                               .state = report->state,
                               .http_status = report->http_status,
                               .body_len = report->body->len};
    memcpy(end->request_id, report->headers->request_id, sizeof end->request_id);
    text_copy(end->body, sizeof end->body, buffer_text(report->body), shown);
    if (report->state != ANSWER_WHOLE)
        text_copy(end->failure, sizeof end->failure, report->failure, strlen(report->failure));
    ck_assert(strstr(end->failure, "PLANTED") == NULL);
    client->ended++;
    if (client->on_end != NULL)
        client->on_end(client);
    event_base_loopbreak(client->base);
}

void client_init(struct client *client, const char *scheme, const char *host, int port,
                 const char *ca_file, int64_t timeout_ms, uint32_t max_running)
{
    struct endpoint endpoint;
    char base_url[128];
    const char *why;

    *client = (struct client){.base = event_base_new()};
    snprintf(base_url, sizeof base_url, "%s://%s:%d/v1", scheme, host, port);
    ck_assert_int_eq(endpoint_parse(base_url, &endpoint, &why), RESULT_OK);
    client->target = transfer_target_new(&endpoint, CLIENT_SECRET_KEY, ca_file, timeout_ms);
    client->transfers = transfers_new(client->base, max_running, on_done, client);
    ck_assert_ptr_nonnull(client->target);
    ck_assert_ptr_nonnull(client->transfers);
}

void client_done(struct client *client)
{
    transfers_free(client->transfers);
    transfer_target_release(client->target);
    event_base_free(client->base);
}

void client_start(struct client *client, const char *body, int tag)
{
    struct buffer buffer;

    buffer_init(&buffer, 65536);
    ck_assert_int_eq(buffer_append_str(&buffer, body), RESULT_OK);
    ck_assert_int_eq(transfers_start(client->transfers, client->target, &buffer, &tags[tag]),
                     RESULT_OK);
    client->started++;
    buffer_done(&buffer);
}

static void on_too_late(evutil_socket_t fd, short what, void *user)
{
    struct client *client = user;

    (void)fd;
    (void)what;
    ck_abort_msg("%d ended, and no more in %d s", client->ended, PATIENCE_SEC);
}

void client_run_until(struct client *client, int ended)
{
    struct event *too_late = evtimer_new(client->base, on_too_late, client);
    struct timeval patience = {PATIENCE_SEC, 0};

    event_add(too_late, &patience);
    while (client->ended < ended)
        ck_assert_int_ge(event_base_loop(client->base, EVLOOP_ONCE), 0);
    event_free(too_late);
}

const struct client_end *client_do(struct client *client, const char *body)
{
    client_start(client, body, 0);
    client_run_until(client, client->ended + 1);
    return &client->last;
}
