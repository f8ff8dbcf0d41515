/* test_slowlog.c - the link is a credential: Redis shows it to nobody who may read its logs only.
 */
#include "support_steps.h"

#include <string.h>

#define LINK "https://connect.example/qbd/auth_sess_client_secret_7"

/* True if any word of any logged command holds `text`. */
static bool is_in_slowlog(const char *text)
{
    const redisReply *entries = COMMAND("SLOWLOG", "GET", "-1");

    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *words = at(at(entries, i), 3);
        for (size_t j = 0; j < words->elements; j++)
            if (strstr(words->element[j]->str, text) != NULL)
                return true;
    }
    return false;
}

static void log_every_command(bool is_on)
{
    COMMAND("CONFIG", "SET", "slowlog-log-slower-than", is_on ? "0" : "10000");
}

START_TEST(slowlog_shows_no_link)
{
    take("u", LEASE);
    COMMAND("SLOWLOG", "RESET");
    log_every_command(true);
    SETTLE(1, {.user = "u", .kind = "created", .signal = "ok", .auth_flow_url = LINK});
    log_every_command(false);
    ck_assert_str_eq(hash_field("session:u", "authFlowUrl"), LINK);
    ck_assert(is_in_slowlog("session:u"));
    ck_assert(!is_in_slowlog("auth_sess_client_secret"));
}
END_TEST

START_TEST(slowlog_shows_no_late_link)
{
    take("u", LEASE);
    REAP(LEASE);
    COMMAND("SLOWLOG", "RESET");
    log_every_command(true);
    SETTLE(1, {.user = "u", .kind = "created", .signal = "ok", .auth_flow_url = LINK});
    log_every_command(false);
    ck_assert_int_eq(counter_value("late"), 1);
    ck_assert(!is_in_slowlog("auth_sess_client_secret"));
}
END_TEST

START_TEST(events_and_dead_letters_show_no_link)
{
    push("u1");
    push("u2");
    CLAIM(0);
    SETTLE(1, {.user = "u1", .kind = "created", .signal = "ok", .auth_flow_url = LINK},
           {.user = "u2", .kind = "rejected", .signal = "own", .auth_flow_url = LINK});
    const redisReply *event = at(at(COMMAND("XRANGE", key_of("events"), "-", "+"), 0), 1);
    for (size_t i = 0; i < event->elements; i++)
        ck_assert_ptr_null(strstr(event->element[i]->str, "secret"));
    const redisReply *letter = last_letter();
    for (size_t i = 0; i < letter->elements; i++)
        ck_assert_ptr_null(strstr(letter->element[i]->str, "secret"));
    ck_assert_str_eq(hash_field("session:u2", "authFlowUrl"), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slowlog");
    TCase *tcase = tcase_create("slowlog");

    add_world(tcase);
    tcase_add_test(tcase, slowlog_shows_no_link);
    tcase_add_test(tcase, slowlog_shows_no_late_link);
    tcase_add_test(tcase, events_and_dead_letters_show_no_link);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
