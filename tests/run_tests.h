/*
 * run_tests.h - what every test program ends with.
 */
#ifndef AUTHLINKD_TESTS_RUN_TESTS_H
#define AUTHLINKD_TESTS_RUN_TESTS_H

#include <check.h>

/* Runs the suite and frees it. Returns the exit status of the program. */
int run_tests(Suite *suite);

#endif
