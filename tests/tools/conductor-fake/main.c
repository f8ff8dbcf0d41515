/* main.c - conductor-fake: the Conductor API for tests, on this machine. */
#include "options.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 2

static int fail(const struct buffer *reason, enum result result, int status)
{
    fprintf(stderr, "conductor-fake: %s\n",
            reason->len > 0 ? buffer_text(reason) : result_text(result));
    return status;
}

int main(int argc, char **argv)
{
    struct fake fake;
    struct buffer reason;
    int status = EXIT_SUCCESS;

    buffer_init(&reason, 1024);
    enum result result = fake_init(&fake, argc, argv, &reason);
    if (result == RESULT_OK) {
        result = server_run(&fake, &reason);
        if (result != RESULT_OK)
            status = fail(&reason, result, EXIT_FAILURE);
        fake_done(&fake);
    } else if (result != RESULT_EMPTY) {
        status = fail(&reason, result, EXIT_USAGE);
    }
    buffer_done(&reason);
    return status;
}
