/*
 * answer.h - what an HTTP answer of the API says.
 *
 * Pure. Takes nothing on trust: a session is one only when it is well-formed, for the end
 * user who was asked for, and its link leads to a host where logins are served. Whatever
 * else comes is told apart as far as somebody needs it (core/outcome.h).
 *
 * Sources  conductor-api.md 2.2, 2.3 (session, today's form and the old one), 3.1 (error).
 */
#ifndef AUTHLINKD_CONDUCTOR_ANSWER_H
#define AUTHLINKD_CONDUCTOR_ANSWER_H

#include "conductor/headers.h"
#include "core/host_list.h"
#include "core/outcome.h"

#include <stddef.h>
#include <stdint.h>

/* A whole answer as it came. All borrowed for the call. */
struct answer_raw {
    int http_status;
    const char *body; /* body[body_len] is NUL */
    size_t body_len;
    const struct headers *headers;
    int64_t wall_unix_ms; /* our clock: used only where the answer has no Date */
};

/* What a session must agree with. All borrowed for the call. */
struct answer_expected {
    const char *end_user_id;
    uint32_t link_expiry_mins;
    const struct host_list *link_hosts;
};

/*
 * Fills `ret_answer` wholly, with state ANSWER_WHOLE. The API's clientSecret is kept
 * nowhere; the link only in ret_answer->session.
 *
 * A session's life is expiresAt minus createdAt, both by the API's clock; in the old form,
 * which has no createdAt, minus the answer's Date, or else the minutes that were asked for.
 * It is never more than these minutes and five.
 */
void answer_parse(const struct answer_raw *raw, const struct answer_expected *expected,
                  struct answer *ret_answer);

#endif
