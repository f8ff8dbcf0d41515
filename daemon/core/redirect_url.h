/*
 * redirect_url.h - where the API sends the end user's browser after the login.
 *
 * The same rules as in job_object.lua, which must change together with this.
 *
 * Sources  Bounds: design.md section 2.
 */
#ifndef AUTHLINKD_CORE_REDIRECT_URL_H
#define AUTHLINKD_CORE_REDIRECT_URL_H

#include "base/buffer.h"
#include "base/result.h"

#include <stddef.h>

/*
 * An absolute URL, https (http to localhost only), at most JOB_REDIRECT_MAX_LEN bytes, without
 * user information, blanks, control bytes or what a URL must percent-encode.
 *   RESULT_OK       *ret_host points to its host within `url`, brackets included, port not.
 *   RESULT_INVALID  what is wrong is appended to `reterr_why`, as the end of a sentence that begins
 *                   with the name of the URL.
 */
MUST_CHECK enum result redirect_url_check(const char *url, size_t url_len, const char **ret_host,
                                          size_t *ret_host_len, struct buffer *reterr_why);

#endif
