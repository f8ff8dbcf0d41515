/* limiter.c - token bucket, fixed window, sliding log. */
#include "limiter.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

#define WINDOW_MAX 10000000

static bool take_token(struct limiter *limiter, const struct settings *settings, int64_t now_us,
                       int64_t *reterr_wait_us)
{
    double burst = (double)settings->burst;
    double rate_per_us = settings->rate / (double)US_PER_SEC;

    if (limiter->filled_us == 0)
        limiter->tokens = burst;
    else
        limiter->tokens += (double)(now_us - limiter->filled_us) * rate_per_us;
    limiter->tokens = fmin(limiter->tokens, burst);
    limiter->filled_us = now_us;
    if (limiter->tokens >= 1.0) {
        limiter->tokens -= 1.0;
        return true;
    }
    *reterr_wait_us = (int64_t)ceil((1.0 - limiter->tokens) / rate_per_us);
    return false;
}

/* How many a window of the set length lets through; one at the least, and what a log can hold. */
static int64_t window_size(const struct settings *settings)
{
    int64_t size = llround(settings->rate * (double)settings->window_ms / (double)MS_PER_SEC);

    return size < 1 ? 1 : size > WINDOW_MAX ? WINDOW_MAX : size;
}

static bool take_of_window(struct limiter *limiter, const struct settings *settings, int64_t now_us,
                           int64_t *reterr_wait_us)
{
    int64_t length_us = settings->window_ms * US_PER_MS;
    int64_t start_us = now_us - now_us % length_us;

    if (start_us != limiter->window_us) {
        limiter->window_us = start_us;
        limiter->window_count = 0;
    }
    if (limiter->window_count < window_size(settings)) {
        limiter->window_count++;
        return true;
    }
    *reterr_wait_us = start_us + length_us - now_us;
    return false;
}

/* Makes the log as long as the window is large; a change of the limit forgets it. */
static bool fit_log(struct limiter *limiter, size_t size)
{
    if (limiter->log_cap == size)
        return true;
    free(limiter->log_us);
    limiter->log_us = calloc(size, sizeof *limiter->log_us);
    limiter->log_cap = limiter->log_us == NULL ? 0 : size;
    limiter->log_at = 0;
    return limiter->log_us != NULL;
}

static bool take_of_log(struct limiter *limiter, const struct settings *settings, int64_t now_us,
                        int64_t *reterr_wait_us)
{
    int64_t length_us = settings->window_ms * US_PER_MS;

    if (!fit_log(limiter, (size_t)window_size(settings))) {
        *reterr_wait_us = length_us;
        return false;
    }
    int64_t oldest_us = limiter->log_us[limiter->log_at];
    if (oldest_us == 0 || now_us - oldest_us >= length_us) {
        limiter->log_us[limiter->log_at] = now_us;
        limiter->log_at = (limiter->log_at + 1) % limiter->log_cap;
        return true;
    }
    *reterr_wait_us = oldest_us + length_us - now_us;
    return false;
}

bool limiter_take(struct limiter *limiter, const struct settings *settings, int64_t now_us,
                  int64_t *reterr_wait_us)
{
    if (settings->rate <= 0)
        return true;
    switch ((enum limit_kind)settings->limit) {
    case LIMIT_BUCKET:
        return take_token(limiter, settings, now_us, reterr_wait_us);
    case LIMIT_WINDOW:
        return take_of_window(limiter, settings, now_us, reterr_wait_us);
    case LIMIT_LOG:
        return take_of_log(limiter, settings, now_us, reterr_wait_us);
    }
    return true;
}

static struct quota quota_of_bucket(const struct limiter *limiter, const struct settings *settings)
{
    double missing = (double)settings->burst - limiter->tokens;

    return (struct quota){(int64_t)limiter->tokens,
                          (int64_t)ceil(missing / settings->rate * (double)US_PER_SEC)};
}

static struct quota quota_of_window(const struct limiter *limiter, const struct settings *settings,
                                    int64_t now_us)
{
    int64_t length_us = settings->window_ms * US_PER_MS;

    return (struct quota){window_size(settings) - limiter->window_count,
                          length_us - now_us % length_us};
}

static struct quota quota_of_log(const struct limiter *limiter, const struct settings *settings,
                                 int64_t now_us)
{
    int64_t length_us = settings->window_ms * US_PER_MS;
    struct quota quota = {0, 0};

    for (size_t i = 0; i < limiter->log_cap; i++) {
        int64_t counts_us = limiter->log_us[i] + length_us - now_us;
        if (limiter->log_us[i] == 0 || counts_us <= 0)
            quota.left++;
        else if (counts_us > quota.reset_us)
            quota.reset_us = counts_us;
    }
    return quota;
}

struct quota limiter_quota(const struct limiter *limiter, const struct settings *settings,
                           int64_t now_us)
{
    switch ((enum limit_kind)settings->limit) {
    case LIMIT_BUCKET:
        return quota_of_bucket(limiter, settings);
    case LIMIT_WINDOW:
        return quota_of_window(limiter, settings, now_us);
    case LIMIT_LOG:
        return quota_of_log(limiter, settings, now_us);
    }
    return (struct quota){0, 0};
}

void limiter_reset(struct limiter *limiter)
{
    free(limiter->log_us);
    *limiter = (struct limiter){0};
}
