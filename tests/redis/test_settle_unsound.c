/* test_settle_unsound.c - settles that are none, and items that are none: faults of ours, or of a
 * stranger. */
#include "support_steps.h"

#include <stdio.h>

static const char *const unsound_settles[] = {"", "{", "[]", "{}", "{\"items\":5}"};

START_TEST(an_unsound_settle_is_refused_whole)
{
    take("u", LEASE);
    const char *before = database_digest();
    expect_error(settle_json(1, unsound_settles[_i]), "ERR ");
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

#define PLACE "[\"" LEASE "\",\"u\","
#define REST  ",1800000,30,\"\",\"\",\"\",\"\",\"\",\"\",\"\",0,0,\"\",\"\"]"
#define LINK  PLACE "\"created\",\"ok\",\"\","

static const struct {
    const char *item;
    int dead;
} unsound_items[] = {
    {"5", 0},
    {"null", 0},
    {"{}", 0},
    {"[]", 0},
    {"[[],\"u\",\"created\",\"ok\",\"\",null,0,0,0" REST, 0},
    {PLACE "\"created\"]", 1},
    {PLACE "\"lost\",\"ok\",\"\",null,0,0,0" REST, 1},
    {PLACE "\"created\",\"loud\",\"\",null,0,0,0" REST, 1},
    {LINK "null,\"5\",0,0" REST, 1},
    {LINK "null,0,0,null" REST, 1},
    {LINK "1,0,0,0" REST, 1},
    {LINK "null,0,0,0,1800000,30]", 1},
};

START_TEST(an_unsound_item_ends_alone)
{
    char json[512];

    take("u", LEASE);
    take("v", LEASE_2);
    snprintf(json, sizeof json,
             "{\"items\":[%s,[\"" LEASE_2 "\",\"v\",\"returned\",\"none\",\"\",null,0,0,0" REST
             "]}",
             unsound_items[_i].item);
    ck_assert_int_ne(settle_json(1, json)->type, REDIS_REPLY_ERROR);
    ck_assert_int_eq(number_of(COMMAND("ZCARD", key_of("delayed"))), 1);
    ck_assert_int_eq(number_of(COMMAND("XLEN", key_of("dead"))), unsound_items[_i].dead);
    ck_assert_int_eq(number_of(COMMAND("HLEN", key_of("lease:" LEASE))),
                     1 - unsound_items[_i].dead);
    ck_assert_int_eq(number_of(COMMAND("EXISTS", key_of("session:u"))), unsound_items[_i].dead);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settle_unsound");
    TCase *tcase = tcase_create("settle_unsound");

    add_world(tcase);
    tcase_add_loop_test(tcase, an_unsound_settle_is_refused_whole, 0,
                        (int)(sizeof unsound_settles / sizeof unsound_settles[0]));
    tcase_add_loop_test(tcase, an_unsound_item_ends_alone, 0,
                        (int)(sizeof unsound_items / sizeof unsound_items[0]));
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
