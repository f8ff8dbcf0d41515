/*
 * http_request.h - reads one HTTP/1.x request, strictly, out of bytes in memory.
 *
 * Pure. What RFC 9112 calls an error is one here, also where servers commonly
 * look away: a client that passes has sent a well-formed request. Everything is
 * bounded by the constants below. The texts of a request point into the bytes
 * given and are valid as long as those are.
 *
 * Sources  RFC 9112 (messages), RFC 9110 sections 5.6.2, 7.2, 10.1.1 (tokens, Host, Expect).
 */
#ifndef CONDUCTOR_FAKE_HTTP_REQUEST_H
#define CONDUCTOR_FAKE_HTTP_REQUEST_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX_BYTES 32768
#define HTTP_HEADERS_MAX    64

struct http_text {
    const char *data;
    size_t len;
};

struct http_header {
    struct http_text name;
    struct http_text value; /* without blanks at its ends */
};

struct http_request {
    struct http_text method;
    struct http_text target; /* as sent */
    struct http_text path;   /* the target up to `?` */
    struct http_text query;  /* behind `?`; empty when there is none */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    size_t head_len; /* bytes, empty line included */
    size_t content_length;
    bool is_chunked;
    bool keeps_alive;      /* the client wants the connection to stay */
    bool expects_continue; /* it waits for 100 before it sends the body */
    struct http_text body; /* decoded; set by http_body_read() */
};

/*
 * Reads the head.
 *   RESULT_OK       *ret_request is filled but for its body.
 *   RESULT_LATER    the head is not complete yet.
 *   RESULT_INVALID  *reterr_status is the status to answer before closing.
 */
MUST_CHECK enum result http_head_read(const char *data, size_t len,
                                      struct http_request *ret_request, int *reterr_status);

/*
 * Finds the body behind the head; a chunked one is put together in place.
 *   RESULT_OK       request->body is set, *ret_used is how many bytes of `data` the request took.
 *   RESULT_LATER    the body is not complete yet; nothing was changed.
 *   RESULT_INVALID  *reterr_status is the status to answer before closing.
 */
MUST_CHECK enum result http_body_read(struct http_request *request, char *data, size_t len,
                                      size_t max_body_bytes, size_t *ret_used, int *reterr_status);

/* The header of this name in any case; NULL: it was not sent. */
const struct http_text *http_header_find(const struct http_request *request, const char *name);

bool http_text_is(struct http_text text, const char *wanted);

/* True when `text` is `prefix` followed by *ret_rest. */
bool http_text_follows(struct http_text text, const char *prefix, struct http_text *ret_rest);

#endif
