/*
 * api.h - what the API answers to a request, and what goes wrong with it.
 *
 * The order: rate limit, faults, authentication, resource. A throttled request
 * uses no fault up.
 */
#ifndef CONDUCTOR_FAKE_API_H
#define CONDUCTOR_FAKE_API_H

#include "fake.h"

/* Fills reply, form and delivery of the exchange; counts and records the request. */
void api_answer(struct fake *fake, struct exchange *exchange);

/* Tells what became of the answer, once for each api_answer(). */
void api_leave(struct fake *fake, struct exchange *exchange, enum fate fate);

/* Routes a request that is neither throttled nor failed: authentication, then the resource. */
void api_route(struct fake *fake, struct exchange *exchange);

/* The faults that strike before there is a request. */
enum fault_drop api_drop_at_accept(struct fake *fake);
enum fault_drop api_drop_at_head(struct fake *fake, const struct http_request *request);

/* Does to the exchange what the rule says, in fault_effects.c. */
void fault_take_effect(struct fake *fake, struct exchange *exchange, const struct fault *fault);

#endif
