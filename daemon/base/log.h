/*
 * log.h - one line an event, on stderr: `event key=value ...`.
 *
 * Values are typed fields, so every text passes the one function that escapes;
 * a value from outside can neither end a line nor forge a field:
 *
 *     log_info("job.settled", log_str("job", key), log_int("attempts", n));
 *
 * Event names are noun.past, keys are fixed. Never a key, a link or a body: what
 * is a credential goes in as log_secret(), which shows that it is set and nothing
 * more.
 *
 * Levels   error (someone must act), warn (survived; says what is done instead),
 *          notice (a state changed), info, debug.
 */
#ifndef AUTHLINKD_BASE_LOG_H
#define AUTHLINKD_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers are those of syslog, as systemd wants them in `<N>`. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARN = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

enum log_format {
    LOG_FORMAT_TEXT, /* `<N>` under systemd, a time stamp elsewhere */
    LOG_FORMAT_JSON, /* an object a line */
};

enum log_field_type {
    LOG_FIELD_END,
    LOG_FIELD_TEXT,
    LOG_FIELD_INT,
    LOG_FIELD_DOUBLE,
};

struct log_field {
    enum log_field_type type;
    const char *key;
    union {
        struct {
            const char *data;
            size_t len;
        } text;
        int64_t number;
        double real;
    } value;
};

/* How lines are written from now on. Before the first call: text, info. */
void log_configure(enum log_level level, enum log_format format);

bool log_is_on(enum log_level level);

struct log_field log_str(const char *key, const char *text); /* NULL is shown as "-" */
struct log_field log_bytes(const char *key, const char *text, size_t len);
struct log_field log_int(const char *key, int64_t number);
struct log_field log_double(const char *key, double real);
struct log_field log_secret(const char *key, const char *secret); /* "set" or "unset" */

/* `fields` ends with a field of type LOG_FIELD_END. Use the macros below. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#define LOG_AT(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_is_on(level))                                                                      \
            log_write(level, event,                                                                \
                      (const struct log_field[]){__VA_ARGS__, {.type = LOG_FIELD_END}});           \
    } while (0)

#define log_error(event, ...)  LOG_AT(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)   LOG_AT(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_notice(event, ...) LOG_AT(LOG_LEVEL_NOTICE, event, __VA_ARGS__)
#define log_info(event, ...)   LOG_AT(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)  LOG_AT(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

#endif
