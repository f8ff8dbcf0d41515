/* rules.c - what a text of the configuration must be, beyond being one. */
#include "config/rules.h"

#include "base/file_mode.h"
#include "base/text.h"
#include "conductor/endpoint.h"
#include "config/config.h"
#include "config/redis_url.h"
#include "core/listen_address.h"
#include "core/redirect_url.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse(struct buffer *reterr_why, const char *why)
{
    buffer_append_str(reterr_why, why);
    return false;
}

/* Every byte is a letter, a digit or one of `others`. */
static bool holds_only(const char *text, const char *others)
{
    for (; *text != '\0'; text++) {
        bool is_fine = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
                       (*text >= 'A' && *text <= 'Z') || strchr(others, *text) != NULL;
        if (!is_fine)
            return false;
    }
    return true;
}

bool rule_base_url(const char *text, struct buffer *reterr_why)
{
    struct endpoint endpoint;
    const char *why = "cannot be checked: out of memory";

    return endpoint_parse(text, &endpoint, &why) == RESULT_OK || refuse(reterr_why, why);
}

bool rule_redirect_url(const char *text, struct buffer *reterr_why)
{
    const char *host;
    size_t host_len;

    return text[0] == '\0' ||
           redirect_url_check(text, strlen(text), &host, &host_len, reterr_why) == RESULT_OK;
}

bool rule_redis_url(const char *text, struct buffer *reterr_why)
{
    struct link_address address;
    const char *why = NULL;

    return redis_url_parse(text, &address, &why) == RESULT_OK || refuse(reterr_why, why);
}

bool rule_metrics_listen(const char *text, struct buffer *reterr_why)
{
    struct listen_address address;
    const char *why = NULL;

    return listen_address_parse(text, &address, &why) == RESULT_OK || refuse(reterr_why, why);
}

bool rule_publishable_key(const char *text, struct buffer *reterr_why)
{
    if (text[0] == '\0')
        return refuse(reterr_why,
                      "is empty: the dashboard of Conductor shows it, pk_conductor_...");
    if (!text_is_one_word(text))
        return refuse(reterr_why, "must be one word of printable ASCII characters");
    if (text_starts_with(text, "sk_"))
        return refuse(reterr_why, "is a secret key (sk_...); make a new one, for this file is no "
                                  "place for it, and put the publishable key (pk_...) here");
    return true;
}

bool rule_path(const char *text, struct buffer *reterr_why)
{
    if (text[0] != '\0' && text[0] != '/')
        return refuse(reterr_why, "must be an absolute path");
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return refuse(reterr_why, "has control bytes");
    return true;
}

bool rule_readable_path(const char *text, struct buffer *reterr_why)
{
    if (!rule_path(text, reterr_why))
        return false;
    if (text[0] == '\0' || access(text, R_OK) == 0)
        return true;
    buffer_append_format(reterr_why, "cannot be read: %s", strerror(errno));
    return false;
}

bool rule_private_path(const char *text, struct buffer *reterr_why)
{
    struct stat status;

    if (!rule_readable_path(text, reterr_why))
        return false;
    if (text[0] == '\0' || stat(text, &status) != 0)
        return true; /* what was readable and is gone now is told when it is wanted */
    const char *fault = file_mode_fault(status.st_mode);
    return fault == NULL || refuse(reterr_why, fault);
}

const char *rule_hash_tag(const char *key, size_t *ret_len)
{
    const char *open = strchr(key, '{');
    const char *close = open == NULL ? NULL : strchr(open, '}');

    if (close == NULL || close == open + 1)
        return NULL;
    *ret_len = (size_t)(close - open - 1);
    return open + 1;
}

bool rule_key_prefix(const char *text, struct buffer *reterr_why)
{
    const char *open = strchr(text, '{');
    const char *close = strchr(text, '}');

    if (text[0] == '\0' || !holds_only(text, "._-:{}"))
        return refuse(reterr_why,
                      "must be 1 to 32 of A-Z a-z 0-9 . _ - : and for Redis Cluster one "
                      "hash tag in braces, as in {authlink}");
    if (open == NULL && close == NULL)
        return true;
    if (open == NULL || close == NULL || close < open + 2 || strchr(open + 1, '{') != NULL ||
        strchr(close + 1, '}') != NULL)
        return refuse(reterr_why, "has braces that are no hash tag, as in {authlink}");
    return true;
}

bool rule_queue(const char *text, struct buffer *reterr_why)
{
    return text_is_one_word(text) ||
           refuse(reterr_why, "must be one word of printable ASCII characters");
}

bool rule_instance(const char *text, struct buffer *reterr_why)
{
    return holds_only(text, "._-") || refuse(reterr_why, "must be 1 to 64 of A-Z a-z 0-9 . _ -");
}

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"error", LOG_LEVEL_ERROR}, {"warn", LOG_LEVEL_WARN},   {"notice", LOG_LEVEL_NOTICE},
    {"info", LOG_LEVEL_INFO},   {"debug", LOG_LEVEL_DEBUG},
};

static const struct {
    const char *name;
    enum log_format format;
} formats[] = {
    {"text", LOG_FORMAT_TEXT},
    {"json", LOG_FORMAT_JSON},
};

bool rule_log_level(const char *text, struct buffer *reterr_why)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(levels[i].name, text) == 0)
            return true;
    return refuse(reterr_why, "must be one of error, warn, notice, info, debug");
}

enum log_level rule_log_level_of(const char *name)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(levels[i].name, name) == 0)
            return levels[i].level;
    return LOG_LEVEL_INFO;
}

bool rule_log_format(const char *text, struct buffer *reterr_why)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, text) == 0)
            return true;
    return refuse(reterr_why, "must be text or json");
}

enum log_format rule_log_format_of(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(formats[i].name, name) == 0)
            return formats[i].format;
    return LOG_FORMAT_TEXT;
}
