/*
 * tls.h - the fake over TLS, with good and with bad certificates.
 *
 * The folder gets a private CA, unless it is there already: ca.pem, and
 * server.pem (localhost, 127.0.0.1, ::1), expired.pem, wrongname.pem, and
 * unknown.pem, which ca.pem did not sign; all with the key server.key.
 */
#ifndef CONDUCTOR_FAKE_TLS_H
#define CONDUCTOR_FAKE_TLS_H

enum certificate_kind {
    CERTIFICATE_GOOD,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_WRONG_NAME,
    CERTIFICATE_UNKNOWN_CA,
};

extern const char *const certificate_names[]; /* ends with NULL */

#endif
