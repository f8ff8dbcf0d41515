/* terminal.c - what a person sees. */
#include "ctl/terminal.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_INTERVAL_US  (US_PER_SEC / 10)
#define LINE_INTERVAL_US (5 * US_PER_SEC)
#define BAR_MAX_WIDTH    40

void terminal_init(struct terminal *terminal, FILE *file)
{
    const char *no_color = getenv("NO_COLOR");
    const char *kind = getenv("TERM");

    terminal->file = file;
    terminal->is_tty = isatty(fileno(file)) == 1;
    terminal->has_color = terminal->is_tty && (no_color == NULL || no_color[0] == '\0') &&
                          kind != NULL && strcmp(kind, "dumb") != 0;
}

int terminal_columns(const struct terminal *terminal)
{
    struct winsize size;

    if (ioctl(fileno(terminal->file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

const char *terminal_color(const struct terminal *terminal, enum color color)
{
    static const char *const sequences[] = {
        [COLOR_NONE] = "\033[0m", [COLOR_GOOD] = "\033[32m", [COLOR_WARN] = "\033[33m",
        [COLOR_BAD] = "\033[31m", [COLOR_DIM] = "\033[2m",   [COLOR_BOLD] = "\033[1m",
    };

    return terminal->has_color ? sequences[color] : "";
}

/* Bytes of the UTF-8 character that begins with `first`; its form has been checked. */
static size_t character_len(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* U+0080..9F are controls to a terminal; U+200E/F, 202A..E, 2066..9 turn the direction of writing.
 */
static bool is_harmful(const unsigned char *at, size_t len)
{
    if (len == 1)
        return at[0] < 0x20 || at[0] == 0x7f || at[0] == '\\';
    if (len == 2)
        return at[0] == 0xc2 && at[1] < 0xa0;
    if (len == 3 && at[0] == 0xe2)
        return (at[1] == 0x80 &&
                (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae))) ||
               (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
    return false;
}

size_t terminal_harm_len(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t step = len == 0 ? 0 : character_len(at[0]);

    return step > 1 && step <= len && is_harmful(at, step) ? step : 0;
}

void terminal_escape(struct buffer *target, const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    bool is_utf8 = text_is_utf8(text, len);

    for (size_t i = 0; i < len;) {
        size_t step = is_utf8 ? character_len(bytes[i]) : 1;
        bool is_shown = (is_utf8 || bytes[i] < 0x80) && !is_harmful(bytes + i, step);
        if (is_shown)
            buffer_append(target, text + i, step);
        else if (bytes[i] == '\\')
            buffer_append_str(target, "\\\\");
        else
            for (size_t j = 0; j < step; j++)
                buffer_append_format(target, "\\x%02x", bytes[i + j]);
        i += step;
    }
}

void terminal_put(FILE *file, const char *text, size_t len)
{
    struct buffer shown;

    buffer_init(&shown, 4 * len + 1);
    terminal_escape(&shown, text, len);
    fwrite(buffer_text(&shown), 1, shown.len, file);
    buffer_done(&shown);
}

const char *terminal_duration(int64_t duration_ms, char target[TERMINAL_DURATION_SIZE])
{
    int64_t sec = duration_ms / MS_PER_SEC;

    if (duration_ms < 0)
        snprintf(target, TERMINAL_DURATION_SIZE, "-");
    else if (sec < 120)
        snprintf(target, TERMINAL_DURATION_SIZE, "%" PRId64 " s", sec);
    else if (sec < 7200)
        snprintf(target, TERMINAL_DURATION_SIZE, "%" PRId64 " min", sec / 60);
    else if (sec < INT64_C(172800))
        snprintf(target, TERMINAL_DURATION_SIZE, "%" PRId64 " h %" PRId64 " min", sec / 3600,
                 sec % 3600 / 60);
    else
        snprintf(target, TERMINAL_DURATION_SIZE, "%" PRId64 " d %" PRId64 " h", sec / 86400,
                 sec % 86400 / 3600);
    return target;
}

const char *terminal_time(int64_t unix_ms, char target[TERMINAL_TIME_SIZE])
{
    time_t sec = (time_t)(unix_ms / MS_PER_SEC);
    struct tm parts;

    if (gmtime_r(&sec, &parts) == NULL ||
        strftime(target, TERMINAL_TIME_SIZE, "%Y-%m-%d %H:%M:%SZ", &parts) == 0)
        snprintf(target, TERMINAL_TIME_SIZE, "-");
    return target;
}

void progress_begin(struct progress *progress, const struct terminal *terminal, const char *verb,
                    int64_t total, int64_t now_us)
{
    *progress = (struct progress){.terminal = terminal,
                                  .verb = verb,
                                  .total = total,
                                  .started_us = now_us,
                                  .shown_us = now_us};
}

static void draw_bar(const struct progress *progress, int64_t done, double per_sec)
{
    char left[TERMINAL_DURATION_SIZE];
    char bar[BAR_MAX_WIDTH + 1];
    int width = terminal_columns(progress->terminal) - 60;
    int64_t total = progress->total > 0 ? progress->total : 1;

    width = width > BAR_MAX_WIDTH ? BAR_MAX_WIDTH : width < 5 ? 5 : width;
    int filled = (int)(width * done / total);
    memset(bar, '.', (size_t)width);
    memset(bar, '#', (size_t)(filled < width ? filled : width));
    bar[width] = '\0';
    int64_t left_ms =
        per_sec > 0 ? (int64_t)((double)(progress->total - done) / per_sec * 1000) : -1;
    fprintf(progress->terminal->file, "\r\033[K%s [%s] %3d %% %" PRId64 "  %.0f/s  ETA %s",
            progress->verb, bar, (int)(100 * done / total), done, per_sec,
            terminal_duration(left_ms, left));
    fflush(progress->terminal->file);
}

void progress_show(struct progress *progress, int64_t done, int64_t now_us)
{
    bool is_tty = progress->terminal->is_tty;
    double sec = (double)(now_us - progress->started_us) / US_PER_SEC;
    double per_sec = sec > 0 ? (double)done / sec : 0;

    if (now_us - progress->shown_us < (is_tty ? BAR_INTERVAL_US : LINE_INTERVAL_US))
        return;
    progress->shown_us = now_us;
    if (is_tty)
        draw_bar(progress, done, per_sec);
    else
        fprintf(progress->terminal->file, "%s %" PRId64 " of %" PRId64 ", %.0f/s\n", progress->verb,
                done, progress->total, per_sec);
}

void progress_end(struct progress *progress, int64_t done, int64_t now_us)
{
    double sec = (double)(now_us - progress->started_us) / US_PER_SEC;

    if (!progress->terminal->is_tty)
        return;
    draw_bar(progress, done, sec > 0 ? (double)done / sec : 0);
    fputc('\n', progress->terminal->file);
}
