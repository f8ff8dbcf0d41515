/* redis_url.c - redis.url, taken apart. */
#include "config/redis_url.h"

#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#define DEFAULT_PORT 6379
#define DB_MAX       65535

static const char tcp_scheme[] = "redis://";
static const char tls_scheme[] = "rediss://";
static const char unix_scheme[] = "unix://";

/* Nothing that would need percent-encoding: what is encoded is read differently by different
 * readers. */
static bool is_plain_word(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
        if (!is_plain)
            return false;
    }
    return len > 0;
}

static const char *take_path(const char *path, struct link_address *address)
{
    if (path[0] != '/' || path[1] == '\0')
        return "must have an absolute path behind unix://, as in unix:///run/redis/redis.sock";
    if (strpbrk(path, "?#") != NULL)
        return "must end with the path of the socket";
    if (text_copy(address->unix_path, sizeof address->unix_path, path, strlen(path)) != RESULT_OK)
        return "has a path over 107 bytes, more than a socket's name may have";
    return NULL;
}

/* Up to and with the '@'; *ret_used is 0 if there is none. */
static const char *take_user(const char *authority, size_t len, struct link_address *address,
                             size_t *ret_used)
{
    const char *at = memrchr(authority, '@', len);

    *ret_used = 0;
    if (at == NULL)
        return NULL;
    size_t user_len = (size_t)(at - authority);
    if (memchr(authority, ':', user_len) != NULL)
        return "must not hold a password: put it into a file (redis.password_file) or into the "
               "systemd credential redis-password";
    if (!is_plain_word(authority, user_len) ||
        text_copy(address->user, sizeof address->user, authority, user_len) != RESULT_OK)
        return "has a user name of other than 1 to 128 letters, digits, dots, hyphens, underscores";
    *ret_used = user_len + 1;
    return NULL;
}

static const char *take_host_and_port(const char *text, size_t len, struct link_address *address)
{
    bool is_bracketed = len > 0 && text[0] == '[';
    const char *bracket = is_bracketed ? memchr(text, ']', len) : NULL;
    const char *from = bracket != NULL ? bracket : text;
    const char *colon = memchr(from, ':', len - (size_t)(from - text));
    size_t host_len = colon != NULL ? (size_t)(colon - text) : len;
    int64_t port = DEFAULT_PORT;

    if ((is_bracketed && bracket == NULL) || !host_is_sound(text, host_len))
        return "has no valid host (IPv6 addresses stand in brackets)";
    if (colon != NULL &&
        text_to_int64(colon + 1, len - host_len - 1, 1, UINT16_MAX, &port) != RESULT_OK)
        return "has a port that is none: 1..65535";
    address->port = (uint16_t)port;
    if (is_bracketed) { /* what resolves names wants an address without brackets */
        text++;
        host_len -= 2;
    }
    text_copy(address->host, sizeof address->host, text, host_len);
    return NULL;
}

static const char *take_db(const char *path, struct link_address *address)
{
    int64_t db = 0;

    if (path[0] == '/' && path[1] != '\0' &&
        text_to_int64(path + 1, strlen(path + 1), 0, DB_MAX, &db) != RESULT_OK)
        return "must end with the number of the database, as in redis://127.0.0.1:6379/0";
    if (path[0] != '/' && path[0] != '\0')
        return "must end with the number of the database, as in redis://127.0.0.1:6379/0";
    address->db = (uint32_t)db;
    return NULL;
}

static const char *take_apart(const char *url, struct link_address *address)
{
    size_t used = 0;

    if (!text_is_one_word(url))
        return "has blanks or control bytes";
    if (text_starts_with(url, unix_scheme))
        return take_path(url + strlen(unix_scheme), address);
    address->tls.is_on = text_starts_with(url, tls_scheme);
    if (!address->tls.is_on && !text_starts_with(url, tcp_scheme))
        return "must begin with redis://, rediss:// (TLS) or unix://";

    const char *authority = url + strlen(address->tls.is_on ? tls_scheme : tcp_scheme);
    size_t len = strcspn(authority, "/?#");
    const char *why = take_user(authority, len, address, &used);
    if (why == NULL)
        why = take_host_and_port(authority + used, len - used, address);
    if (why == NULL)
        why = take_db(authority + len, address);
    return why;
}

enum result redis_url_parse(const char *url, struct link_address *ret_address,
                            const char **reterr_why)
{
    struct link_address address = {.port = 0};
    const char *why = take_apart(url, &address);

    if (why != NULL) {
        *reterr_why = why;
        return RESULT_INVALID;
    }
    *ret_address = address;
    return RESULT_OK;
}
