/* run_tests.c - a suite to its end. */
#include "run_tests.h"

#include <signal.h>
#include <stdlib.h>

int run_tests(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    signal(SIGPIPE, SIG_IGN); /* as the programs do */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
