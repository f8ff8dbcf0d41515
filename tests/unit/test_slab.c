/* test_slab.c - objects of one size: kept apart, used again, given back to the system. */
#include "base/slab.h"
#include "run_tests.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define OBJECT_BYTES 2401 /* no multiple of anything */
#define OBJECTS      1000

static struct slab slab;
static unsigned char *objects[OBJECTS];

static void begin(void)
{
    slab_init(&slab, OBJECT_BYTES);
}

static void end(void)
{
    slab_done(&slab);
}

static void take_all(void)
{
    for (int i = 0; i < OBJECTS; i++) {
        objects[i] = slab_take(&slab);
        ck_assert_ptr_nonnull(objects[i]);
    }
}

static bool is_full_of(const unsigned char *object, int value)
{
    int byte = 0;

    while (byte < OBJECT_BYTES && object[byte] == value)
        byte++;
    return byte == OBJECT_BYTES;
}

static bool is_mapped(const void *address)
{
    const uintptr_t page_bytes = 4096;
    void *page = (void *)((uintptr_t)address / page_bytes * page_bytes);

    return msync(page, 1, MS_ASYNC) == 0 || errno != ENOMEM;
}

START_TEST(objects_do_not_overlap_and_are_aligned)
{
    take_all();
    for (int i = 0; i < OBJECTS; i++) {
        ck_assert_uint_eq((uintptr_t)objects[i] % _Alignof(max_align_t), 0);
        memset(objects[i], i % 251, OBJECT_BYTES);
    }
    for (int i = 0; i < OBJECTS; i++)
        ck_assert(is_full_of(objects[i], i % 251));
    ck_assert_uint_eq(slab.in_use, OBJECTS);
}
END_TEST

START_TEST(nothing_is_allocated_before_the_first_is_taken)
{
    ck_assert_uint_eq(slab.chunk_count, 0);
    slab_give_back(&slab, NULL);
    ck_assert_uint_eq(slab.in_use, 0);
}
END_TEST

START_TEST(an_object_given_back_is_the_next_to_be_taken)
{
    void *object = slab_take(&slab);

    slab_give_back(&slab, object);
    for (int i = 0; i < 3 * OBJECTS; i++) {
        ck_assert_ptr_eq(slab_take(&slab), object);
        slab_give_back(&slab, object);
    }
    ck_assert_uint_eq(slab.chunk_count, 1);
}
END_TEST

/* Which objects go first: the chunk that is kept is another one each time. */
static const struct {
    const char *name;
    int first, step;
} orders[] = {
    {"oldest first", 0, 1},
    {"youngest first", OBJECTS - 1, OBJECTS - 1},
    {"mixed", 0, 7},
    {"from the middle", OBJECTS / 2, 1},
};

START_TEST(the_memory_of_a_burst_goes_back_to_the_system)
{
    for (int burst = 0; burst < 3; burst++) {
        int kept = 0;

        take_all();
        ck_assert_uint_eq(slab.chunk_count,
                          (OBJECTS + slab.objects_a_chunk - 1) / slab.objects_a_chunk);
        for (int i = 0; i < OBJECTS; i++)
            slab_give_back(&slab, objects[(orders[_i].first + i * orders[_i].step) % OBJECTS]);
        ck_assert_msg(slab.chunk_count == 1, "%s: %u chunks are left", orders[_i].name,
                      slab.chunk_count);
        ck_assert_uint_eq(slab.in_use, 0);
        for (int i = 0; i < OBJECTS; i++)
            kept += is_mapped(objects[i]);
        ck_assert_int_le(kept, (int)slab.objects_a_chunk);
        ck_assert_msg(is_mapped(objects[0]), "%s: the oldest chunk has gone", orders[_i].name);
    }
}
END_TEST

START_TEST(what_stays_in_use_is_left_alone_when_its_neighbours_go)
{
    take_all();
    memset(objects[OBJECTS / 2], 7, OBJECT_BYTES);
    for (int i = 0; i < OBJECTS; i++)
        if (i != OBJECTS / 2)
            slab_give_back(&slab, objects[i]);
    ck_assert_uint_le(slab.chunk_count, 2);
    ck_assert(is_full_of(objects[OBJECTS / 2], 7));
}
END_TEST

START_TEST(one_object_more_or_less_maps_no_memory_back_and_forth)
{
    uint32_t chunk_count;

    take_all();
    for (uint32_t i = OBJECTS; i % slab.objects_a_chunk != 0; i++)
        ck_assert_ptr_nonnull(slab_take(&slab));
    void *border = slab_take(&slab);
    chunk_count = slab.chunk_count;
    for (int i = 0; i < 10; i++) {
        slab_give_back(&slab, border);
        ck_assert_uint_eq(slab.chunk_count, chunk_count);
        border = slab_take(&slab);
        ck_assert_uint_eq(slab.chunk_count, chunk_count);
    }
}
END_TEST

START_TEST(without_memory_there_is_no_object_and_those_in_use_stay)
{
    struct rlimit limit;
    struct rlimit none;

    void *first = slab_take(&slab);
    memset(first, 7, OBJECT_BYTES);
    while (slab.in_use < slab.objects_a_chunk)
        ck_assert_ptr_nonnull(slab_take(&slab));
    ck_assert_int_eq(getrlimit(RLIMIT_DATA, &limit), 0);
    none = limit;
    none.rlim_cur = 4096; /* 0 would mean: as the hard limit allows */
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &none), 0);
    void *beyond = slab_take(&slab);
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);

    ck_assert_ptr_null(beyond);
    ck_assert_uint_eq(slab.in_use, slab.objects_a_chunk);
    ck_assert(is_full_of(first, 7));
    ck_assert_ptr_nonnull(slab_take(&slab));
}
END_TEST

START_TEST(the_end_ends_all_and_the_slab_may_be_used_again)
{
    take_all();
    slab_done(&slab);
    ck_assert_uint_eq(slab.chunk_count, 0);
    ck_assert(!is_mapped(objects[0]));
    ck_assert_ptr_nonnull(slab_take(&slab));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slab");
    TCase *tcase = tcase_create("slab");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, objects_do_not_overlap_and_are_aligned);
    tcase_add_test(tcase, nothing_is_allocated_before_the_first_is_taken);
    tcase_add_test(tcase, an_object_given_back_is_the_next_to_be_taken);
    tcase_add_loop_test(tcase, the_memory_of_a_burst_goes_back_to_the_system, 0,
                        sizeof orders / sizeof orders[0]);
    tcase_add_test(tcase, what_stays_in_use_is_left_alone_when_its_neighbours_go);
    tcase_add_test(tcase, one_object_more_or_less_maps_no_memory_back_and_forth);
    tcase_add_test(tcase, without_memory_there_is_no_object_and_those_in_use_stay);
    tcase_add_test(tcase, the_end_ends_all_and_the_slab_may_be_used_again);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
