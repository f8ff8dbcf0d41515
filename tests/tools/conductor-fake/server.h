/*
 * server.h - the listening socket on 127.0.0.1 and the loop.
 */
#ifndef CONDUCTOR_FAKE_SERVER_H
#define CONDUCTOR_FAKE_SERVER_H

#include "fake.h"

/* Serves until SIGINT or SIGTERM. On failure *reterr_reason holds a sentence. */
MUST_CHECK enum result server_run(struct fake *fake, struct buffer *reterr_reason);

#endif
