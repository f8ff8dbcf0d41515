/*
 * endpoint.h - where the API is: conductor.base_url, checked and taken apart.
 */
#ifndef AUTHLINKD_CONDUCTOR_ENDPOINT_H
#define AUTHLINKD_CONDUCTOR_ENDPOINT_H

#include "base/result.h"

#include <stdbool.h>

#define ENDPOINT_URL_MAX_LEN  1024
#define ENDPOINT_HOST_MAX_LEN 255

struct endpoint {
    char url[ENDPOINT_URL_MAX_LEN + 1]; /* of POST /auth-sessions */
    char host[ENDPOINT_HOST_MAX_LEN + 1];
    bool is_https; /* false: http to a loopback address */
};

/*
 * Only https, or http to a loopback address: the secret key goes along with each request.
 *   RESULT_INVALID  *reterr_why says what is wrong; a text of the program.
 */
MUST_CHECK enum result endpoint_parse(const char *base_url, struct endpoint *ret_endpoint,
                                      const char **reterr_why);

#endif
