/*
 * steps.h - the Lua steps, as they are loaded into Redis: shebang, parts, step.
 *
 * Made from the .lua files beside this header at build time (embed.cmake).
 */
#ifndef AUTHLINKD_QUEUE_LUA_STEPS_H
#define AUTHLINKD_QUEUE_LUA_STEPS_H

#include <stddef.h>

#define LUA_STEPS(X)                                                                               \
    X(adopt)                                                                                       \
    X(audit)                                                                                       \
    X(claim)                                                                                       \
    X(hold)                                                                                        \
    X(instance)                                                                                    \
    X(rate)                                                                                        \
    X(reap)                                                                                        \
    X(redrive)                                                                                     \
    X(remove)                                                                                      \
    X(settle)                                                                                      \
    X(survey)

enum lua_step_id {
#define X(name) LUA_STEP_##name,
    LUA_STEPS(X)
#undef X
        LUA_STEP_COUNT
};

struct lua_step {
    const char *name;
    const unsigned char *text; /* not NUL-terminated */
    size_t len;
};

/* The step's source. Never NULL; lives as long as the program. */
struct lua_step lua_step(enum lua_step_id id);

#define X(name)                                                                                    \
    extern const unsigned char lua_##name[];                                                       \
    extern const size_t lua_##name##_len;
LUA_STEPS(X)
#undef X

#endif
