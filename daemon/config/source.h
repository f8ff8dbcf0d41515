/*
 * source.h - the text of a configuration file, before libconfig sees it.
 *
 * libconfig 1.5 takes some things in silence that nobody means: a comment that is
 * never closed swallows the rest of the file, @include reads any other file, text
 * behind a NUL byte is not seen, a number is cut off at 32 bits. They are refused here.
 */
#ifndef AUTHLINKD_CONFIG_SOURCE_H
#define AUTHLINKD_CONFIG_SOURCE_H

#include "base/buffer.h"
#include "base/result.h"

/*
 * Reads the file into `ret_text`, which the caller has initialised with CONFIG_FILE_MAX_BYTES.
 *   RESULT_INVALID    it cannot be read, is too big, or others may write to it; said in
 * reterr_messages. RESULT_NO_MEMORY
 */
MUST_CHECK enum result source_read(const char *path, struct buffer *ret_text,
                                   struct buffer *reterr_messages);

/* RESULT_INVALID: the text has one of the traps above; said in reterr_messages with its line. */
MUST_CHECK enum result source_check(const char *path, const struct buffer *text,
                                    struct buffer *reterr_messages);

#endif
