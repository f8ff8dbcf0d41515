/*
 * terminal.h - what a person sees: colours, a progress bar, and nothing that came from outside
 * without being escaped.
 *
 * Colours only on a terminal, and not where NO_COLOR is set (no-color.org) or TERM is dumb.
 */
#ifndef AUTHLINKD_CTL_TERMINAL_H
#define AUTHLINKD_CTL_TERMINAL_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum color { COLOR_NONE, COLOR_GOOD, COLOR_WARN, COLOR_BAD, COLOR_DIM, COLOR_BOLD };

struct terminal {
    FILE *file; /* borrows */
    bool is_tty;
    bool has_color;
};

void terminal_init(struct terminal *terminal, FILE *file);

/* Width in columns, 80 where it is unknown. */
int terminal_columns(const struct terminal *terminal);

/* The sequence that begins a colour, or ends it (COLOR_NONE); "" where there are none. */
const char *terminal_color(const struct terminal *terminal, enum color color);

/* Bytes of the character beyond ASCII with which UTF-8 begins, if a terminal would obey it; 0. */
size_t terminal_harm_len(const char *text, size_t len);

/*
 * Appends a text from outside: control characters, those that turn the direction of writing, and
 * what is no UTF-8 as \xNN.
 */
void terminal_escape(struct buffer *target, const char *text, size_t len);

/* The same, to a file. */
void terminal_put(FILE *file, const char *text, size_t len);

/* "3 s", "12 min", "4 h 10 min", "2 d 3 h"; "-" below 0. */
#define TERMINAL_DURATION_SIZE 32
const char *terminal_duration(int64_t duration_ms, char target[TERMINAL_DURATION_SIZE]);

/* "2026-11-24 14:03:05Z" */
#define TERMINAL_TIME_SIZE 32
const char *terminal_time(int64_t unix_ms, char target[TERMINAL_TIME_SIZE]);

/* A bar with rate and time left on a terminal, else a line every few seconds. On stderr. */
struct progress {
    const struct terminal *terminal; /* borrows */
    const char *verb;                /* "enqueued" */
    int64_t total;
    int64_t started_us;
    int64_t shown_us;
};

void progress_begin(struct progress *progress, const struct terminal *terminal, const char *verb,
                    int64_t total, int64_t now_us);
void progress_show(struct progress *progress, int64_t done, int64_t now_us);
void progress_end(struct progress *progress, int64_t done, int64_t now_us);

#endif
