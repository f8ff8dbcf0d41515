/* server.c - what all parts of this layer share. */
#include "queue/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "queue/reaction.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_MAX_BYTES 32768
#define QUIET_US           (60 * US_PER_SEC)
#define BACKOFF_MIN_US     (100 * US_PER_MS)
#define BACKOFF_MAX_US     (5 * US_PER_SEC)
#define UNKNOWN_ERRORS_MAX 10

/* Member names are those that daemon/queue/lua/ reads. */
static void write_settings(const struct queue_settings *settings, struct buffer *json)
{
    buffer_append_format(
        json, "{\"linkExpiryMins\":%" PRIu32 ",\"redirectUrl\":", settings->link_expiry_mins);
    buffer_append_json_string(json, settings->redirect_url, strlen(settings->redirect_url));
    buffer_append_str(json, ",\"redirectHosts\":[");
    for (uint32_t i = 0; i < settings->redirect_hosts->count; i++) {
        const char *host = settings->redirect_hosts->hosts[i];
        buffer_append_str(json, i == 0 ? "" : ",");
        buffer_append_json_string(json, host, strlen(host));
    }
    buffer_append_format(json, "],\"reuseMinShare\":%.6f", settings->reuse_min_share);
    buffer_append_format(json, ",\"failedTtlMs\":%" PRId64 ",\"eventsKeepMs\":%" PRId64,
                         settings->failed_ttl_ms, settings->events_keep_ms);
    buffer_append_format(json, ",\"maxRecoveries\":%" PRIu32, settings->max_recoveries);
    buffer_append_format(json, ",\"perSec\":%.17g,\"burst\":%.17g,\"maxPerSec\":%.17g",
                         settings->per_sec, settings->burst, settings->max_per_sec);
    buffer_append_format(json,
                         ",\"holdBackoffMinMs\":%" PRId64 ",\"holdBackoffMaxMs\":%" PRId64
                         ",\"outageQuietMs\":%" PRId64 "}",
                         settings->timing.hold_backoff_min_ms, settings->timing.hold_backoff_max_ms,
                         settings->timing.outage_quiet_ms);
}

enum result server_configure(struct server *server, const struct queue_settings *settings)
{
    struct buffer json;

    buffer_init(&json, SETTINGS_MAX_BYTES);
    write_settings(settings, &json);
    char *publishable_key = strdup(settings->publishable_key);
    char *redirect_url = strdup(settings->redirect_url);
    if (publishable_key == NULL || redirect_url == NULL || json.failed) {
        free(publishable_key);
        free(redirect_url);
        buffer_done(&json);
        return RESULT_NO_MEMORY;
    }
    buffer_done(&server->settings_json);
    server->settings_json = json;
    free(server->publishable_key);
    server->publishable_key = publishable_key;
    free(server->redirect_url);
    server->redirect_url = redirect_url;
    text_copy(server->owner, sizeof server->owner, settings->owner, strlen(settings->owner));
    text_copy(server->key_fp, sizeof server->key_fp, settings->key_fp, strlen(settings->key_fp));
    server->link_expiry_mins = settings->link_expiry_mins;
    server->events_keep_ms = settings->events_keep_ms;
    server->per_sec = settings->per_sec;
    server->burst = settings->burst;
    server->max_per_sec = settings->max_per_sec;
    server->request_timeout_ms = settings->request_timeout_ms;
    server->timing = settings->timing;
    return RESULT_OK;
}

void server_done(struct server *server)
{
    server->scripts = scripts_free(server->scripts);
    server->link = link_free(server->link);
    buffer_done(&server->settings_json);
    free(server->publishable_key);
    server->publishable_key = NULL;
    free(server->redirect_url);
    server->redirect_url = NULL;
}

void server_lease_name(const struct server *server, uint64_t seq, char *target)
{
    snprintf(target, LEASE_NAME_MAX + 1, "%s/%s/%" PRIu64, server->owner, server->boot, seq);
}

void server_note_reply(struct server *server, int64_t now_ms)
{
    server->last_reply_us = clock_mono_us();
    server->clock_offset_ms = now_ms - server->last_reply_us / US_PER_MS;
    server->last_error[0] = '\0';
    server->unknown_errors = 0;
}

int64_t server_now_ms(const struct server *server)
{
    return server->clock_offset_ms == 0 ? 0 : server->clock_offset_ms + clock_mono_us() / US_PER_MS;
}

/* True when this line may be written: it is new, or an old one a minute later. */
static bool may_log(struct server *server, const char *text)
{
    int64_t now_us = clock_mono_us();
    bool is_same = strcmp(server->last_error, text) == 0;
    int64_t quiet_us = is_same ? QUIET_US : US_PER_SEC;

    if (server->last_error_us != 0 && now_us - server->last_error_us < quiet_us)
        return false;
    text_copy(server->last_error, sizeof server->last_error, text, strlen(text));
    server->last_error_us = now_us;
    return true;
}

static bool needs_a_person(enum reaction reaction)
{
    return reaction == REACTION_CONFIGURATION || reaction == REACTION_PASSWORD ||
           reaction == REACTION_UNKNOWN;
}

static bool ends_connection(struct server *server, enum reaction reaction)
{
    if (reaction == REACTION_UNKNOWN && ++server->unknown_errors >= UNKNOWN_ERRORS_MAX) {
        server->unknown_errors = 0;
        return true;
    }
    return reaction == REACTION_RECONNECT || reaction == REACTION_PASSWORD;
}

bool server_react(struct server *server, const char *what, const redisReply *error)
{
    enum reaction reaction = reaction_to(error->str, error->len);
    char line[96];

    server->last_refusal_us = clock_mono_us();
    snprintf(line, sizeof line, "%s %.*s", what, (int)strcspn(error->str, " \r\n"), error->str);
    if (may_log(server, line)) {
        enum log_level level = needs_a_person(reaction) ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN;
        LOG_AT(level, "redis.refused", log_str("what", what),
               log_bytes("reply", error->str, error->len < 200 ? error->len : 200),
               log_str("advice", reaction_advice(error->str, error->len)),
               log_str("now", "waiting; nothing is lost"));
    }
    if (!ends_connection(server, reaction))
        return true;
    link_drop(server->link, line);
    return false;
}

void server_reject(struct server *server, const char *what)
{
    if (may_log(server, what))
        log_error("redis.misunderstood", log_str("what", what),
                  log_str("advice",
                          "is redis.url a Redis server, and is every authlinkd of one version?"));
    link_drop(server->link, "a reply of Redis has not the form it must have");
}

struct link_times server_link_times(const struct timing *timing)
{
    return (struct link_times){.command_timeout_us = timing->command_timeout_ms * US_PER_MS,
                               .reconnect_min_us = timing->reconnect_min_ms * US_PER_MS,
                               .reconnect_max_us = timing->reconnect_max_ms * US_PER_MS};
}

int64_t server_backoff_us(uint32_t tries)
{
    int64_t wait_us = BACKOFF_MIN_US;

    for (uint32_t i = 1; i < tries && wait_us < BACKOFF_MAX_US; i++)
        wait_us *= 2;
    return wait_us < BACKOFF_MAX_US ? wait_us : BACKOFF_MAX_US;
}
