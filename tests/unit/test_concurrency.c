/* test_concurrency.c - how many more jobs an instance may take in hand. */
#include "core/concurrency.h"
#include "run_tests.h"

#include <check.h>

static const struct {
    const char *name;
    uint32_t max_in_flight, in_flight, held;
    int64_t latency_us;
    uint32_t expected;
} rooms[] = {
    {"nothing known yet: the cap alone", 64, 0, 0, 0, 64},
    {"held jobs count", 64, 0, 64, 0, 0},
    {"fast API: 64 per 100 ms end 160 in a horizon, 134 surely", 64, 64, 0, 100000, 134},
    {"slow API: 64 per 8 s end 2 in a horizon, none surely", 64, 64, 0, 8000000, 0},
    {"slow API: one that ended leaves room for one", 64, 63, 0, 8000000, 1},
    {"slow API: what is held beyond that leaves no room", 64, 63, 3, 8000000, 0},
    {"a very fast API does not make jobs pile up in memory", 512, 0, 0, 600, 512 + 1024},
    {"no time at all is taken as half a millisecond", 1, 0, 0, 1, 456},
};

START_TEST(room_follows_littles_law)
{
    uint32_t room = concurrency_room(rooms[_i].max_in_flight, rooms[_i].in_flight, rooms[_i].held,
                                     rooms[_i].latency_us);
    ck_assert_msg(room == rooms[_i].expected, "%s: got %u", rooms[_i].name, room);
}
END_TEST

START_TEST(first_latency_is_taken_whole_and_later_ones_by_an_eighth)
{
    ck_assert_int_eq(concurrency_latency_us(0, 8000), 8000);
    ck_assert_int_eq(concurrency_latency_us(8000, 16000), 9000);
    ck_assert_int_eq(concurrency_latency_us(8000, 0), 7000);
}
END_TEST

START_TEST(few_requests_begin_in_one_turn_and_none_beyond_the_cap)
{
    ck_assert_uint_eq(concurrency_may_begin(64, 0, 0), CONCURRENCY_BEGUN_A_TURN);
    ck_assert_uint_eq(concurrency_may_begin(64, 3, 3), CONCURRENCY_BEGUN_A_TURN - 3);
    ck_assert_uint_eq(concurrency_may_begin(64, 62, 3), 2);
    ck_assert_uint_eq(concurrency_may_begin(64, 20, CONCURRENCY_BEGUN_A_TURN), 0);
    ck_assert_uint_eq(concurrency_may_begin(64, 20, CONCURRENCY_BEGUN_A_TURN + 1), 0);
    ck_assert_uint_eq(concurrency_may_begin(64, 64, 0), 0);
    ck_assert_uint_eq(concurrency_may_begin(64, 65, 0), 0); /* a reload lowered the cap */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("concurrency");
    TCase *tcase = tcase_create("concurrency");

    tcase_add_loop_test(tcase, room_follows_littles_law, 0, sizeof rooms / sizeof rooms[0]);
    tcase_add_test(tcase, first_latency_is_taken_whole_and_later_ones_by_an_eighth);
    tcase_add_test(tcase, few_requests_begin_in_one_turn_and_none_beyond_the_cap);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
