/*
 * listen_address.h - where to listen for a local peer: metrics.listen, taken apart.
 *
 * Loopback and unix sockets only, so that nothing of this host is offered to a network by a
 * slip of the configuration; who wants that puts a proxy with authentication before it.
 */
#ifndef AUTHLINKD_CORE_LISTEN_ADDRESS_H
#define AUTHLINKD_CORE_LISTEN_ADDRESS_H

#include "base/result.h"

#include <stdint.h>

#define LISTEN_PATH_MAX_LEN 107                       /* sun_path, unix(7) */
#define LISTEN_TEXT_MAX_LEN (LISTEN_PATH_MAX_LEN + 7) /* unix:// and the path */

enum listen_family {
    LISTEN_NOWHERE, /* "" */
    LISTEN_IPV4,    /* 127.0.0.1:PORT, localhost:PORT */
    LISTEN_IPV6,    /* [::1]:PORT */
    LISTEN_UNIX,    /* unix:///path */
};

struct listen_address {
    enum listen_family family;
    uint16_t port;
    char unix_path[LISTEN_PATH_MAX_LEN + 1];
};

/* RESULT_INVALID: *reterr_why is the end of a sentence that begins with the setting's name. */
MUST_CHECK enum result listen_address_parse(const char *text, struct listen_address *ret_address,
                                            const char **reterr_why);

#endif
