/* hooks.c - the points do nothing outside the test build. */
#include "base/hooks.h"

void hook_reach(const char *point)
{
    (void)point;
}
