/*
 * auth_session.h - checks the object that the API calls an auth session.
 *
 * Pure. A part of answer.c, apart because it has rules of its own.
 */
#ifndef AUTHLINKD_CONDUCTOR_AUTH_SESSION_H
#define AUTHLINKD_CONDUCTOR_AUTH_SESSION_H

#include "conductor/answer.h"

#include <cjson/cJSON.h>

/* Why an object is no session of ours: "<field>: <why>". Texts of the program only. */
struct auth_session_fault {
    const char *field;
    const char *why;
};

/*
 * Checks the session field by field and copies what is kept.
 *   RESULT_INVALID  *reterr_fault names the first field that is wrong; nothing is left in
 *                   *ret_session.
 */
MUST_CHECK enum result auth_session_read(const cJSON *object,
                                         const struct answer_expected *expected,
                                         int64_t date_unix_ms, struct session *ret_session,
                                         struct auth_session_fault *reterr_fault);

#endif
