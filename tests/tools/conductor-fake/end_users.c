/* end_users.c - end users. Sources: conductor-api.md section 4. */
#include "end_users.h"

bool end_users_route(struct fake *fake, struct exchange *exchange, const char *project)
{
    (void)fake;
    (void)exchange;
    (void)project;
    return false;
}

bool end_users_route_legacy(struct fake *fake, struct exchange *exchange, const char *project)
{
    return end_users_route(fake, exchange, project);
}
