/* gzip.h - a gzip file around bytes, without compressing them. */
#ifndef CONDUCTOR_FAKE_GZIP_H
#define CONDUCTOR_FAKE_GZIP_H

#include "base/buffer.h"

/*
 * Appends `data` in gzip's form. Stored blocks only (RFC 1951 section 3.2.4): a
 * client has to unpack them like any other, and the fake needs no zlib.
 */
void gzip_store(const char *data, size_t len, struct buffer *target);

#endif
