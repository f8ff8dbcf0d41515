/* host_list.c - a short list of host names that somebody allowed. */
#include "core/host_list.h"

#include "base/text.h"

#include <string.h>

bool host_is_sound(const char *host, size_t host_len)
{
    bool is_bracketed = host_len > 2 && host[0] == '[' && host[host_len - 1] == ']';

    if (host_len == 0 || host_len > HOST_MAX_LEN)
        return false;
    if (is_bracketed) {
        host++;
        host_len -= 2;
    }
    for (size_t i = 0; i < host_len; i++) {
        char c = host[i];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_fine = is_bracketed ? is_hex || c == ':' || c == '.'
                                    : is_hex || is_letter || c == '-' || c == '.';
        if (!is_fine)
            return false;
    }
    return true;
}

enum result host_list_add(struct host_list *list, const char *host)
{
    if (!host_is_sound(host, strlen(host)))
        return RESULT_INVALID;
    if (list->count == HOST_LIST_MAX)
        return RESULT_FULL;
    text_copy(list->hosts[list->count], sizeof list->hosts[0], host, strlen(host));
    list->count++;
    return RESULT_OK;
}

bool host_list_has(const struct host_list *list, const char *host, size_t host_len)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (text_equals_ignoring_case(list->hosts[i], strlen(list->hosts[i]), host, host_len))
            return true;
    return false;
}

/* Printable ASCII, but for blanks and what ends or escapes a text. By hand: strchr() for each byte
 * of each link took as long as all other checks of it. */
static bool is_url_byte(char c)
{
    return c > ' ' && c <= '~' && c != '\\' && c != '"' && c != '<' && c != '>';
}

const char *https_url_host(const char *url, size_t url_len, size_t *ret_host_len)
{
    static const char scheme[] = "https://";
    const size_t scheme_len = sizeof scheme - 1;

    if (url_len <= scheme_len || memcmp(url, scheme, scheme_len) != 0)
        return NULL;
    for (size_t i = 0; i < url_len; i++)
        if (!is_url_byte(url[i]))
            return NULL;

    const char *host = url + scheme_len;
    size_t authority_len = 0;
    while (scheme_len + authority_len < url_len && strchr("/?#", host[authority_len]) == NULL)
        authority_len++;

    size_t host_len = authority_len;
    for (size_t i = 0; i < authority_len && host[0] != '['; i++) {
        if (host[i] == ':') {
            host_len = i;
            break;
        }
    }
    for (size_t i = host_len + 1; i < authority_len; i++)
        if (host[i] < '0' || host[i] > '9')
            return NULL;
    if (!host_is_sound(host, host_len))
        return NULL;
    *ret_host_len = host_len;
    return host;
}
