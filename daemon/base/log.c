/* log.c - one line an event, on stderr. */
#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* journald splits lines at 48 KiB; ours stay far below, so one event stays one entry. */
#define MAX_LINE_BYTES  32768
#define MAX_VALUE_BYTES 1024
/* Of a value whose every byte is escaped; a dozen of them fit into a line, which so stays whole. */
#define MAX_ESCAPED_BYTES 2048

/* The only global state of the program. */
static enum log_level max_level = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_TEXT;

void log_configure(enum log_level level, enum log_format format)
{
    max_level = level;
    line_format = format;
}

bool log_is_on(enum log_level level)
{
    return level <= max_level;
}

struct log_field log_bytes(const char *key, const char *text, size_t len)
{
    return (struct log_field){LOG_FIELD_TEXT, key, {.text = {text, len}}};
}

struct log_field log_str(const char *key, const char *text)
{
    return log_bytes(key, text == NULL ? "-" : text, text == NULL ? 1 : strlen(text));
}

struct log_field log_int(const char *key, int64_t number)
{
    return (struct log_field){LOG_FIELD_INT, key, {.number = number}};
}

struct log_field log_double(const char *key, double real)
{
    return (struct log_field){LOG_FIELD_DOUBLE, key, {.real = real}};
}

struct log_field log_secret(const char *key, const char *secret)
{
    return log_str(key, secret != NULL && secret[0] != '\0' ? "set" : "unset");
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARN:
        return "warn";
    case LOG_LEVEL_NOTICE:
        return "notice";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
        return "debug";
    }
    return "unknown";
}

/* systemd(1), environment JOURNAL_STREAM: device:inode of the stream that the journal reads. */
static bool is_journal_stream(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char mine[64];

    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    snprintf(mine, sizeof mine, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, mine) == 0;
}

static void append_time(struct buffer *line)
{
    int64_t unix_ms = clock_wall_unix_ms();
    time_t seconds = (time_t)(unix_ms / MS_PER_SEC);
    struct tm utc;
    char text[32];

    if (gmtime_r(&seconds, &utc) == NULL)
        return;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_append_format(line, "%s.%03dZ", text, (int)(unix_ms % MS_PER_SEC));
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return len > 0;
}

/* The one place where texts from outside are made harmless: quoted, every control byte escaped. */
static void append_text(struct buffer *line, const char *text, size_t len, bool always_quoted)
{
    size_t max_line_len = line->len + MAX_ESCAPED_BYTES;

    if (len > MAX_VALUE_BYTES)
        len = MAX_VALUE_BYTES;
    if (!always_quoted && is_plain(text, len)) {
        buffer_append(line, text, len);
        return;
    }
    buffer_append_char(line, '"');
    for (size_t i = 0; i < len && line->len < max_line_len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\')
            buffer_append_format(line, "\\%c", byte);
        else if (byte < 0x20 || byte > 0x7e)
            buffer_append_format(line, "\\u%04x", byte);
        else
            buffer_append_char(line, (char)byte);
    }
    buffer_append_char(line, '"');
}

/* JSON has no word for inf and nan: they are texts there. */
static void append_real(struct buffer *line, double real, bool always_quoted)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%.6g", real);
    append_text(line, digits, strlen(digits), always_quoted && !isfinite(real));
}

static void append_value(struct buffer *line, const struct log_field *field, bool always_quoted)
{
    switch (field->type) {
    case LOG_FIELD_END:
        break;
    case LOG_FIELD_TEXT:
        append_text(line, field->value.text.data, field->value.text.len, always_quoted);
        break;
    case LOG_FIELD_INT:
        buffer_append_format(line, "%jd", (intmax_t)field->value.number);
        break;
    case LOG_FIELD_DOUBLE:
        append_real(line, field->value.real, always_quoted);
        break;
    }
}

static void append_json(struct buffer *line, enum log_level level, const char *event,
                        const struct log_field *fields)
{
    buffer_append_str(line, "{\"time\":\"");
    append_time(line);
    buffer_append_format(line, "\",\"level\":\"%s\",\"event\":\"%s\"", level_name(level), event);
    for (const struct log_field *field = fields; field->type != LOG_FIELD_END; field++) {
        buffer_append_format(line, ",\"%s\":", field->key);
        append_value(line, field, true);
    }
    buffer_append_str(line, "}\n");
}

static void append_plain(struct buffer *line, enum log_level level, const char *event,
                         const struct log_field *fields)
{
    if (is_journal_stream()) {
        buffer_append_format(line, "<%d>", (int)level);
    } else {
        append_time(line);
        buffer_append_format(line, " %s ", level_name(level));
    }
    buffer_append_str(line, event);
    for (const struct log_field *field = fields; field->type != LOG_FIELD_END; field++) {
        buffer_append_format(line, " %s=", field->key);
        append_value(line, field, false);
    }
    buffer_append_char(line, '\n');
}

/* A log that cannot be written has nowhere to complain: what does not go out is dropped. */
static void write_bytes(const char *rest, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, rest, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        rest += written;
        len -= (size_t)written;
    }
}

static const char NO_MEMORY[] = "out of memory: a line of the log is missing\n";

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    int saved_errno = errno;
    struct buffer line;

    buffer_init(&line, MAX_LINE_BYTES);
    if (line_format == LOG_FORMAT_JSON)
        append_json(&line, level, event, fields);
    else
        append_plain(&line, level, event, fields);
    if (line.len == 0)
        write_bytes(NO_MEMORY, sizeof NO_MEMORY - 1);
    else if (line.failed) /* too long: what is there is still one whole line */
        line.data[line.len - 1] = '\n';
    write_bytes(buffer_text(&line), line.len);
    buffer_done(&line);
    errno = saved_errno;
}
