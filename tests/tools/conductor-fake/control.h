/*
 * control.h - /_fake/: scripts the fake and tells what came. No key, loopback only.
 *
 *     GET  /_fake/stats                      counts of everything
 *     GET  /_fake/counts                     end user -> sessions created
 *     GET  /_fake/requests?since=N&limit=M   what came, from number N (1) on, at most M (1000)
 *     GET  /_fake/sessions?since=N&limit=M   what was created
 *     GET  /_fake/settings                   all settings
 *     POST /_fake/settings                   {"latencyMs": 20, ...}: changes some
 *     GET  /_fake/faults                     the rules, with how often each applied
 *     POST /_fake/faults                     a rule or an array of rules, in the place of all
 * others POST /_fake/faults/add                 the same, behind the others POST /_fake/keys
 * {"add": [{"secretKey", "publishableKey"}], "revoke": [key]} POST /_fake/end-users {"known": [id],
 * "missing": [id], "pcOff": [id], "notStarted": [id], "started": [id], "connected": [id]} POST
 * /_fake/reset                      as at the start
 */
#ifndef CONDUCTOR_FAKE_CONTROL_H
#define CONDUCTOR_FAKE_CONTROL_H

#include "fake.h"

bool control_is_for(struct http_text path);

/* Fills reply, form and delivery of the exchange. */
void control_answer(struct fake *fake, struct exchange *exchange);

#endif
