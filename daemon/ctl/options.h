/*
 * options.h - the words of a command: one table is what is read and what --help prints.
 *
 * Options may stand before, between and after other words; `--` ends them, and `-` is a word.
 * Every command takes those of the whole program, too (ctl.h: --config, --redis, --json ...).
 */
#ifndef AUTHLINKD_CTL_OPTIONS_H
#define AUTHLINKD_CTL_OPTIONS_H

#include "base/result.h"
#include "ctl/ctl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, borrows from argv */
    OPTION_NUMBER,   /* int64_t, min to max */
    OPTION_DURATION, /* int64_t, ms: 30s, 10m, 2h, 1d */
};

struct option_spec {
    const char *name;       /* with its hyphens */
    const char *value_name; /* NULL: a flag */
    enum option_kind kind;
    void *target;
    int64_t min, max;
    const char *help;
};

/* What a command takes, and what --help says of it. */
struct command_help {
    const char *words;   /* other words, as in "ID..." */
    const char *summary; /* what it does: lines, each ended */
    const struct option_spec *options;
    size_t option_count;
    int min_words, max_words; /* how many other words; max -1: any number */
};

/*
 * Reads the words; the others are moved to the front of `argv`, *ret_count of them.
 * RESULT_EMPTY: --help was asked for, and printed. RESULT_INVALID: told.
 */
MUST_CHECK enum result options_read(struct ctl *ctl, const struct command_help *help, int argc,
                                    char **argv, int *ret_count);

/*
 * Options of the program before the command's name: *ret_count words of `argv` are read.
 * RESULT_INVALID: told.
 */
MUST_CHECK enum result options_read_leading(struct ctl *ctl, int argc, char **argv, int *ret_count);

/* Options of the program, for its own --help. */
void options_print_common(struct ctl *ctl);

/* What a command returns when options_read() did not say RESULT_OK. */
enum ctl_exit options_exit(enum result result);

#endif
