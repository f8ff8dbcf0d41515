/* test_concurrency.c - how many more jobs an instance may take in hand. */
#include "core/concurrency.h"
#include "run_tests.h"

#include <check.h>

static const struct {
    const char *name;
    uint32_t max_in_flight, in_flight, held;
    struct concurrency seen;
    uint32_t expected;
} rooms[] = {
    {"nothing known yet: the cap alone", 64, 0, 0, {0, 0}, 64},
    {"held jobs count", 64, 0, 64, {0, 0}, 0},
    {"fast API: 64 per 100 ms end 160 in a horizon, 134 surely", 64, 64, 0, {100000, 64000}, 134},
    {"slow API: 64 per 8 s end 2 in a horizon, none surely", 64, 64, 0, {8000000, 64000}, 0},
    {"slow API: one that ended leaves room for one", 64, 63, 0, {8000000, 64000}, 1},
    {"slow API: what is held beyond that leaves no room", 64, 63, 3, {8000000, 64000}, 0},
    {"a very fast API: no pile in memory", 512, 0, 0, {600, 512000}, 512 + 1024},
    {"no time at all is taken as half a millisecond", 1, 0, 0, {1, 1000}, 456},
    {"slow host: of 8 per 20 ms 100 end in a horizon, 80 surely", 64, 8, 0, {20000, 8000}, 136},
    {"what is seldom asked ends seldom", 64, 0, 0, {100000, 100}, 64},
};

START_TEST(room_follows_littles_law)
{
    uint32_t room = concurrency_room(&rooms[_i].seen, rooms[_i].max_in_flight, rooms[_i].in_flight,
                                     rooms[_i].held);
    ck_assert_msg(room == rooms[_i].expected, "%s: got %u", rooms[_i].name, room);
}
END_TEST

START_TEST(first_answer_is_taken_whole_and_later_ones_by_an_eighth)
{
    struct concurrency seen = {0};

    concurrency_note(&seen, 8000, 2);
    ck_assert_int_eq(seen.latency_us, 8000);
    ck_assert_int_eq(seen.in_flight_milli, 2000);
    concurrency_note(&seen, 16000, 10);
    ck_assert_int_eq(seen.latency_us, 9000);
    ck_assert_int_eq(seen.in_flight_milli, 3000);
    concurrency_note(&seen, 1000, 1);
    ck_assert_int_eq(seen.latency_us, 8000);
    ck_assert_int_eq(seen.in_flight_milli, 2750);
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
    tcase_add_test(tcase, first_answer_is_taken_whole_and_later_ones_by_an_eighth);
    tcase_add_test(tcase, few_requests_begin_in_one_turn_and_none_beyond_the_cap);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
