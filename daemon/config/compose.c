/* compose.c - the settings in the form of the modules below. */
#include "config/compose.h"

#include "base/text.h"
#include "config/places.h"

#include <assert.h>
#include <string.h>

#define MS_PER_MIN  INT64_C(60000)
#define MS_PER_HOUR INT64_C(3600000)

struct conductor_settings compose_conductor(const struct settings *settings)
{
    assert(settings->secret_key != NULL);
    return (struct conductor_settings){
        .base_url = settings->conductor.base_url,
        .secret_key = secret_text(settings->secret_key),
        .key_fp = secret_fingerprint(settings->secret_key),
        .publishable_key = settings->conductor.publishable_key,
        .ca_file = settings->conductor.ca_file,
        .link_hosts = &settings->conductor.link_hosts,
        .request_timeout_ms = settings->conductor.request_timeout_ms,
        .max_in_flight = (uint32_t)settings->conductor.max_in_flight,
    };
}

struct queue_settings compose_queue(const struct settings *settings, const char *owner)
{
    struct queue_settings queue = {
        .address = settings->redis.address,
        .publishable_key = settings->conductor.publishable_key,
        .request_timeout_ms = settings->conductor.request_timeout_ms,
        .timing = timing_get(),
        .link_expiry_mins = (uint32_t)settings->conductor.link_expiry_mins,
        .redirect_url = settings->conductor.redirect_url,
        .redirect_hosts = &settings->conductor.redirect_hosts,
        .reuse_min_share = settings->results.reuse_min_share,
        .failed_ttl_ms = settings->results.failed_ttl_hours * MS_PER_HOUR,
        .events_keep_ms = settings->results.events_keep_hours * MS_PER_HOUR,
        .max_recoveries = (uint32_t)settings->retry.max_recoveries,
        .per_sec = settings->rate.per_sec,
        .burst = (double)settings->rate.burst,
        .max_per_sec = settings->rate.max_per_sec,
    };
    const char *key_fp = secret_fingerprint(settings->secret_key);

    static_assert(KEY_FP_LEN == SECRET_FINGERPRINT_LEN, "holds bind by the secret's fingerprint");
    assert(strlen(owner) < sizeof queue.owner); /* instance and host ID are bounded */
    text_copy(queue.owner, sizeof queue.owner, owner, strlen(owner));
    text_copy(queue.key_fp, sizeof queue.key_fp, key_fp, strlen(key_fp));
    text_copy(queue.key_prefix, sizeof queue.key_prefix, settings->redis.key_prefix,
              strlen(settings->redis.key_prefix));
    text_copy(queue.queue_key, sizeof queue.queue_key, settings->redis.queue,
              strlen(settings->redis.queue));
    return queue;
}

struct retry_policy compose_retry(const struct settings *settings)
{
    return (struct retry_policy){
        .max_attempts = (uint32_t)settings->retry.max_attempts,
        .give_up_after_ms = settings->retry.give_up_after_mins * MS_PER_MIN,
        .base_delay_ms = settings->retry.base_delay_ms,
        .max_delay_ms = settings->retry.max_delay_ms,
    };
}

bool compose_redis_password(const struct settings *settings, char *target, size_t size,
                            struct buffer *reterr_messages)
{
    struct secret_places places = places_of_redis_password(settings);
    struct secret *secret = NULL;
    enum result result = secret_load(&places, &secret, reterr_messages);

    if (result == RESULT_NOT_FOUND)
        return text_copy(target, size, "", 0) == RESULT_OK;
    if (result != RESULT_OK)
        return false;
    const char *password = secret_text(secret);
    bool is_copied = text_copy(target, size, password, strlen(password)) == RESULT_OK;
    secret_free(secret);
    return is_copied;
}
