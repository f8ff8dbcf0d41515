/* spec.c - the table of settings. */
#include "config/spec.h"

#include "base/text.h"
#include "config/rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */

#define NUMBER(name, member, min, max, preset, reload, unit)                                        \
    {name, SETTING_NUMBER, offsetof(struct settings, member), 0, min, max, preset, NULL, NULL, reload, unit}
#define DOUBLE(name, member, min, max, preset, reload, unit)                                        \
    {name, SETTING_DOUBLE, offsetof(struct settings, member), 0, min, max, preset, NULL, NULL, reload, unit}
#define TEXT(name, member, preset, rule, reload)                                                    \
    {name, SETTING_TEXT, offsetof(struct settings, member),                                         \
     sizeof ((struct settings *)NULL)->member, 0, 0, 0, preset, rule, reload, NULL}
#define HOSTS(name, member, preset, reload)                                                         \
    {name, SETTING_HOSTS, offsetof(struct settings, member), 0, 0, 0, 0, preset, NULL, reload, NULL}

/* Alphabetical. A test compares this table with conf/authlinkd.conf. */
const struct setting_spec config_spec[] = {
    TEXT("conductor.base_url", conductor.base_url, "https://api.conductor.is/v1", rule_base_url, RELOADS),
    TEXT("conductor.ca_file", conductor.ca_file, "", rule_readable_path, RELOADS),
    NUMBER("conductor.link_expiry_mins", conductor.link_expiry_mins, 15, 10080, 30, RELOADS, "minutes"),
    HOSTS("conductor.link_hosts", conductor.link_hosts, "connect.conductor.is", RELOADS),
    NUMBER("conductor.max_in_flight", conductor.max_in_flight, 1, 1024, 64, RELOADS, "requests"),
    TEXT("conductor.publishable_key", conductor.publishable_key, "", rule_publishable_key, RELOADS),
    HOSTS("conductor.redirect_hosts", conductor.redirect_hosts, "", RELOADS),
    TEXT("conductor.redirect_url", conductor.redirect_url, "", rule_redirect_url, RELOADS),
    NUMBER("conductor.request_timeout_ms", conductor.request_timeout_ms, 1000, 120000, 30000, RELOADS, "milliseconds"),
    TEXT("conductor.secret_key_file", conductor.secret_key_file, "", rule_path, RELOADS),
    TEXT("instance", instance, "", rule_instance, NEEDS_RESTART),
    TEXT("log.format", log.format_name, "text", rule_log_format, RELOADS),
    TEXT("log.level", log.level_name, "info", rule_log_level, RELOADS),
    TEXT("metrics.listen", metrics.listen, "", rule_metrics_listen, RELOADS),
    NUMBER("rate.burst", rate.burst, 1, 1000, 1, RELOADS, "requests"),
    DOUBLE("rate.max_per_sec", rate.max_per_sec, 0.1, 100000, 500, RELOADS, "requests per second"),
    DOUBLE("rate.per_sec", rate.per_sec, 0, 100000, 10, RELOADS, "requests per second; 0: unknown, find it out"),
    TEXT("redis.ca_file", redis.ca_file, "", rule_readable_path, NEEDS_RESTART),
    TEXT("redis.cert_file", redis.cert_file, "", rule_readable_path, NEEDS_RESTART),
    TEXT("redis.key_file", redis.key_file, "", rule_private_path, NEEDS_RESTART),
    TEXT("redis.key_prefix", redis.key_prefix, "authlink", rule_key_prefix, NEEDS_RESTART),
    TEXT("redis.password_file", redis.password_file, "", rule_path, RELOADS),
    TEXT("redis.queue", redis.queue, "", rule_queue, NEEDS_RESTART),
    TEXT("redis.url", redis.url, "redis://127.0.0.1:6379/0", rule_redis_url, NEEDS_RESTART),
    NUMBER("results.events_keep_hours", results.events_keep_hours, 1, 8760, 168, RELOADS, "hours"),
    NUMBER("results.failed_ttl_hours", results.failed_ttl_hours, 1, 8760, 168, RELOADS, "hours"),
    DOUBLE("results.reuse_min_share", results.reuse_min_share, 0, 1, 0.5, RELOADS, "share of a link's life"),
    NUMBER("retry.base_delay_ms", retry.base_delay_ms, 10, 600000, 1000, RELOADS, "milliseconds"),
    NUMBER("retry.give_up_after_mins", retry.give_up_after_mins, 1, 43200, 1440, RELOADS, "minutes"),
    NUMBER("retry.max_attempts", retry.max_attempts, 1, 100, 12, RELOADS, "attempts"),
    NUMBER("retry.max_delay_ms", retry.max_delay_ms, 10, 600000, 600000, RELOADS, "milliseconds"),
    NUMBER("retry.max_recoveries", retry.max_recoveries, 1, 100, 10, RELOADS, "recoveries"),
};

/* clang-format on */

const size_t config_spec_count = sizeof config_spec / sizeof config_spec[0];

/* "group.member" in two comparisons; `group` of length 0: "member". */
static bool is_named(const struct setting_spec *spec, const char *group, const char *member)
{
    size_t group_len = group == NULL ? 0 : strlen(group);

    if (group_len == 0)
        return strcmp(spec->name, member) == 0;
    return strncmp(spec->name, group, group_len) == 0 && spec->name[group_len] == '.' &&
           strcmp(spec->name + group_len + 1, member) == 0;
}

const struct setting_spec *spec_find(const char *group, const char *member)
{
    for (size_t i = 0; i < config_spec_count; i++)
        if (is_named(&config_spec[i], group, member))
            return &config_spec[i];
    return NULL;
}

bool spec_has_group(const char *group)
{
    size_t len = strlen(group);

    for (size_t i = 0; i < config_spec_count; i++)
        if (strncmp(config_spec[i].name, group, len) == 0 && config_spec[i].name[len] == '.')
            return true;
    return false;
}

const struct setting_spec *spec_find_member(const char *member)
{
    for (size_t i = 0; i < config_spec_count; i++) {
        const char *dot = strchr(config_spec[i].name, '.');
        if (dot != NULL && strcmp(dot + 1, member) == 0)
            return &config_spec[i];
    }
    return NULL;
}

static void *member_of(const struct setting_spec *spec, enum setting_type type,
                       struct settings *settings)
{
    assert(spec->type == type);
    return (char *)settings + spec->offset;
}

int64_t *spec_number(const struct setting_spec *spec, struct settings *settings)
{
    return member_of(spec, SETTING_NUMBER, settings);
}

double *spec_double(const struct setting_spec *spec, struct settings *settings)
{
    return member_of(spec, SETTING_DOUBLE, settings);
}

char *spec_text(const struct setting_spec *spec, struct settings *settings)
{
    return member_of(spec, SETTING_TEXT, settings);
}

struct host_list *spec_hosts(const struct setting_spec *spec, struct settings *settings)
{
    return member_of(spec, SETTING_HOSTS, settings);
}

void spec_describe(const struct setting_spec *spec, struct buffer *text)
{
    switch (spec->type) {
    case SETTING_NUMBER:
        buffer_append_format(text, "must be a whole number %.0f..%.0f (%s)", spec->min, spec->max,
                             spec->unit);
        break;
    case SETTING_DOUBLE:
        buffer_append_format(text, "must be a number %.10g..%.10g (%s)", spec->min, spec->max,
                             spec->unit);
        break;
    case SETTING_TEXT:
        buffer_append_str(text, "must be a text in double quotes");
        break;
    case SETTING_HOSTS:
        buffer_append_format(
            text, "must be an array of at most %d host names, such as [\"a.example.com\"]",
            HOST_LIST_MAX);
        break;
    }
}

static void set_default_hosts(const char *names, struct host_list *hosts)
{
    hosts->count = 0;
    if (names[0] != '\0') {
        enum result result = host_list_add(hosts, names);
        assert(result == RESULT_OK); /* of the table, not of a file */
    }
}

void spec_set_defaults(struct settings *settings)
{
    for (size_t i = 0; i < config_spec_count; i++) {
        const struct setting_spec *spec = &config_spec[i];
        switch (spec->type) {
        case SETTING_NUMBER:
            *spec_number(spec, settings) = (int64_t)spec->default_number;
            break;
        case SETTING_DOUBLE:
            *spec_double(spec, settings) = spec->default_number;
            break;
        case SETTING_TEXT:
            text_copy(spec_text(spec, settings), spec->size, spec->default_text,
                      strlen(spec->default_text));
            break;
        case SETTING_HOSTS:
            set_default_hosts(spec->default_text, spec_hosts(spec, settings));
            break;
        }
    }
}

/* libconfig has escapes of its own, but for these two they are those of C. */
static void append_quoted(const char *value, struct buffer *text)
{
    buffer_append_char(text, '"');
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            buffer_append_char(text, '\\');
        buffer_append_char(text, *value);
    }
    buffer_append_char(text, '"');
}

/* As short as it can be without losing a bit. */
static void append_double(double value, struct buffer *text)
{
    char digits[40];

    snprintf(digits, sizeof digits, "%.15g", value);
    if (strtod(digits, NULL) < value || strtod(digits, NULL) > value)
        snprintf(digits, sizeof digits, "%.17g", value);
    buffer_append_str(text, digits);
    if (strpbrk(digits, ".e") == NULL)
        buffer_append_str(text, ".0");
}

static void append_hosts(const struct host_list *hosts, struct buffer *text)
{
    buffer_append_char(text, '[');
    for (uint32_t i = 0; i < hosts->count; i++) {
        if (i > 0)
            buffer_append_str(text, ", ");
        append_quoted(hosts->hosts[i], text);
    }
    buffer_append_char(text, ']');
}

static const void *const_member_of(const struct setting_spec *spec, const struct settings *settings)
{
    return (const char *)settings + spec->offset;
}

void spec_append_value(const struct setting_spec *spec, const struct settings *settings,
                       struct buffer *text)
{
    const void *member = const_member_of(spec, settings);

    switch (spec->type) {
    case SETTING_NUMBER:
        buffer_append_format(text, "%jd", (intmax_t) * (const int64_t *)member);
        break;
    case SETTING_DOUBLE:
        append_double(*(const double *)member, text);
        break;
    case SETTING_TEXT:
        append_quoted(member, text);
        break;
    case SETTING_HOSTS:
        append_hosts(member, text);
        break;
    }
}

bool spec_is_equal(const struct setting_spec *spec, const struct settings *a,
                   const struct settings *b)
{
    struct buffer text_a;
    struct buffer text_b;

    buffer_init(&text_a, CONFIG_MESSAGES_MAX_BYTES);
    buffer_init(&text_b, CONFIG_MESSAGES_MAX_BYTES);
    spec_append_value(spec, a, &text_a);
    spec_append_value(spec, b, &text_b);
    bool is_equal = strcmp(buffer_text(&text_a), buffer_text(&text_b)) == 0;
    buffer_done(&text_a);
    buffer_done(&text_b);
    return is_equal;
}

void spec_copy_text(const struct setting_spec *spec, const struct settings *from,
                    struct settings *to)
{
    assert(spec->type == SETTING_TEXT);
    memcpy(spec_text(spec, to), (const char *)from + spec->offset, spec->size);
}
