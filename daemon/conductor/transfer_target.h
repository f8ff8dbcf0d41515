/*
 * transfer_target.h - what the requests to one target have in common. Inside conductor/ only.
 */
#ifndef AUTHLINKD_CONDUCTOR_TRANSFER_TARGET_H
#define AUTHLINKD_CONDUCTOR_TRANSFER_TARGET_H

#include "conductor/endpoint.h"
#include "conductor/transfers.h"

#include <curl/curl.h>
#include <stdbool.h>

struct transfer_target {
    uint32_t references;
    bool is_retired; /* no request will begin with it any more */
    struct endpoint endpoint;
    CURLU *url;                 /* owns; the endpoint's, read once for all requests */
    char *ca_file;              /* owns; "" for the system's */
    struct curl_slist *headers; /* owns; holds the secret key: wiped before it is freed */
    int64_t timeout_ms;
};

/* One more reference for a transfer. */
struct transfer_target *transfer_target_hold(struct transfer_target *target);

#endif
