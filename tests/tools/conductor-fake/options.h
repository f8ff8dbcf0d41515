/*
 * options.h - the command line.
 */
#ifndef CONDUCTOR_FAKE_OPTIONS_H
#define CONDUCTOR_FAKE_OPTIONS_H

#include "fake.h"

#include <stdio.h>

/*
 * Reads the options into a fake that is at its defaults.
 *   RESULT_EMPTY    --help or --version was asked for and answered.
 *   RESULT_INVALID  *reterr_reason holds a sentence.
 */
MUST_CHECK enum result options_read(struct fake *fake, int argc, char **argv,
                                    struct buffer *reterr_reason);

#endif
