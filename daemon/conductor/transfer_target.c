/* transfer_target.c - what the requests to one target have in common. */
#include "conductor/transfer_target.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

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

/* libcurl sends a header as it stands: a line end in the key would begin a header more. */
static bool is_sendable(const char *secret_key)
{
    return secret_key[0] != '\0' && text_is_one_word(secret_key);
}

struct transfer_target *transfer_target_new(const struct endpoint *endpoint, const char *secret_key,
                                            const char *ca_file, int64_t timeout_ms)
{
    struct transfer_target *target = is_sendable(secret_key) ? calloc(1, sizeof *target) : NULL;

    if (target == NULL)
        return NULL;
    target->references = 1;
    target->endpoint = *endpoint;
    target->url = curl_url();
    target->ca_file = strdup(ca_file);
    target->timeout_ms = timeout_ms;
    /* "Expect:" with no value keeps libcurl from asking for 100-continue first. */
    bool is_built = target->ca_file != NULL && target->url != NULL &&
                    curl_url_set(target->url, CURLUPART_URL, endpoint->url, 0) == CURLUE_OK &&
                    append_authorization(target, secret_key) &&
                    append_header(target, "Content-Type: application/json") &&
                    append_header(target, "Accept: application/json") &&
                    append_header(target, "User-Agent: authlinkd/" AUTHLINKD_VERSION) &&
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
    curl_url_cleanup(target->url);
    free(target->ca_file);
    free(target);
    return NULL;
}
