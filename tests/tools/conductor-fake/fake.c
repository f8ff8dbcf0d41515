/* fake.c - the state of the fake API: made by the command line, and again at a reset. */
#include "fake.h"

#include "auth_sessions.h"
#include "base/clock.h"
#include "options.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static uint64_t random_seed(void)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)clock_mono_us();
    return seed;
}

static void free_content(struct fake *fake)
{
    settings_done(&fake->settings);
    keys_done(&fake->keys);
    users_done(&fake->users);
    faults_clear(&fake->faults);
    limiter_reset(&fake->limiter);
}

static enum result read_command_line(struct fake *fake, struct buffer *reterr_reason)
{
    enum result result = settings_init(&fake->settings);

    if (result == RESULT_OK)
        result = options_read(fake, fake->argc, fake->argv, reterr_reason);
    if (result != RESULT_OK) {
        free_content(fake);
        return result;
    }
    chance_seed(&fake->chance,
                fake->settings.seed != 0 ? (uint64_t)fake->settings.seed : random_seed());
    return RESULT_OK;
}

enum result fake_init(struct fake *fake, int argc, char **argv, struct buffer *reterr_reason)
{
    *fake = (struct fake){.argc = argc, .argv = argv};
    enum result result = read_command_line(fake, reterr_reason);

    if (result != RESULT_OK)
        return result;
    record_init(&fake->record, (size_t)fake->settings.record_max);
    sessions_init(&fake->sessions, (size_t)fake->settings.record_max);
    return RESULT_OK;
}

void fake_done(struct fake *fake)
{
    free_content(fake);
    ring_done(&fake->record);
    ring_done(&fake->sessions);
}

enum result fake_reset(struct fake *fake, struct buffer *reterr_reason)
{
    uint64_t open_connections = fake->stats.open_connections;

    free_content(fake);
    ring_reset(&fake->record);
    ring_reset(&fake->sessions);
    fake->stats = (struct stats){
        .open_connections = open_connections,
        .max_open_connections = open_connections,
    };
    fake->epoch++;
    return read_command_line(fake, reterr_reason);
}

int64_t fake_clock_unix_ms(const struct fake *fake)
{
    return clock_wall_unix_ms() + fake->settings.clock_offset_ms;
}

void fake_make_id(struct fake *fake, const char *prefix, size_t len, char *target, size_t size)
{
    int prefix_len = snprintf(target, size, "%s", prefix);

    if (prefix_len >= 0 && (size_t)prefix_len + len < size)
        chance_letters(&fake->chance, target + prefix_len, len);
}
