/*
 * strict_json.h - JSON read as RFC 8259 says, on top of cJSON, which is lax.
 *
 * cJSON 1.7 takes invalid UTF-8, line ends within strings, control bytes as blanks,
 * "\u0000" as the end of a string, and of two equal names the first (reliability.md B3).
 * Here all of that is refused, so that nobody downstream reads the text otherwise.
 */
#ifndef AUTHLINKD_CONDUCTOR_STRICT_JSON_H
#define AUTHLINKD_CONDUCTOR_STRICT_JSON_H

#include "base/result.h"

#include <cjson/cJSON.h>
#include <stddef.h>

/* Objects and arrays within one another; what the API sends has two. */
#define STRICT_JSON_MAX_DEPTH 16

/*
 * Reads one JSON text; text[len] must be NUL. The caller owns the result and frees it by
 * cJSON_Delete(). NULL: it is none, or memory is short.
 */
cJSON *strict_json_parse(const char *text, size_t len);

/*
 * The string of this very name in `object`. It is lent and contains no NUL.
 *   RESULT_NOT_FOUND  no member has the name
 *   RESULT_EXISTS     several have
 *   RESULT_INVALID    it is no string
 */
MUST_CHECK enum result strict_json_string(const cJSON *object, const char *name,
                                          const char **ret_text);

#endif
