/* request_line.c - the first line of an HTTP request. */
#include "app/request_line.h"

#include "base/text.h"

#include <string.h>

/* The text up to the next blank; NULL: there is none, or nothing before it. */
static const char *take_word(const char **rest, const char *end, size_t *ret_len)
{
    const char *word = *rest;
    const char *blank = memchr(word, ' ', (size_t)(end - word));

    if (blank == NULL || blank == word)
        return NULL;
    *ret_len = (size_t)(blank - word);
    *rest = blank + 1;
    return word;
}

static enum request_method method_of(const char *word, size_t len)
{
    if (len == 3 && memcmp(word, "GET", 3) == 0)
        return REQUEST_GET;
    if (len == 4 && memcmp(word, "HEAD", 4) == 0)
        return REQUEST_HEAD;
    return REQUEST_OTHER;
}

static bool is_http_1(const char *text, size_t len)
{
    return len == 8 && memcmp(text, "HTTP/1.", 7) == 0 && text[7] >= '0' && text[7] <= '9';
}

enum result request_line_parse(const char *text, size_t len, struct request_line *ret_line)
{
    const char *rest = text;
    const char *end = memchr(text, '\n', len);
    struct request_line line = {.path = ""};
    size_t method_len = 0;
    size_t target_len = 0;

    if (end == NULL)
        return RESULT_INVALID;
    end -= end > text && end[-1] == '\r';
    if (!text_is_printable(text, (size_t)(end - text)))
        return RESULT_INVALID;
    const char *method = take_word(&rest, end, &method_len);
    const char *target = method == NULL ? NULL : take_word(&rest, end, &target_len);
    if (target == NULL || target[0] != '/' || !is_http_1(rest, (size_t)(end - rest)))
        return RESULT_INVALID;

    const char *query = memchr(target, '?', target_len);
    size_t path_len = query == NULL ? target_len : (size_t)(query - target);
    if (path_len <= REQUEST_PATH_MAX_LEN)
        text_copy(line.path, sizeof line.path, target, path_len);
    line.method = method_of(method, method_len);
    *ret_line = line;
    return RESULT_OK;
}
