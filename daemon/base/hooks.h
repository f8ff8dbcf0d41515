/*
 * hooks.h - named points that a test may act on.
 *
 * In the programs that are shipped hook_reach() does nothing. The test build
 * (`build/authlinkd-hooked`) links another definition, tests/tools/hooks.c, that
 * kills the process at the point named in its environment, or lets a part of it hang.
 */
#ifndef AUTHLINKD_BASE_HOOKS_H
#define AUTHLINKD_BASE_HOOKS_H

#include <stdbool.h>

void hook_reach(const char *point);

/* True when the replies to this step (or "peek") are to be lost inside of the process. */
bool hook_is_wedged(const char *step);

#endif
