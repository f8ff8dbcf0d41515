/* support_link.c - a link and the server at its other end. */
#include "support_link.h"

#include "base/clock.h"

#include <check.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

struct peer peer;

static const char *on_command(size_t count, const redisReply *const *words, void *user)
{
    (void)user;
    if (strcmp(words[0]->str, "PING") == 0)
        return peer.answer_to_ping;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(peer.greeting);
        snprintf(peer.greeting + used, sizeof peer.greeting - used, "%s%s", words[i]->str,
                 i + 1 < count ? " " : ";");
    }
    return strcmp(words[0]->str, "AUTH") == 0 ? peer.answer_to_auth : "+OK\r\n";
}

static void on_up(void *user)
{
    (void)user;
    peer.is_up = true;
    peer.is_down = false;
    peer.ups++;
}

static void on_down(const char *why, void *user)
{
    (void)user;
    peer.is_up = false;
    peer.is_down = true;
    peer.downs++;
    snprintf(peer.why, sizeof peer.why, "%s", why);
    if (peer.is_dropped_again)
        link_drop(peer.link, "while it waits for the next attempt: nothing");
}

static bool on_password_wanted(char *target, size_t size, void *user)
{
    (void)user;
    peer.passwords_asked++;
    snprintf(target, size, "%s", peer.password);
    return !peer.has_no_password;
}

void peer_pong(const redisReply *reply, void *user)
{
    size_t used = strlen(peer.order);

    if (reply == NULL) {
        peer.losses++;
        return;
    }
    peer.replies++;
    snprintf(peer.order + used, sizeof peer.order - used, "%s=%.20s ", (const char *)user,
             reply->str != NULL ? reply->str : "?");
}

static struct link_times times_of(int64_t command_timeout_ms)
{
    struct link_times times = {.command_timeout_us = command_timeout_ms * US_PER_MS,
                               .reconnect_min_us = 10 * US_PER_MS,
                               .reconnect_max_us = 100 * US_PER_MS};

    return times;
}

static const struct link_callbacks callbacks = {
    .on_up = on_up, .on_down = on_down, .on_password_wanted = on_password_wanted};

void peer_start_link(const struct link_address *address, int64_t command_timeout_ms)
{
    struct link_times times = times_of(command_timeout_ms);

    peer.link = link_new(peer.base, peer.dns, "authlinkd-test", address, &times, &callbacks, NULL);
    ck_assert_ptr_nonnull(peer.link);
    link_start(peer.link);
}

void peer_begin(void)
{
    memset(&peer, 0, sizeof peer);
    peer.base = event_base_new();
    peer.dns = evdns_base_new(peer.base, 0);
    peer.fake = fake_redis_new(peer.base, on_command, NULL);
    peer.answer_to_ping = "+PONG\r\n";
    peer.answer_to_auth = "+OK\r\n";
    peer.password = "";
}

void peer_end(void)
{
    link_free(peer.link);
    fake_redis_free(peer.fake);
    evdns_base_free(peer.dns, 0);
    event_base_free(peer.base);
}

void peer_start(int64_t command_timeout_ms)
{
    struct link_address address = fake_redis_address(peer.fake);

    peer_start_link(&address, command_timeout_ms);
    run_until(peer.base, &peer.is_up);
}

void peer_ping(const char *name)
{
    const char *words[] = {"PING"};
    const size_t lens[] = {4};
    char *label;

    memcpy(&label, &name, sizeof label); /* lent to peer_pong, which only reads it */
    ck_assert_int_eq(link_command(peer.link, 1, words, lens, peer_pong, label), RESULT_OK);
}

static bool has_all_answers(void *user)
{
    return peer.replies + peer.losses == *(const int *)user;
}

void peer_wait_for_answers(int count)
{
    run_until_true(peer.base, has_all_answers, &count);
}
