/*
 * body_check.h - what the handlers of bodies share: checks, refusals, times.
 */
#ifndef CONDUCTOR_FAKE_BODY_CHECK_H
#define CONDUCTOR_FAKE_BODY_CHECK_H

#include "fake.h"

/* The JSON of a body, owned by the caller. NULL: it is not JSON. */
cJSON *body_parse(struct http_text body);

/* Whether the body is a JSON object and says so; false: the error is in the reply. */
bool body_is_object(struct fake *fake, struct exchange *exchange);

/* Puts into the reply that this member is wrong. */
void body_refuse(struct fake *fake, struct exchange *exchange, const char *member,
                 const char *wrong);

/* The text of a non-empty string; NULL: it is none. */
const char *body_text(const cJSON *value);

/* An absolute URI: scheme, colon, and for http and https a host; RFC 3986 section 3. */
bool body_is_uri(const char *text);

/* `2024-01-01T12:34:56.789Z`, or as of early 2024 `2024-01-01 12:34:56.789+00`. */
void body_time(int64_t unix_ms, bool is_legacy, char *target, size_t size);

#endif
