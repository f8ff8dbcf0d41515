/* strict_json.c - JSON read as RFC 8259 says, on top of cJSON, which is lax. */
#include "conductor/strict_json.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

/* What cJSON does not look at: bytes that no JSON text may have where they stand, and depth. */
static bool has_lawful_bytes(const char *text, size_t len)
{
    bool is_in_string = false;
    unsigned depth = 0;

    for (size_t i = 0; i < len; i++) {
        if (is_in_string)
            i += text_json_plain_len(text + i, len - i);
        if (i == len)
            break;

        char c = text[i];
        if ((unsigned char)c < 0x20 && (is_in_string || (c != '\t' && c != '\n' && c != '\r')))
            return false;
        if (c == '"')
            is_in_string = !is_in_string;
        if (is_in_string && c == '\\') {
            if (len - i > 5 && memcmp(text + i, "\\u0000", 6) == 0)
                return false;
            i++; /* what is escaped ends no string */
        } else if (!is_in_string && (c == '{' || c == '[')) {
            if (++depth > STRICT_JSON_MAX_DEPTH)
                return false;
        } else if (!is_in_string && (c == '}' || c == ']')) {
            depth -= depth > 0;
        }
    }
    return true;
}

cJSON *strict_json_parse(const char *text, size_t len)
{
    /* cJSON passes over a byte order mark; RFC 8259 8.1 forbids to send one. */
    if (text_starts_with(text, "\xef\xbb\xbf"))
        return NULL;
    if (!text_is_utf8(text, len) || !has_lawful_bytes(text, len))
        return NULL;
    return cJSON_ParseWithLengthOpts(text, len + 1, NULL, true);
}

enum result strict_json_string(const cJSON *object, const char *name, const char **ret_text)
{
    const cJSON *found = NULL;
    const cJSON *member;

    cJSON_ArrayForEach(member, object)
    {
        if (member->string == NULL || strcmp(member->string, name) != 0)
            continue;
        if (found != NULL)
            return RESULT_EXISTS;
        found = member;
    }
    if (found == NULL)
        return RESULT_NOT_FOUND;
    if (!cJSON_IsString(found))
        return RESULT_INVALID;
    *ret_text = found->valuestring;
    return RESULT_OK;
}
