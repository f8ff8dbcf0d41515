/* result.c - texts of the results. */
#include "base/result.h"

const char *result_text(enum result result)
{
    switch (result) {
#define X(name, text)                                                                              \
    case RESULT_##name:                                                                            \
        return text;
        RESULT_LIST(X)
#undef X
    }
    return "unknown result";
}
