/*
 * letters.h - dead letters: which of them are meant.
 */
#ifndef AUTHLINKD_CTL_LETTERS_H
#define AUTHLINKD_CTL_LETTERS_H

#include "ctl/stream.h"

#include <stdint.h>

/* All that match each of these; NULL: any. */
struct letter_filter {
    const char *reason;
    const char *ref_prefix;
    int64_t max; /* 0: any number */
    int id_count;
    char **ids; /* these only */
};

/* Reads the letters that match, oldest first. */
MUST_CHECK enum result letters_read(struct dialog *dialog, const struct letter_filter *filter,
                                    stream_on_entry on_letter, void *user);

#endif
