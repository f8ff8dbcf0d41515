/* listen_address.c - where to listen for a local peer. */
#include "core/listen_address.h"

#include "base/text.h"

#include <string.h>

static const char unix_scheme[] = "unix://";

static const struct {
    const char *host;
    enum listen_family family;
} hosts[] = {
    {"127.0.0.1:", LISTEN_IPV4},
    {"localhost:", LISTEN_IPV4},
    {"[::1]:", LISTEN_IPV6},
};

/* NULL: taken. */
static const char *take_path(const char *path, struct listen_address *address)
{
    if (path[0] != '/' || path[1] == '\0' || path[strlen(path) - 1] == '/')
        return "must have the absolute path of a socket behind unix://, as in "
               "unix:///run/authlinkd/metrics.sock";
    if (!text_is_printable(path, strlen(path)))
        return "has a path with other than printable ASCII characters";
    if (text_copy(address->unix_path, sizeof address->unix_path, path, strlen(path)) != RESULT_OK)
        return "has a path over 107 bytes, more than a socket's name may have";
    address->family = LISTEN_UNIX;
    return NULL;
}

static const char *take_host_and_port(const char *text, struct listen_address *address)
{
    int64_t port = 0;

    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        if (!text_starts_with(text, hosts[i].host))
            continue;
        const char *digits = text + strlen(hosts[i].host);
        if (text_to_int64(digits, strlen(digits), 1, UINT16_MAX, &port) != RESULT_OK)
            return "must end with a port, 1..65535";
        address->family = hosts[i].family;
        address->port = (uint16_t)port;
        return NULL;
    }
    return "must be 127.0.0.1:PORT, [::1]:PORT, localhost:PORT or unix:///path: metrics are "
           "offered to this host only";
}

enum result listen_address_parse(const char *text, struct listen_address *ret_address,
                                 const char **reterr_why)
{
    struct listen_address address = {.family = LISTEN_NOWHERE};
    const char *why = NULL;

    if (text_starts_with(text, unix_scheme))
        why = take_path(text + strlen(unix_scheme), &address);
    else if (text[0] != '\0')
        why = take_host_and_port(text, &address);
    if (why != NULL) {
        *reterr_why = why;
        return RESULT_INVALID;
    }
    *ret_address = address;
    return RESULT_OK;
}
