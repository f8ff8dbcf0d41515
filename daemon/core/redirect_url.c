/* redirect_url.c - where the API sends the end user's browser after the login. */
#include "core/redirect_url.h"

#include "base/text.h"
#include "core/host_list.h"
#include "core/job.h"

#include <stdbool.h>
#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool has_only_url_characters(const char *url, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (url[i] <= ' ' || url[i] > '~' || strchr("\\<>\"", url[i]) != NULL)
            return false;
    return true;
}

/* Length of a scheme that "://" follows; 0 if there is none. RFC 3986 section 3.1. */
static size_t scheme_len_of(const char *url, size_t len)
{
    size_t i = 0;

    while (i < len &&
           (is_letter(url[i]) || (i > 0 && (is_digit(url[i]) || strchr("+.-", url[i]) != NULL))))
        i++;
    return i > 0 && len - i >= 3 && memcmp(url + i, "://", 3) == 0 ? i : 0;
}

/* Without the port, if what follows the last colon is one; an empty one counts. */
static size_t host_len_of(const char *authority, size_t len)
{
    size_t i = len;

    while (i > 0 && is_digit(authority[i - 1]))
        i--;
    return i > 0 && authority[i - 1] == ':' ? i - 1 : len;
}

static bool is_loopback(const char *host, size_t len)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_equals_ignoring_case(host, len, names[i], strlen(names[i])))
            return true;
    return false;
}

static bool is_scheme(const char *url, size_t scheme_len, const char *wanted)
{
    return scheme_len == strlen(wanted) && memcmp(url, wanted, scheme_len) == 0;
}

/* NULL: nothing is wrong with what stands behind the scheme. */
static const char *check_authority(const char *url, size_t url_len, size_t scheme_len,
                                   const char **ret_host, size_t *ret_host_len)
{
    const char *host = url + scheme_len + strlen("://");
    size_t len = 0;

    while (host + len < url + url_len && strchr("/?#", host[len]) == NULL)
        len++;
    size_t host_len = host_len_of(host, len);

    if (memchr(host, '@', len) != NULL)
        return "has user information before its host";
    if (!host_is_sound(host, host_len))
        return "has no valid host";
    if (!is_scheme(url, scheme_len, "https") &&
        !(is_scheme(url, scheme_len, "http") && is_loopback(host, host_len)))
        return "must be https (http to localhost only)";
    *ret_host = host;
    *ret_host_len = host_len;
    return NULL;
}

enum result redirect_url_check(const char *url, size_t url_len, const char **ret_host,
                               size_t *ret_host_len, struct buffer *reterr_why)
{
    size_t scheme_len = scheme_len_of(url, url_len);
    const char *why;

    if (url_len > JOB_REDIRECT_MAX_LEN) {
        buffer_append_format(reterr_why, "has %zu bytes, %d are the most", url_len,
                             JOB_REDIRECT_MAX_LEN);
        return RESULT_INVALID;
    }
    if (!has_only_url_characters(url, url_len))
        why = "has blanks, control bytes or characters that a URL must percent-encode";
    else if (scheme_len == 0)
        why = "is no absolute URL";
    else
        why = check_authority(url, url_len, scheme_len, ret_host, ret_host_len);
    if (why == NULL)
        return RESULT_OK;
    buffer_append_str(reterr_why, why);
    return RESULT_INVALID;
}
