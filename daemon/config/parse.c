/* parse.c - from the text of a configuration file to settings, by the table. */
#include "config/parse.h"

#include "base/text.h"
#include "config/redis_url.h"
#include "config/rules.h"
#include "config/spec.h"

#include <libconfig.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Below this a request comes so seldom that the pace takes its slot for a clock that went back. */
#define SLOWEST_PER_SEC 0.01

/* One reading of one file. */
struct reading {
    const char *path;
    config_t *config; /* borrowed; NULL: there is no file */
    struct settings *settings;
    struct buffer *messages;
    bool has_faults;
};

/* `file:line: ` or, where no line can be named, `file: `. */
static void begin_fault(struct reading *reading, unsigned int line)
{
    reading->has_faults = true;
    buffer_append_str(reading->messages, reading->path);
    if (line > 0)
        buffer_append_format(reading->messages, ":%u", line);
    buffer_append_str(reading->messages, ": ");
}

static unsigned int line_of(const config_setting_t *setting)
{
    return config_setting_source_line(setting);
}

/* The fault of a setting that may or may not stand in the file. */
static void say_fault(struct reading *reading, const char *name, const char *why)
{
    const config_setting_t *setting =
        reading->config == NULL ? NULL : config_lookup(reading->config, name);

    begin_fault(reading, setting == NULL ? 0 : line_of(setting));
    buffer_append_format(reading->messages, "%s: %s\n", name, why);
}

static void say_description(struct reading *reading, const config_setting_t *setting,
                            const struct setting_spec *spec)
{
    begin_fault(reading, line_of(setting));
    buffer_append_format(reading->messages, "%s: ", spec->name);
    spec_describe(spec, reading->messages);
    buffer_append_char(reading->messages, '\n');
}

/* Whole numbers in decimal. libconfig cuts hexadecimal ones off at 32 bits in silence. */
static bool is_whole_number(const config_setting_t *setting)
{
    int type = config_setting_type(setting);

    return (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) &&
           config_setting_get_format(setting) == CONFIG_FORMAT_DEFAULT;
}

static bool read_number(const config_setting_t *setting, const struct setting_spec *spec,
                        int64_t *target)
{
    if (!is_whole_number(setting))
        return false;
    int64_t value = config_setting_get_int64(setting);
    if (value < (int64_t)spec->min || value > (int64_t)spec->max)
        return false;
    *target = value;
    return true;
}

static bool read_double(const config_setting_t *setting, const struct setting_spec *spec,
                        double *target)
{
    double value;

    if (config_setting_type(setting) == CONFIG_TYPE_FLOAT)
        value = config_setting_get_float(setting);
    else if (is_whole_number(setting))
        value = (double)config_setting_get_int64(setting);
    else
        return false;
    if (!(value >= spec->min && value <= spec->max)) /* so that nan is refused */
        return false;
    *target = value;
    return true;
}

static bool read_hosts(const config_setting_t *setting, struct host_list *target)
{
    struct host_list hosts = {.count = 0};
    int type = config_setting_type(setting);

    if (type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST)
        return false;
    for (int i = 0; i < config_setting_length(setting); i++) {
        const char *host = config_setting_get_string_elem(setting, i);
        if (host == NULL || host_list_add(&hosts, host) != RESULT_OK)
            return false;
    }
    *target = hosts;
    return true;
}

/* Says itself what is wrong. */
static void read_text(struct reading *reading, const config_setting_t *setting,
                      const struct setting_spec *spec)
{
    const char *value = config_setting_get_string(setting);
    struct buffer why;

    if (value == NULL) {
        say_description(reading, setting, spec);
        return;
    }
    buffer_init(&why, CONFIG_TEXT_MAX_LEN);
    bool is_fitting = strlen(value) < spec->size;
    if (!is_fitting)
        buffer_append_format(&why, "is too long: %zu bytes, %zu are the most", strlen(value),
                             spec->size - 1);
    if (is_fitting && (spec->rule == NULL || spec->rule(value, &why)))
        text_copy(spec_text(spec, reading->settings), spec->size, value, strlen(value));
    else
        say_fault(reading, spec->name, buffer_text(&why));
    buffer_done(&why);
}

static void read_setting(struct reading *reading, const config_setting_t *setting,
                         const struct setting_spec *spec)
{
    bool is_read = false;

    switch (spec->type) {
    case SETTING_NUMBER:
        is_read = read_number(setting, spec, spec_number(spec, reading->settings));
        break;
    case SETTING_DOUBLE:
        is_read = read_double(setting, spec, spec_double(spec, reading->settings));
        break;
    case SETTING_TEXT:
        read_text(reading, setting, spec);
        return;
    case SETTING_HOSTS:
        is_read = read_hosts(setting, spec_hosts(spec, reading->settings));
        break;
    }
    if (!is_read)
        say_description(reading, setting, spec);
}

static void say_unknown(struct reading *reading, const config_setting_t *setting, const char *group)
{
    const char *name = config_setting_name(setting);
    const struct setting_spec *meant = spec_find_member(name);

    begin_fault(reading, line_of(setting));
    buffer_append_format(reading->messages, "%s%s%s: is no setting", group == NULL ? "" : group,
                         group == NULL ? "" : ".", name);
    if (meant != NULL)
        buffer_append_format(reading->messages, "; meant is probably %s", meant->name);
    buffer_append_char(reading->messages, '\n');
}

static void read_member(struct reading *reading, const config_setting_t *setting, const char *group)
{
    const struct setting_spec *spec = spec_find(group, config_setting_name(setting));

    if (spec == NULL)
        say_unknown(reading, setting, group);
    else
        read_setting(reading, setting, spec);
}

static void read_group(struct reading *reading, const config_setting_t *setting)
{
    const char *group = config_setting_name(setting);

    if (config_setting_type(setting) != CONFIG_TYPE_GROUP) {
        begin_fault(reading, line_of(setting));
        buffer_append_format(reading->messages, "%s: must be a group, as in %s = { ... };\n", group,
                             group);
        return;
    }
    for (int i = 0; i < config_setting_length(setting); i++)
        read_member(reading, config_setting_get_elem(setting, (unsigned int)i), group);
}

static void read_root(struct reading *reading)
{
    const config_setting_t *root = config_root_setting(reading->config);

    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *setting = config_setting_get_elem(root, (unsigned int)i);
        if (spec_has_group(config_setting_name(setting)))
            read_group(reading, setting);
        else
            read_member(reading, setting, NULL);
    }
}

static void check_rate(struct reading *reading)
{
    double per_sec = reading->settings->rate.per_sec;

    if (per_sec > 0 && per_sec < SLOWEST_PER_SEC)
        say_fault(reading, "rate.per_sec",
                  "must be 0 (unknown) or 0.01..100000 (requests per second)");
}

static void check_delays(struct reading *reading)
{
    if (reading->settings->retry.base_delay_ms > reading->settings->retry.max_delay_ms)
        say_fault(reading, "retry.max_delay_ms", "must not be below retry.base_delay_ms");
}

/* Steps of Redis Cluster touch one slot only, and the queue is a key like the others. */
static void complete_queue(struct reading *reading)
{
    struct settings *settings = reading->settings;
    size_t prefix_tag_len = 0;
    size_t queue_tag_len = 0;

    if (settings->redis.queue[0] == '\0') {
        snprintf(settings->redis.queue, sizeof settings->redis.queue, "%s:queue",
                 settings->redis.key_prefix);
        return;
    }
    const char *prefix_tag = rule_hash_tag(settings->redis.key_prefix, &prefix_tag_len);
    const char *queue_tag = rule_hash_tag(settings->redis.queue, &queue_tag_len);
    if (prefix_tag != NULL && (queue_tag == NULL || queue_tag_len != prefix_tag_len ||
                               memcmp(queue_tag, prefix_tag, prefix_tag_len) != 0))
        say_fault(reading, "redis.queue", "must bear the hash tag of redis.key_prefix");
}

/* A file that would not be used was meant to be. */
static void check_tls(struct reading *reading, const struct link_tls *tls)
{
    static const char needs_tls[] = "is for TLS: redis.url must begin with rediss://";

    if (!tls->is_on && tls->ca_file[0] != '\0')
        say_fault(reading, "redis.ca_file", needs_tls);
    if (!tls->is_on && tls->cert_file[0] != '\0')
        say_fault(reading, "redis.cert_file", needs_tls);
    if (!tls->is_on && tls->key_file[0] != '\0')
        say_fault(reading, "redis.key_file", needs_tls);
    if (tls->cert_file[0] != '\0' && tls->key_file[0] == '\0')
        say_fault(reading, "redis.cert_file", "needs the key that belongs to it: redis.key_file");
    if (tls->key_file[0] != '\0' && tls->cert_file[0] == '\0')
        say_fault(reading, "redis.key_file",
                  "needs the certificate that belongs to it: redis.cert_file");
}

static void complete_address(struct reading *reading)
{
    struct settings *settings = reading->settings;
    struct link_tls *tls = &settings->redis.address.tls;
    const char *why = NULL;

    if (redis_url_parse(settings->redis.url, &settings->redis.address, &why) != RESULT_OK) {
        say_fault(reading, "redis.url", why);
        return;
    }
    memcpy(tls->ca_file, settings->redis.ca_file, sizeof tls->ca_file);
    memcpy(tls->cert_file, settings->redis.cert_file, sizeof tls->cert_file);
    memcpy(tls->key_file, settings->redis.key_file, sizeof tls->key_file);
    check_tls(reading, tls);
}

/* Else every session would be made, refused for its link, and made again. */
static void check_link_hosts(struct reading *reading)
{
    if (reading->settings->conductor.link_hosts.count == 0)
        say_fault(reading, "conductor.link_hosts",
                  "must name a host: with none there is no link that may be stored");
}

static void complete(struct reading *reading)
{
    struct settings *settings = reading->settings;

    check_link_hosts(reading);
    check_rate(reading);
    check_delays(reading);
    complete_queue(reading);
    settings->log.level = rule_log_level_of(settings->log.level_name);
    settings->log.format = rule_log_format_of(settings->log.format_name);
    complete_address(reading);
}

static enum result end_reading(const struct reading *reading)
{
    return reading->has_faults ? RESULT_INVALID : RESULT_OK;
}

enum result parse_complete(const char *path, struct settings *settings,
                           struct buffer *reterr_messages)
{
    struct reading reading = {.path = path, .settings = settings, .messages = reterr_messages};

    complete(&reading);
    return end_reading(&reading);
}

enum result parse_complete_instance(const char *path, struct settings *settings,
                                    struct buffer *reterr_messages)
{
    struct reading reading = {.path = path, .settings = settings, .messages = reterr_messages};
    char host[CONFIG_INSTANCE_MAX_LEN + 1];
    struct buffer why;

    if (settings->instance[0] != '\0')
        return RESULT_OK;
    buffer_init(&why, CONFIG_TEXT_MAX_LEN);
    if (gethostname(host, sizeof host) == 0 && memchr(host, '\0', sizeof host) != NULL &&
        host[0] != '\0' && rule_instance(host, &why))
        text_copy(settings->instance, sizeof settings->instance, host, strlen(host));
    else
        say_fault(&reading, "instance",
                  "must be set: the host's name is not 1 to 64 of A-Z a-z 0-9 . _ -");
    buffer_done(&why);
    return end_reading(&reading);
}

/* libconfig says in two words what is wrong; what mends it. */
static const char *syntax_hint(const char *error)
{
    if (strcmp(error, "syntax error") == 0)
        return ", here or just before: texts stand in \"quotes\", a setting ends with ; and a "
               "group "
               "with };";
    if (strcmp(error, "duplicate setting name") == 0)
        return ": it stands in the file before; change it there, a group is written once";
    return "";
}

enum result parse_settings(const char *path, const char *text, struct settings *settings,
                           struct buffer *reterr_messages)
{
    config_t config;
    struct reading reading = {
        .path = path, .config = &config, .settings = settings, .messages = reterr_messages};

    config_init(&config);
    if (config_read_string(&config, text) == CONFIG_TRUE) {
        read_root(&reading);
        if (config_lookup(&config, "conductor.publishable_key") == NULL)
            say_fault(&reading, "conductor.publishable_key",
                      "is missing: the dashboard of Conductor shows it, pk_conductor_...");
        complete(&reading);
    } else {
        begin_fault(&reading, (unsigned int)config_error_line(&config));
        buffer_append_format(reterr_messages, "%s%s\n", config_error_text(&config),
                             syntax_hint(config_error_text(&config)));
    }
    config_destroy(&config);
    return end_reading(&reading);
}
