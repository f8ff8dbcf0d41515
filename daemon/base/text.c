/* text.c - small work on texts that came from outside. */
#include "base/text.h"

#include <string.h>

enum result text_copy(char *target, size_t size, const char *source, size_t len)
{
    enum result result = RESULT_OK;

    if (size == 0)
        return RESULT_FULL;
    if (len >= size) {
        len = size - 1;
        result = RESULT_FULL;
    }
    if (len > 0)
        memcpy(target, source, len);
    target[len] = '\0';
    return result;
}

enum result text_to_int64(const char *text, size_t len, int64_t min, int64_t max,
                          int64_t *ret_value)
{
    bool negative = len > 0 && text[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t value = 0; /* kept negative: that side reaches further */

    if (i == len)
        return RESULT_INVALID;
    for (; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return RESULT_INVALID;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text[i] - '0', &value))
            return RESULT_INVALID;
    }
    if (!negative && __builtin_sub_overflow(0, value, &value))
        return RESULT_INVALID;
    if (value < min || value > max)
        return RESULT_INVALID;
    *ret_value = value;
    return RESULT_OK;
}

/* How many bytes a character has that begins with `first`; 0: none does. */
static size_t utf8_len(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

/* The second byte shuts out overlong forms, surrogates and what lies beyond U+10FFFF. */
static bool is_second_byte(unsigned char first, unsigned char second)
{
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    return second >= low && second <= high;
}

/* Eight bytes at once, in any order; each question sets the high bit of a byte that is meant, and
 * perhaps of those beside it: enough to know that there is one (Lamport, "Multiple byte processing
 * with full-word instructions", 1975). */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS  EACH(0x80)

static uint64_t word_at(const char *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof word);
    return word;
}

static uint64_t has_below(uint64_t word, unsigned char byte)
{
    return (word - EACH(byte)) & ~word & HIGH_BITS;
}

static uint64_t has(uint64_t word, unsigned char byte)
{
    return has_below(word ^ EACH(byte), 1);
}

size_t text_json_plain_len(const char *text, size_t len)
{
    size_t i = 0;

    for (; len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word = word_at(text + i);
        if ((has_below(word, 0x20) | has(word, '"') | has(word, '\\') | has(word, 0x7f)) != 0)
            break;
    }
    for (; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == '"' || byte == '\\' || byte == 0x7f)
            break;
    }
    return i;
}

bool text_is_utf8(const char *text, size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t i = 0;

    while (i < len) {
        if (len - i >= sizeof(uint64_t) && (word_at(text + i) & HIGH_BITS) == 0) {
            i += sizeof(uint64_t); /* ASCII, as nearly all */
            continue;
        }
        size_t size = utf8_len(bytes[i]);
        if (size == 0 || size > len - i)
            return false;
        if (size > 1 && !is_second_byte(bytes[i], bytes[i + 1]))
            return false;
        for (size_t k = 2; k < size; k++)
            if ((bytes[i + k] & 0xc0) != 0x80)
                return false;
        i += size;
    }
    return true;
}

bool text_is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return true;
}

bool text_is_one_word(const char *text)
{
    return text_is_printable(text, strlen(text)) && strchr(text, ' ') == NULL;
}

void text_hex(const unsigned char *bytes, size_t count, char *target)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        target[2 * i] = digits[bytes[i] >> 4];
        target[2 * i + 1] = digits[bytes[i] & 0xf];
    }
    target[2 * count] = '\0';
}

bool text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_equals_ignoring_case(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    for (size_t i = 0; i < a_len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

const char *text_trim(const char *text, size_t len, size_t *ret_len)
{
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    *ret_len = len;
    return text;
}
