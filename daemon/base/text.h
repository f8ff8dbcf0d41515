/*
 * text.h - small work on texts that came from outside.
 *
 * What comes from outside is a pointer and a length; it may hold any byte.
 */
#ifndef AUTHLINKD_BASE_TEXT_H
#define AUTHLINKD_BASE_TEXT_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copies `len` bytes into `target` of `size` bytes and ends them with NUL.
 * RESULT_FULL: it did not fit; the target then holds the part that did.
 */
enum result text_copy(char *target, size_t size, const char *source, size_t len);

/* Decimal digits with an optional minus, nothing else, `min` to `max`. */
MUST_CHECK enum result text_to_int64(const char *text, size_t len, int64_t min, int64_t max,
                                     int64_t *ret_value);

/* Well-formed UTF-8: no overlong form, no surrogate, nothing over U+10FFFF. */
bool text_is_utf8(const char *text, size_t len);

/*
 * How many bytes from the start on stand in a JSON string as they are: up to the first quote,
 * backslash, control byte or DEL.
 */
size_t text_json_plain_len(const char *text, size_t len);

/* Printable ASCII only, blanks included. */
bool text_is_printable(const char *text, size_t len);

/* The same without blanks; "" is one. */
bool text_is_one_word(const char *text);

/* Two digits a byte, in small letters, and NUL: `target` has 2 * count + 1 bytes. */
void text_hex(const unsigned char *bytes, size_t count, char *target);

bool text_starts_with(const char *text, const char *prefix);

/* ASCII letters compare equal in either case: for header names. */
bool text_equals_ignoring_case(const char *a, size_t a_len, const char *b, size_t b_len);

/* Without blanks, tabs and line ends at both ends. The result points into `text`. */
const char *text_trim(const char *text, size_t len, size_t *ret_len);

#endif
