/*
 * transfer_target.h - what the easy handles of one target have in common. Inside conductor/ only.
 */
#ifndef AUTHLINKD_CONDUCTOR_TRANSFER_TARGET_H
#define AUTHLINKD_CONDUCTOR_TRANSFER_TARGET_H

#include "conductor/transfers.h"

#include <curl/curl.h>

struct transfer_target {
    uint32_t references;
    char *url;                  /* owns */
    char *ca_file;              /* owns; "" for the system's */
    struct curl_slist *headers; /* owns; holds the secret key: wiped before it is freed */
    long timeout_ms;
    bool is_plain_http; /* to a loopback address; config/ sees to that */
};

/* One more reference for a transfer. */
struct transfer_target *transfer_target_hold(struct transfer_target *target);

/* Sets what differs between targets on a handle. */
void transfer_target_apply(const struct transfer_target *target, CURL *easy);

#endif
