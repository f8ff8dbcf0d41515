/* transfer_target.c - what the easy handles of one target have in common. */
#include "conductor/transfer_target.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 5000L

static bool append_header(struct transfer_target *target, const char *line)
{
    struct curl_slist *longer = curl_slist_append(target->headers, line);

    if (longer == NULL)
        return false;
    target->headers = longer;
    return true;
}

static bool append_authorization(struct transfer_target *target, const char *secret_key)
{
    static const char name[] = "Authorization: Bearer ";
    size_t size = sizeof name + strlen(secret_key);
    char *line = malloc(size);

    if (line == NULL)
        return false;
    memcpy(line, name, sizeof name - 1);
    memcpy(line + sizeof name - 1, secret_key, strlen(secret_key) + 1);
    bool is_appended = append_header(target, line);
    explicit_bzero(line, size);
    free(line);
    return is_appended;
}

struct transfer_target *transfer_target_new(const char *url, const char *secret_key,
                                            const char *ca_file, int64_t timeout_ms)
{
    struct transfer_target *target = calloc(1, sizeof *target);

    if (target == NULL)
        return NULL;
    target->references = 1;
    target->url = strdup(url);
    target->ca_file = strdup(ca_file);
    target->timeout_ms = (long)timeout_ms;
    target->is_plain_http = text_starts_with(url, "http://");
    /* "Expect:" with no value keeps libcurl from asking for 100-continue first. */
    bool is_built = target->url != NULL && target->ca_file != NULL &&
                    append_authorization(target, secret_key) &&
                    append_header(target, "Content-Type: application/json") &&
                    append_header(target, "Accept: application/json") &&
                    append_header(target, "Expect:");
    return is_built ? target : transfer_target_release(target);
}

struct transfer_target *transfer_target_hold(struct transfer_target *target)
{
    target->references++;
    return target;
}

struct transfer_target *transfer_target_release(struct transfer_target *target)
{
    if (target == NULL || --target->references > 0)
        return NULL;
    for (struct curl_slist *line = target->headers; line != NULL; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(target->headers);
    free(target->url);
    free(target->ca_file);
    free(target);
    return NULL;
}

void transfer_target_apply(const struct transfer_target *target, CURL *easy)
{
    long connect_ms =
        target->timeout_ms < CONNECT_TIMEOUT_MS ? target->timeout_ms : CONNECT_TIMEOUT_MS;

    curl_easy_setopt(easy, CURLOPT_URL, target->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, target->headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, target->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    if (target->ca_file[0] != '\0')
        curl_easy_setopt(easy, CURLOPT_CAINFO, target->ca_file);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, target->is_plain_http ? "http" : "https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
                     target->is_plain_http ? CURLPROTO_HTTP : CURLPROTO_HTTPS);
#endif
}
