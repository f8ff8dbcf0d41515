/*
 * handle.h - the options that every request to the API has.
 *
 * They are set once a handle and target, and stay: a request that follows changes its
 * body only.
 * Sources  reliability.md B2; curl_easy_setopt(3). Needs libcurl 7.80 or newer.
 */
#ifndef AUTHLINKD_CONDUCTOR_HANDLE_H
#define AUTHLINKD_CONDUCTOR_HANDLE_H

#include "base/result.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct handle_options {
    CURLU *url; /* borrowed, as `headers` */
    bool is_https;
    const char *ca_file;              /* "": the system's */
    const struct curl_slist *headers; /* borrowed as long as the handle lives */
    int64_t request_timeout_ms;
    curl_prereq_callback on_sending; /* asked each time before the request is sent */
    curl_write_callback on_body;
    curl_write_callback on_header;
    void *user;       /* of the callbacks */
    char *error_text; /* CURL_ERROR_SIZE bytes */
};

/*
 * `easy` is new.
 *   RESULT_NO_MEMORY, RESULT_INVALID (libcurl cannot do it)  it must not be used.
 */
MUST_CHECK enum result handle_set_up(CURL *easy, const struct handle_options *options);

#endif
