/*
 * doctor.h - findings: one line each, with what to do.
 *
 * Nothing that is looked at is changed, but for one key of its own in Redis, `<prefix>:doctor`,
 * which is written and removed.
 */
#ifndef AUTHLINKD_CTL_DOCTOR_H
#define AUTHLINKD_CTL_DOCTOR_H

#include "ctl/ctl.h"
#include "ctl/json.h"

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    struct ctl *ctl;
    struct buffer text; /* of the JSON form */
    struct json json;
    int warnings, failures;
};

/* Tells one finding: `check` names it, `advice` ("": none) says what to do. */
void doctor_find(struct doctor *doctor, enum verdict verdict, const char *check, const char *advice,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

/* What Redis is, how it keeps things, and what its user may. Wants a connection. */
void doctor_look_at_redis(struct doctor *doctor);

/* Whom the data belongs to, what is there, who works on it. Wants a connection. */
void doctor_look_at_data(struct doctor *doctor);

/* The configuration's files, and the way to the API. */
void doctor_look_at_host(struct doctor *doctor);

#endif
