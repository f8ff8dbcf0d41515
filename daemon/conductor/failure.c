/* failure.c - what libcurl's codes mean: a sentence for people. */
#include "conductor/failure.h"

#include "conductor/redact.h"

#include <stdio.h>
#include <string.h>

static bool is_of_tls(CURLcode code)
{
    static const CURLcode codes[] = {
        CURLE_SSL_CONNECT_ERROR,     CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
        CURLE_SSL_CACERT_BADFILE,    CURLE_SSL_ISSUER_ERROR,         CURLE_SSL_CIPHER,
        CURLE_SSL_INVALIDCERTSTATUS,
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (code == codes[i])
            return true;
    return false;
}

/* The part of the sentence that follows the host: what to look at. */
static const char *advice(const struct failure *failure)
{
    if (failure->code == CURLE_COULDNT_RESOLVE_HOST)
        return "check the name service and conductor.base_url";
    if (is_of_tls(failure->code))
        return "check conductor.ca_file, conductor.base_url and this machine's clock";
    if (failure->is_unsent)
        return "check the network and conductor.base_url";
    return "the API may have taken the request all the same";
}

void failure_describe(const struct failure *failure, char *target, size_t size)
{
    const char *cause =
        failure->error_text[0] != '\0' ? failure->error_text : curl_easy_strerror(failure->code);
    const char *what = is_of_tls(failure->code) ? "no trusted TLS connection to"
                       : failure->is_unsent     ? "no connection to"
                                                : "no whole answer from";
    char sentence[1024];

    snprintf(sentence, sizeof sentence, "%s %s: %s; %s", what, failure->host, cause,
             advice(failure));
    redact_text(sentence, strlen(sentence), target, size);
}
