/*
 * buffer.h - bytes that grow, up to a hard maximum.
 *
 * Open: `data` and `len` may be read. The data is kept NUL-terminated, beyond
 * `len`. An append that fails (RESULT_FULL, RESULT_NO_MEMORY) changes nothing
 * and sets `failed`, so a text of many pieces can be checked once at its end.
 */
#ifndef AUTHLINKD_BASE_BUFFER_H
#define AUTHLINKD_BASE_BUFFER_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;     /* owns; NULL until the first append */
    size_t len;     /* bytes in use */
    size_t cap;     /* bytes allocated */
    size_t max_len; /* an append beyond it is refused */
    bool failed;    /* an append since init or reset failed */
};

/* Starts empty; allocates nothing. */
void buffer_init(struct buffer *buffer, size_t max_len);

/* Frees the bytes. The buffer may be used again as after init. */
void buffer_done(struct buffer *buffer);

/* Empties it, keeping the allocation. */
void buffer_reset(struct buffer *buffer);

enum result buffer_append(struct buffer *buffer, const void *bytes, size_t len);
enum result buffer_append_str(struct buffer *buffer, const char *str);
enum result buffer_append_char(struct buffer *buffer, char c);
enum result buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends `text` as a JSON string, quotes included. Bytes over 0x7f pass as they are. */
enum result buffer_append_json_string(struct buffer *buffer, const char *text, size_t len);

/* The text, "" when nothing was appended. Lent until the next call that changes the buffer. */
const char *buffer_text(const struct buffer *buffer);

#endif
