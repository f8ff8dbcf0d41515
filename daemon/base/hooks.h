/*
 * hooks.h - named points that a test may act on.
 *
 * In the programs that are shipped hook_reach() does nothing. The test build
 * (`build/authlinkd-hooked`) links another definition, tests/tools/hooks.c, that
 * kills the process at the point named in its environment.
 */
#ifndef AUTHLINKD_BASE_HOOKS_H
#define AUTHLINKD_BASE_HOOKS_H

void hook_reach(const char *point);

#endif
