/*
 * host_list.h - a short list of host names that somebody allowed.
 */
#ifndef AUTHLINKD_CORE_HOST_LIST_H
#define AUTHLINKD_CORE_HOST_LIST_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_MAX_LEN    253 /* RFC 1035 section 2.3.4, in text form */
#define HOST_LIST_MAX   16

struct host_list {
    uint32_t count;
    char hosts[HOST_LIST_MAX][HOST_MAX_LEN + 1];
};

/* RESULT_FULL: the list is; RESULT_INVALID: no host name, or too long. */
MUST_CHECK enum result host_list_add(struct host_list *list, const char *host);

/* Letters compare equal in either case. */
bool host_list_has(const struct host_list *list, const char *host, size_t host_len);

/* Letters, digits, dots and hyphens; or an IPv6 address in brackets. */
bool host_is_sound(const char *host, size_t host_len);

/*
 * The host of an absolute https URL without user information, of printable characters
 * only; NULL if it is none. Points into `url`. Stricter than RFC 3986 on purpose: what
 * parsers read differently is refused.
 */
const char *https_url_host(const char *url, size_t url_len, size_t *ret_host_len);

#endif
