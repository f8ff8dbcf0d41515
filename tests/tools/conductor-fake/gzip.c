/* gzip.c - gzip by stored blocks. Sources: RFC 1952, RFC 1951 section 3.2.4. */
#include "gzip.h"

#include <stdint.h>

#define BLOCK_MAX_BYTES 65535

static uint32_t crc32_of(const char *data, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (UINT32_C(0xedb88320) & (0u - (crc & 1u)));
    }
    return ~crc;
}

static void append_little_endian(struct buffer *target, uint32_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buffer_append_char(target, (char)(number >> (8 * i) & 0xff));
}

void gzip_store(const char *data, size_t len, struct buffer *target)
{
    static const char head[] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, (char)255};
    size_t at = 0;

    buffer_append(target, head, sizeof head);
    do {
        size_t size = len - at > BLOCK_MAX_BYTES ? BLOCK_MAX_BYTES : len - at;
        buffer_append_char(target, at + size == len); /* marks the last block */
        append_little_endian(target, (uint32_t)size, 2);
        append_little_endian(target, ~(uint32_t)size & UINT16_MAX, 2);
        buffer_append(target, data + at, size);
        at += size;
    } while (at < len);
    append_little_endian(target, crc32_of(data, len), 4);
    append_little_endian(target, (uint32_t)len, 4);
}
