/* test_reaction.c - one table from an error reply to what is done about it. */
#include "queue/reaction.h"
#include "run_tests.h"

#include <check.h>
#include <string.h>

/* Texts as Redis 7.0.15, 8.0.2 and Valkey 8.1.1 send them (reliability.md D2). */
static const struct {
    const char *error;
    enum reaction expected;
    const char *advice; /* a part of it; NULL: none is needed */
} errors[] = {
    {"OOM command not allowed when used memory > 'maxmemory'.", REACTION_WAIT, "maxmemory"},
    {"OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
     REACTION_WAIT, "maxmemory"},
    {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist",
     REACTION_WAIT, "disk"},
    {"READONLY You can't write against a read only replica.", REACTION_RECONNECT, "primary"},
    {"ERR READONLY You can't write against a read only replica.", REACTION_RECONNECT, "primary"},
    {"UNBLOCKED force unblock from blocking operation, instance state changed", REACTION_RECONNECT,
     NULL},
    {"NOREPLICAS Not enough good replicas to write.", REACTION_WAIT, "replicas"},
    {"LOADING Redis is loading the dataset in memory", REACTION_WAIT, NULL},
    {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
     REACTION_RECONNECT, NULL},
    {"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
     REACTION_WAIT, "script"},
    {"NOSCRIPT No matching script. Please use EVAL.", REACTION_LOAD_SCRIPT, NULL},
    {"NOSCRIPT No matching script.", REACTION_LOAD_SCRIPT, NULL},
    {"NOAUTH Authentication required.", REACTION_PASSWORD, "password_file"},
    {"WRONGPASS invalid username-password pair or user is disabled.", REACTION_PASSWORD,
     "password_file"},
    {"NOPERM this user has no permissions to run the 'evalsha' command", REACTION_CONFIGURATION,
     "authlinkd.acl"},
    {"NOPERM authlink: the Redis user lacks a right; run ACL SETUSER <user> +hincrby "
     "~authlink:stats",
     REACTION_CONFIGURATION, "authlinkd.acl"},
    {"MOVED 3999 127.0.0.1:6381", REACTION_RECONNECT, "node"},
    {"ASK 3999 127.0.0.1:6381", REACTION_RECONNECT, "node"},
    {"TRYAGAIN Multiple keys request during rehashing of slot", REACTION_WAIT, NULL},
    {"CROSSSLOT Keys in request don't hash to the same slot", REACTION_CONFIGURATION, "hash tag"},
    {"CLUSTERDOWN The cluster is down", REACTION_WAIT, NULL},
    {"WRONGTYPE Operation against a key holding the wrong kind of value", REACTION_CONFIGURATION,
     "rename"},
    {"ERR authlink wrongtype authlink:stats is a string, expected a hash", REACTION_CONFIGURATION,
     "rename"},
    {"EXECABORT Transaction discarded because of previous errors.", REACTION_WAIT, NULL},
    {"ERR max number of clients reached", REACTION_RECONNECT, "maxclients"},
    {"DENIED Redis is running in protected mode because protected mode is enabled",
     REACTION_RECONNECT, "protected"},
    {"ERR unknown command 'EVALSHA', with args beginning with: ", REACTION_CONFIGURATION, "7.0"},
    {"ERR something new", REACTION_UNKNOWN, NULL},
    {"OOMPH is another word", REACTION_UNKNOWN, NULL},
    {"ASKING is another word", REACTION_UNKNOWN, NULL},
    {"oom words are in capitals", REACTION_UNKNOWN, NULL},
    {"", REACTION_UNKNOWN, NULL},
    {" OOM", REACTION_UNKNOWN, NULL},
};

START_TEST(first_word_decides)
{
    const char *error = errors[_i].error;
    const char *advice = reaction_advice(error, strlen(error));

    ck_assert_msg(reaction_to(error, strlen(error)) == errors[_i].expected, "%s: got %d", error,
                  (int)reaction_to(error, strlen(error)));
    if (errors[_i].advice == NULL)
        ck_assert_msg(advice[0] == '\0', "%s: advice is %s", error, advice);
    else
        ck_assert_msg(strstr(advice, errors[_i].advice) != NULL, "%s: advice is %s", error, advice);
}
END_TEST

START_TEST(word_that_is_cut_off_is_no_word)
{
    ck_assert_int_eq(reaction_to("NOSCRIPT", 7), REACTION_UNKNOWN);
    ck_assert_int_eq(reaction_to("NOSCRIPT", 8), REACTION_LOAD_SCRIPT);
}
END_TEST

START_TEST(advice_stands_behind_the_first_line_as_far_as_there_is_room)
{
    char text[80] = "refused: ";
    char narrow[16] = "refused: ";

    reaction_append("NOAUTH Authentication required.\r\nmore", 37, text, sizeof text);
    ck_assert_str_eq(text, "refused: NOAUTH Authentication required.; set redis.password_file");
    reaction_append("LOADING", 7, narrow, sizeof narrow);
    ck_assert_str_eq(narrow, "refused: LOADIN");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reaction");
    TCase *tcase = tcase_create("reaction");

    tcase_add_loop_test(tcase, first_word_decides, 0, sizeof errors / sizeof errors[0]);
    tcase_add_test(tcase, word_that_is_cut_off_is_no_word);
    tcase_add_test(tcase, advice_stands_behind_the_first_line_as_far_as_there_is_room);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
