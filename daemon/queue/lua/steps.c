/* steps.c - names and sources of the Lua steps. */
#include "queue/lua/steps.h"

struct lua_step lua_step(enum lua_step_id id)
{
    const struct lua_step steps[LUA_STEP_COUNT] = {
#define X(name) {#name, lua_##name, lua_##name##_len},
        LUA_STEPS(X)
#undef X
    };

    return steps[id];
}
