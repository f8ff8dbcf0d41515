/*
 * request_line.h - the first line of an HTTP request, as far as three fixed pages need it.
 *
 * Pure. Sources: RFC 9112 sections 2.2 and 3.
 */
#ifndef AUTHLINKD_APP_REQUEST_LINE_H
#define AUTHLINKD_APP_REQUEST_LINE_H

#include "base/result.h"

#include <stddef.h>

#define REQUEST_PATH_MAX_LEN 63

enum request_method {
    REQUEST_GET,
    REQUEST_HEAD,
    REQUEST_OTHER,
};

struct request_line {
    enum request_method method;
    char path[REQUEST_PATH_MAX_LEN +
              1]; /* without its query; "" when it is longer than any page's */
};

/* `text` begins with a whole line. RESULT_INVALID: it is none of HTTP/1. */
MUST_CHECK enum result request_line_parse(const char *text, size_t len,
                                          struct request_line *ret_line);

#endif
