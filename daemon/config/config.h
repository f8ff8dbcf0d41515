/*
 * config.h - what the configuration file says, checked.
 *
 * One table (spec.c) drives parsing, ranges, defaults, reload and --dump-config.
 * `struct settings` is plain data, one inner struct a group of the file; what the
 * modules below want of it is composed by compose.h.
 *
 *     struct settings settings;
 *     struct buffer messages;
 *
 *     buffer_init(&messages, CONFIG_MESSAGES_MAX_BYTES);
 *     if (config_load(path, &settings, &messages) != RESULT_OK)
 *         ... write buffer_text(&messages) to stderr, exit 78 ...
 *     config_free(&settings);
 *
 * Units  in the names; _ms milliseconds, _mins minutes.
 */
#ifndef AUTHLINKD_CONFIG_CONFIG_H
#define AUTHLINKD_CONFIG_CONFIG_H

#include "base/buffer.h"
#include "base/log.h"
#include "base/result.h"
#include "config/secret.h"
#include "core/host_list.h"
#include "core/listen_address.h"
#include "queue/link.h"
#include "queue/queue.h"

#include <stdint.h>

/* Nine times the one that is delivered. libconfig's time grows with the square of the settings:
 * 64 KiB of them take a third of a second, 1 MiB took a minute, in which a reload stopped all. */
#define CONFIG_FILE_MAX_BYTES     (64 * 1024)
#define CONFIG_MESSAGES_MAX_BYTES (64 * 1024)
#define CONFIG_TEXT_MAX_LEN       1023
#define CONFIG_WORD_MAX_LEN       15
#define CONFIG_INSTANCE_MAX_LEN   64

/*
 * Owns the secrets; free with config_free(). Numbers are within the ranges of the table,
 * texts within its rules; "" stands where a setting is not given and has no default.
 */
struct settings {
    struct {
        char base_url[CONFIG_TEXT_MAX_LEN + 1];
        char publishable_key[CONFIG_TEXT_MAX_LEN + 1];
        char secret_key_file[CONFIG_TEXT_MAX_LEN + 1];
        int64_t link_expiry_mins;
        char redirect_url[CONFIG_TEXT_MAX_LEN + 1];
        struct host_list redirect_hosts;
        struct host_list link_hosts;
        int64_t request_timeout_ms;
        int64_t max_in_flight;
        char ca_file[CONFIG_TEXT_MAX_LEN + 1];
    } conductor;
    struct {
        char url[CONFIG_TEXT_MAX_LEN + 1];
        struct link_address address; /* url, taken apart, with the three files of TLS */
        char password_file[CONFIG_TEXT_MAX_LEN + 1];
        char ca_file[LINK_FILE_MAX_LEN + 1];
        char cert_file[LINK_FILE_MAX_LEN + 1];
        char key_file[LINK_FILE_MAX_LEN + 1];
        char key_prefix[QUEUE_PREFIX_MAX_LEN + 1];
        char queue[QUEUE_KEY_MAX_LEN + 1]; /* never "": <key_prefix>:queue */
    } redis;
    struct {
        double per_sec; /* 0: unknown */
        int64_t burst;
        double max_per_sec;
    } rate;
    struct {
        int64_t max_attempts;
        int64_t give_up_after_mins;
        int64_t base_delay_ms;
        int64_t max_delay_ms;
        int64_t max_recoveries;
    } retry;
    struct {
        double reuse_min_share;
        int64_t failed_ttl_hours;
        int64_t events_keep_hours;
    } results;
    struct {
        char level_name[CONFIG_WORD_MAX_LEN + 1];
        char format_name[CONFIG_WORD_MAX_LEN + 1];
        enum log_level level; /* level_name, format_name */
        enum log_format format;
    } log;
    struct {
        char listen[LISTEN_TEXT_MAX_LEN + 1]; /* "": nowhere */
    } metrics;
    char instance[CONFIG_INSTANCE_MAX_LEN + 1]; /* the host's name; "": not said, of authlinkctl */

    struct secret *secret_key;     /* NULL: not looked for, or not found, where that may be */
    struct secret *redis_password; /* NULL: none */
};

/*
 * Reads the file and both secrets.
 *   RESULT_OK         *ret_settings is complete; free it with config_free().
 *   RESULT_INVALID    the file or a secret is wrong; reterr_messages has a line for each fault, as
 *                     `file:line: setting: what is wrong`.
 *   RESULT_NO_MEMORY
 */
MUST_CHECK enum result config_load(const char *path, struct settings *ret_settings,
                                   struct buffer *reterr_messages);

/* The same, but that no secret key is found is no fault: a credential is seen by its unit only. */
MUST_CHECK enum result config_load_to_look(const char *path, struct settings *ret_settings,
                                           struct buffer *reterr_messages);

/* The same without the API's secret key and an instance, which authlinkctl has no need of. */
MUST_CHECK enum result config_load_for_ctl(const char *path, struct settings *ret_settings,
                                           struct buffer *reterr_messages);

/*
 * Defaults for everything, and this redis.url; without any secret or publishable key. For
 * authlinkctl --redis. RESULT_INVALID: the URL is wrong.
 */
MUST_CHECK enum result config_for_redis(const char *redis_url, struct settings *ret_settings,
                                        struct buffer *reterr_messages);

/* Accepts what was zeroed, and what config_load() left alone after a zeroing. */
void config_free(struct settings *settings);

/* Every setting as a libconfig text that config_load() reads; the secrets as comments, masked. */
enum result config_dump(const struct settings *settings, struct buffer *text);

/*
 * What a running daemon can take up of `fresh`. RESULT_REFUSED: not all of it; reterr_messages
 * names the settings that stay as they are until a restart, and `fresh` has them as they run.
 */
MUST_CHECK enum result config_check_reload(const struct settings *running, struct settings *fresh,
                                           struct buffer *reterr_messages);

#endif
