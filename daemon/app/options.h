/*
 * options.h - the command line of authlinkd.
 */
#ifndef AUTHLINKD_APP_OPTIONS_H
#define AUTHLINKD_APP_OPTIONS_H

#include "base/result.h"

enum options_action {
    ACTION_RUN,
    ACTION_CHECK_CONFIG,
    ACTION_DUMP_CONFIG,
    ACTION_VERSION,
    ACTION_HELP,
};

struct options {
    enum options_action action;
    const char *config_path; /* borrows from argv */
};

#define OPTIONS_DEFAULT_CONFIG "/etc/authlinkd/authlinkd.conf"

/* RESULT_INVALID: *reterr_word is the word that is not understood. */
MUST_CHECK enum result options_read(int argc, char **argv, struct options *ret_options,
                                    const char **reterr_word);

extern const char options_usage[];

#endif
