/*
 * failure.h - what libcurl's codes mean: a sentence for people.
 */
#ifndef AUTHLINKD_CONDUCTOR_FAILURE_H
#define AUTHLINKD_CONDUCTOR_FAILURE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

struct failure {
    CURLcode code;
    const char *error_text; /* libcurl's error buffer; "" when it said nothing */
    const char *host;
    bool is_unsent;
};

/* Writes what happened, with whom, and what a person may look at. Printable, no credentials. */
void failure_describe(const struct failure *failure, char *target, size_t size);

#endif
