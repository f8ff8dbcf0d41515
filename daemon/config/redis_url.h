/*
 * redis_url.h - redis.url, taken apart.
 *
 *     redis://[user@]host[:port][/db]      port 6379, db 0; IPv6 in brackets
 *     rediss://...                         the same over TLS
 *     unix:///path/of/socket
 *
 * No password: URLs end up in logs and process lists.
 */
#ifndef AUTHLINKD_CONFIG_REDIS_URL_H
#define AUTHLINKD_CONFIG_REDIS_URL_H

#include "base/result.h"
#include "queue/link.h"

/* The files of TLS are left empty. RESULT_INVALID: *reterr_why says what is wrong; a text of the
 * program, without the URL. */
MUST_CHECK enum result redis_url_parse(const char *url, struct link_address *ret_address,
                                       const char **reterr_why);

#endif
