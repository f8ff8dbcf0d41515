/* endpoint.c - where the API is: conductor.base_url, checked and taken apart. */
#include "conductor/endpoint.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static bool is_loopback(const char *host)
{
    struct in_addr v4;

    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

static bool copy_part(CURLU *url, CURLUPart part, char *target, size_t size)
{
    char *text = NULL;
    bool is_copied = curl_url_get(url, part, &text, 0) == CURLUE_OK &&
                     text_copy(target, size, text, strlen(text)) == RESULT_OK;

    curl_free(text);
    return is_copied;
}

/* NULL: nothing is wrong, and `endpoint` is filled. */
static const char *take_apart(CURLU *url, const char *base_url, struct endpoint *endpoint)
{
    char scheme[8];
    size_t len = strlen(base_url);

    if (!text_is_one_word(base_url) ||
        curl_url_set(url, CURLUPART_URL, base_url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        !copy_part(url, CURLUPART_HOST, endpoint->host, sizeof endpoint->host))
        return "is no URL";
    if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
        return "must not hold a user or password";
    if (strpbrk(base_url, "?#") != NULL) /* curl_url_get() tells of no empty part */
        return "must end with its path";
    if (!copy_part(url, CURLUPART_SCHEME, scheme, sizeof scheme))
        return "must be https";
    endpoint->is_https = strcmp(scheme, "https") == 0;
    if (!endpoint->is_https && strcmp(scheme, "http") != 0)
        return "must be https";
    if (!endpoint->is_https && !is_loopback(endpoint->host))
        return "must be https: http is for loopback addresses only";

    while (len > 0 && base_url[len - 1] == '/')
        len--;
    int url_len =
        snprintf(endpoint->url, sizeof endpoint->url, "%.*s/auth-sessions", (int)len, base_url);
    return url_len < 0 || url_len > ENDPOINT_URL_MAX_LEN ? "is too long" : NULL;
}

enum result endpoint_parse(const char *base_url, struct endpoint *ret_endpoint,
                           const char **reterr_why)
{
    CURLU *url = curl_url();

    if (url == NULL)
        return RESULT_NO_MEMORY;

    struct endpoint endpoint = {.is_https = false};
    const char *why = strlen(base_url) > ENDPOINT_URL_MAX_LEN
                          ? "is too long"
                          : take_apart(url, base_url, &endpoint);
    curl_url_cleanup(url);
    if (why != NULL) {
        *reterr_why = why;
        return RESULT_INVALID;
    }
    *ret_endpoint = endpoint;
    return RESULT_OK;
}
