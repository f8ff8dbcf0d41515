/* server_check.c - is this Redis fit to keep jobs and links? */
#include "queue/server_check.h"

#include "base/log.h"
#include "base/text.h"

#include <string.h>

#define VALUE_MAX_LEN 63

/* The value of `name:` at the start of a line; "" if there is none. */
static void find_value(const char *info, size_t len, const char *name, char *value)
{
    size_t name_len = strlen(name);
    const char *line = info;
    const char *end = info + len;

    value[0] = '\0';
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL)
            stop = end;
        size_t line_len = (size_t)(stop - line);
        if (line_len > name_len && memcmp(line, name, name_len) == 0 && line[name_len] == ':') {
            size_t trimmed = 0;
            const char *text = text_trim(line + name_len + 1, line_len - name_len - 1, &trimmed);
            text_copy(value, VALUE_MAX_LEN + 1, text, trimmed);
            return;
        }
        line = stop + 1;
    }
}

/* "7.0.15" is at least 7.0. */
static bool is_at_least(const char *version, int64_t major, int64_t minor)
{
    size_t major_len = strcspn(version, ".");
    int64_t found_major = 0;
    int64_t found_minor = 0;

    if (text_to_int64(version, major_len, 0, 1000, &found_major) != RESULT_OK ||
        version[major_len] == '\0')
        return false;
    const char *rest = version + major_len + 1;
    if (text_to_int64(rest, strcspn(rest, "."), 0, 1000, &found_minor) != RESULT_OK)
        return false;
    return found_major > major || (found_major == major && found_minor >= minor);
}

static int check_version(const char *info, size_t len)
{
    char redis[VALUE_MAX_LEN + 1];
    char valkey[VALUE_MAX_LEN + 1];

    find_value(info, len, "redis_version", redis);
    find_value(info, len, "valkey_version", valkey);
    bool is_fit = valkey[0] != '\0' ? is_at_least(valkey, 7, 2) : is_at_least(redis, 7, 0);
    if (is_fit)
        return 0;
    log_error("redis.too_old", log_str("version", valkey[0] != '\0' ? valkey : redis),
              log_str("advice", "Redis 7.0 or Valkey 7.2 is the oldest whose scripts can do this"));
    return 1;
}

int server_check_info(const char *info, size_t len)
{
    char value[VALUE_MAX_LEN + 1];
    int warnings = check_version(info, len);

    find_value(info, len, "maxmemory_policy", value);
    if (text_starts_with(value, "allkeys-")) {
        warnings++;
        log_warn("redis.evicts", log_str("maxmemory_policy", value),
                 log_str("risk", "a full Redis throws the whole queue away as one key"),
                 log_str("advice", "CONFIG SET maxmemory-policy noeviction"));
    }
    find_value(info, len, "aof_enabled", value);
    if (strcmp(value, "0") == 0) {
        warnings++;
        log_warn("redis.forgets", log_str("appendonly", "no"),
                 log_str("risk",
                         "a restart of Redis loses jobs that were pushed and links that were made"),
                 log_str("advice", "CONFIG SET appendonly yes, and appendonly yes in redis.conf, "
                                   "else it is off again after a restart"));
    }
    find_value(info, len, "rdb_last_bgsave_status", value);
    if (strcmp(value, "err") == 0) {
        warnings++;
        log_warn("redis.unsaved", log_str("rdb_last_bgsave_status", value),
                 log_str("risk", "Redis could not write its snapshot, and may refuse writes soon"),
                 log_str("advice", "look at the log and the disk of Redis"));
    }
    find_value(info, len, "role", value);
    if (strcmp(value, "slave") == 0) {
        warnings++;
        log_error("redis.is_replica", log_str("advice", "redis.url must name the primary"));
    }
    return warnings;
}
