/*
 * api_time.h - points in time as the API and HTTP write them.
 *
 * Pure; no locale, no time zone of the machine.
 *
 * Sources  conductor-api.md 2.3 (today's form and that of old: a blank for T, "+00"),
 *          RFC 9110 section 5.6.7 (HTTP-date and its two obsolete forms).
 */
#ifndef AUTHLINKD_CORE_API_TIME_H
#define AUTHLINKD_CORE_API_TIME_H

#include "base/result.h"

#include <stddef.h>
#include <stdint.h>

/*
 * `YYYY-MM-DD`, T or a blank, `HH:MM:SS`, a fraction of any length (what is finer than
 * a millisecond is cut), then Z, +HH, +HHMM or +HH:MM. RESULT_INVALID: anything else,
 * a day that no calendar has included.
 */
MUST_CHECK enum result api_time_parse(const char *text, size_t len, int64_t *ret_unix_ms);

/* An HTTP-date in any of its three forms. */
MUST_CHECK enum result http_date_parse(const char *text, size_t len, int64_t *ret_unix_ms);

#endif
