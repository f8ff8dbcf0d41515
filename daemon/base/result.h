/*
 * result.h - how a function says what became of its work.
 *
 * One list for the whole program. Codes of libraries are translated into it by
 * the adapter that meets them; a sentence for people travels beside it.
 */
#ifndef AUTHLINKD_BASE_RESULT_H
#define AUTHLINKD_BASE_RESULT_H

#define MUST_CHECK __attribute__((warn_unused_result))

#define RESULT_LIST(X)                                                                             \
    X(OK, "ok")                                                                                    \
    X(LATER, "not yet")                                                                            \
    X(EMPTY, "nothing there")                                                                      \
    X(FULL, "full")                                                                                \
    X(INVALID, "invalid")                                                                          \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "exists already")                                                                    \
    X(DENIED, "not permitted")                                                                     \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(SYSTEM, "system call failed")                                                                \
    X(DISCONNECTED, "not connected")                                                               \
    X(TIMED_OUT, "deadline passed")                                                                \
    X(REFUSED, "refused by the peer")

enum result {
#define X(name, text) RESULT_##name,
    RESULT_LIST(X)
#undef X
};

/* A short text for logs, such as "out of memory". */
const char *result_text(enum result result);

#endif
