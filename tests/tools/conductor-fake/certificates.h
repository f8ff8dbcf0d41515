/*
 * certificates.h - a private CA for tests, and certificates good and bad.
 *
 *   server.key      the key of all that follow
 *   server.pem      localhost, 127.0.0.1, ::1
 *   expired.pem     the same names, until yesterday
 *   wrongname.pem   wrong.example only
 *   unknown.pem     the names of server.pem, signed by a CA that is nowhere
 *   ca.pem          signed the first three; its key is not kept
 */
#ifndef CONDUCTOR_FAKE_CERTIFICATES_H
#define CONDUCTOR_FAKE_CERTIFICATES_H

#include "base/buffer.h"

#define CERTIFICATES_KEY "server.key"

/*
 * Makes the folder and its files; does nothing when server.pem is there. Two
 * processes that do so at once get the same files. On failure *reterr_reason
 * holds a sentence.
 */
MUST_CHECK enum result certificates_make(const char *folder, struct buffer *reterr_reason);

#endif
