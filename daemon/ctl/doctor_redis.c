/* doctor_redis.c - what Redis is, how it keeps things, and what its user may. */
#include "base/clock.h"
#include "base/text.h"
#include "ctl/doctor.h"
#include "queue/replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_SIZE         64
#define CLOCK_TOLERANCE_MS 2000
#define SLOW_US            (20 * US_PER_MS)
#define PINGS              5
#define PACKING            "hash-max-listpack-value"
#define PACKED_VALUE_BYTES 512 /* a link of the API has about 240 */

/* The value of `name:` in the text of INFO; "" if there is none. */
static void info_value(const redisReply *info, const char *name, char value[VALUE_SIZE])
{
    size_t name_len = strlen(name);
    const char *line = reply_text(info);

    value[0] = '\0';
    while (line != NULL && *line != '\0') {
        if (strncmp(line, name, name_len) == 0 && line[name_len] == ':') {
            const char *text = line + name_len + 1;
            text_copy(value, VALUE_SIZE, text, strcspn(text, "\r\n"));
            return;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
}

static void look_at_version(struct doctor *doctor, const redisReply *info)
{
    char redis[VALUE_SIZE];
    char valkey[VALUE_SIZE];

    info_value(info, "redis_version", redis);
    info_value(info, "valkey_version", valkey);
    bool is_valkey = valkey[0] != '\0';
    double version = strtod(is_valkey ? valkey : redis, NULL);
    bool is_fit = version >= (is_valkey ? 7.2 : 7.0);
    doctor_find(doctor, is_fit ? VERDICT_OK : VERDICT_FAIL, "redis.version",
                is_fit ? "" : "Redis 7.0 or Valkey 7.2 is the oldest that will do", "%s %s",
                is_valkey ? "Valkey" : "Redis", is_valkey ? valkey : redis);
}

static void look_at_role(struct doctor *doctor, const redisReply *info)
{
    char value[VALUE_SIZE];

    info_value(info, "role", value);
    bool is_replica = strcmp(value, "slave") == 0;
    doctor_find(doctor, is_replica ? VERDICT_FAIL : VERDICT_OK, "redis.role",
                is_replica ? "redis.url must name the primary" : "", "%s",
                is_replica ? "a replica: it takes no writes" : "primary");
}

static void look_at_persistence(struct doctor *doctor, const redisReply *info)
{
    char aof[VALUE_SIZE];
    char aof_write[VALUE_SIZE];
    char save[VALUE_SIZE];

    info_value(info, "aof_enabled", aof);
    info_value(info, "aof_last_write_status", aof_write);
    info_value(info, "rdb_last_bgsave_status", save);
    bool is_on = strcmp(aof, "1") == 0;
    doctor_find(doctor, is_on ? VERDICT_OK : VERDICT_WARN, "redis.persistence",
                is_on ? "" : "CONFIG SET appendonly yes, and in redis.conf", "%s",
                is_on ? "appendonly is on"
                      : "appendonly is off: a restart of Redis loses jobs and links");
    if (strcmp(save, "err") == 0 || strcmp(aof_write, "err") == 0)
        doctor_find(doctor, VERDICT_FAIL, "redis.disk", "look at the disk and the log of Redis",
                    "Redis cannot write to its disk, and may refuse writes soon");
}

static void look_at_memory(struct doctor *doctor, const redisReply *info)
{
    char policy[VALUE_SIZE];
    char used[VALUE_SIZE];
    char most[VALUE_SIZE];

    info_value(info, "maxmemory_policy", policy);
    info_value(info, "used_memory", used);
    info_value(info, "maxmemory", most);
    bool is_safe = strcmp(policy, "noeviction") == 0;
    bool takes_all = text_starts_with(policy, "allkeys-");
    doctor_find(doctor,
                is_safe     ? VERDICT_OK
                : takes_all ? VERDICT_FAIL
                            : VERDICT_WARN,
                "redis.eviction",
                is_safe ? "" : "CONFIG SET maxmemory-policy noeviction, and in redis.conf",
                "maxmemory-policy is %s%s", policy,
                is_safe     ? ""
                : takes_all ? ": a full Redis throws the queue away"
                            : ": a full Redis throws links away");
    double share = strtod(most, NULL) > 0 ? strtod(used, NULL) / strtod(most, NULL) : 0;
    bool is_tight = share > 0.8;
    if (share > 0)
        doctor_find(doctor, is_tight ? VERDICT_WARN : VERDICT_OK, "redis.memory",
                    is_tight ? "raise maxmemory" : "", "%.0f %% of maxmemory used", 100 * share);
}

/*
 * A link is longer than the 64 bytes that Redis packs by itself; packed, a session with its event
 * takes 0.9 KB instead of 1.5 (Redis 7.0). Said where the user may ask; no fault where it is not
 * so.
 */
static void look_at_packing(struct doctor *doctor)
{
    redisReply *reply = NULL;

    if (dialog_ask(doctor->ctl->dialog, &reply, "CONFIG", "GET", PACKING, NULL) != RESULT_OK)
        return;
    const char *value = reply_text(reply_at(reply, 1));
    bool is_packed = strtoll(value, NULL, 10) >= PACKED_VALUE_BYTES;
    if (value[0] != '\0')
        doctor_find(doctor, VERDICT_OK, "redis.packing",
                    is_packed ? ""
                              : "to save memory: CONFIG SET " PACKING " 512, and in redis.conf",
                    PACKING " is %s%s", value,
                    is_packed ? "" : ": links take 1.7 times the memory that they need");
    freeReplyObject(reply);
}

static void look_at_clock(struct doctor *doctor)
{
    redisReply *reply = NULL;

    int64_t before_ms = clock_wall_unix_ms();
    if (dialog_ask(doctor->ctl->dialog, &reply, "TIME", NULL) != RESULT_OK)
        return;
    int64_t here_ms = (before_ms + clock_wall_unix_ms()) / 2;
    int64_t redis_ms = strtoll(reply_text(reply_at(reply, 0)), NULL, 10) * MS_PER_SEC +
                       strtoll(reply_text(reply_at(reply, 1)), NULL, 10) / US_PER_MS;
    freeReplyObject(reply);
    bool is_near = llabs(redis_ms - here_ms) <= CLOCK_TOLERANCE_MS;
    doctor_find(
        doctor, is_near ? VERDICT_OK : VERDICT_WARN, "redis.clock",
        is_near ? "" : "let both hosts keep time by NTP: notAfterMs counts by the clock of Redis",
        "the clock of Redis is %+" PRId64 " ms from ours", redis_ms - here_ms);
}

static void look_at_latency(struct doctor *doctor)
{
    int64_t best_us = INT64_MAX;

    for (int i = 0; i < PINGS; i++) {
        redisReply *reply = NULL;
        int64_t begin_us = clock_mono_us();
        if (dialog_ask(doctor->ctl->dialog, &reply, "PING", NULL) != RESULT_OK)
            return;
        freeReplyObject(reply);
        int64_t took_us = clock_mono_us() - begin_us;
        best_us = took_us < best_us ? took_us : best_us;
    }
    bool is_slow = best_us > SLOW_US;
    doctor_find(doctor, is_slow ? VERDICT_WARN : VERDICT_OK, "redis.latency",
                is_slow ? "run the daemon near Redis: a job takes some round trips" : "",
                "%.2f ms a round trip", (double)best_us / US_PER_MS);
}

/* A step that is given nothing to do, or something that no step does, checks its rights and ends.
 */
static void look_at_step(struct doctor *doctor, enum lua_step_id id, const char *const *keys,
                         const char *word)
{
    struct dialog *dialog = doctor->ctl->dialog;
    struct script_args args = {0};
    redisReply *reply = NULL;
    char check[VALUE_SIZE];

    for (; *keys != NULL; keys++)
        script_args_key(&args, *keys);
    script_args_text(&args, dialog_keys(dialog)->prefix);
    if (word != NULL)
        script_args_text(&args, word);
    snprintf(check, sizeof check, "redis.step.%s", lua_step(id).name);
    enum result result = dialog_step(dialog, id, &args, &reply);
    if (result == RESULT_OK)
        freeReplyObject(reply);
    bool is_fit = result == RESULT_OK ||
                  (word != NULL && strstr(dialog_why(dialog), "unknown action") != NULL);
    doctor_find(doctor, is_fit ? VERDICT_OK : VERDICT_FAIL, check,
                is_fit ? "" : "conf/authlinkd.acl has the rights of an operator", "%s",
                is_fit ? "may run" : dialog_why(dialog));
}

static void look_at_push(struct doctor *doctor)
{
    struct dialog *dialog = doctor->ctl->dialog;
    redisReply *reply = NULL;
    char key[KEY_MAX_LEN];

    snprintf(key, sizeof key, "%s:doctor", dialog_keys(dialog)->prefix);
    enum result result = dialog_ask(dialog, &reply, "RPUSH", key, "x", NULL);
    if (result == RESULT_OK)
        freeReplyObject(reply);
    if (result == RESULT_OK)
        result = dialog_ask(dialog, &reply, "DEL", key, NULL);
    if (result == RESULT_OK)
        freeReplyObject(reply);
    doctor_find(doctor, result == RESULT_OK ? VERDICT_OK : VERDICT_FAIL, "redis.push",
                result == RESULT_OK ? "" : "conf/authlinkd.acl has the rights of an operator", "%s",
                result == RESULT_OK ? "may push" : dialog_why(dialog));
}

void doctor_look_at_redis(struct doctor *doctor)
{
    struct dialog *dialog = doctor->ctl->dialog;
    const struct keys *keys = dialog_keys(dialog);
    redisReply *info = NULL;

    if (dialog_ask(dialog, &info, "INFO", NULL) == RESULT_OK) {
        look_at_version(doctor, info);
        look_at_role(doctor, info);
        look_at_persistence(doctor, info);
        look_at_memory(doctor, info);
        freeReplyObject(info);
    } else {
        doctor_find(doctor, VERDICT_WARN, "redis.info", "allow INFO to this user: +info", "%s",
                    dialog_why(dialog));
    }
    look_at_packing(doctor);
    look_at_clock(doctor);
    look_at_latency(doctor);
    look_at_push(doctor);
    look_at_step(doctor, LUA_STEP_audit,
                 (const char *[]){keys->queue, keys->delayed, keys->leases, keys->inflight,
                                  keys->dead, keys->stats, NULL},
                 NULL);
    look_at_step(doctor, LUA_STEP_hold, (const char *[]){keys->holds, keys->limiter, NULL},
                 "check");
    look_at_step(doctor, LUA_STEP_redrive,
                 (const char *[]){keys->dead, keys->delayed, keys->stats, NULL}, NULL);
    look_at_step(doctor, LUA_STEP_remove, (const char *[]){keys->dead, keys->stats, NULL}, NULL);
}
