/*
 * test_drive.c - three instances at random, and faults: lost replies, late commands, crashes,
 * writes that Redis loses, no memory, wrong types, pauses, redrives. The whole data is checked
 * after every step.
 *
 * AUTHLINKD_SEED   the seed that an earlier run printed
 * AUTHLINKD_STEPS  how many steps; 3,000 unless told
 */
#include "run_tests.h"
#include "support_instance.h"
#include "support_places.h"
#include "support_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS        3000
#define LATE_MAX     32
#define USERS        60
#define STEPS_TO_END 100000

/* A command on its way; it may arrive after its connection is gone. */
struct late_call {
    int count;
    char *words[64]; /* owns */
};

static struct server server;
static struct late_call late[LATE_MAX];
static int late_count;
static int64_t pushed, saved_pushed;
static bool is_out_of_memory, is_wrong_type, is_saved;
static int redriven, losses, late_arrivals;

static void keep_for_later(int count, const char **words)
{
    if (late_count == LATE_MAX || count > 64)
        return;
    struct late_call *call = &late[late_count++];
    call->count = count;
    for (int i = 0; i < count; i++)
        call->words[i] = strdup(words[i]);
}

/* Of a hundred calls five lose their reply, four never come, five come late. */
static redisReply *faulty_transport(int count, const char **words)
{
    int fate = random_below(100);

    if (fate < 86)
        return world_command(count, words, NULL);
    if (fate < 91)
        world_command(count, words, NULL);
    else if (fate >= 95)
        keep_for_later(count, words);
    return NULL;
}

static redisReply *quiet_transport(int count, const char **words)
{
    return world_command(count, words, NULL);
}

static void forget_late(int index)
{
    for (int i = 0; i < late[index].count; i++)
        free(late[index].words[i]);
    late[index] = late[--late_count];
}

static void late_call_arrives(void)
{
    if (late_count == 0)
        return;
    int index = random_below(late_count);
    const char *words[64];
    for (int i = 0; i < late[index].count; i++)
        words[i] = late[index].words[i];
    world_command(late[index].count, words, NULL);
    forget_late(index);
    late_arrivals++;
}

/* ---- faults and what people do ---- */

static void producer_pushes(void)
{
    static const char *const wishes[] = {"", ",\"redirectUrl\":\"https://app.example.com/a\"",
                                         ",\"force\":true"};
    char payload[128];

    if (is_out_of_memory)
        return;
    for (int count = 1 + random_below(6); count > 0; count--) {
        int user = random_below(USERS);
        if (random_chance(30))
            snprintf(payload, sizeof payload, "bad job %d", user);
        else
            snprintf(payload, sizeof payload, "{\"endUserId\":\"u%d\"%s}", user,
                     wishes[random_below(3)]);
        push(payload);
        pushed++;
    }
}

static void memory_runs_out(bool is_out)
{
    if (is_out_of_memory == is_out)
        return;
    is_out_of_memory = is_out;
    set_out_of_memory(is_out);
}

static void somebody_spoils_a_session(void)
{
    char name[32];

    snprintf(name, sizeof name, "session:u%d", random_below(USERS));
    COMMAND("DEL", key_of(name));
    if (random_chance(500))
        COMMAND("SET", key_of(name), "foreign");
}

static void somebody_spoils_the_events(void)
{
    if (is_wrong_type || is_out_of_memory || number_of(COMMAND("EXISTS", key_of("events"))) == 0)
        return;
    COMMAND("RENAME", key_of("events"), key_of("kept"));
    COMMAND("SET", key_of("events"), "foreign");
    is_wrong_type = true;
}

static void somebody_mends_the_events(void)
{
    if (!is_wrong_type)
        return;
    COMMAND("RENAME", key_of("kept"), key_of("events"));
    is_wrong_type = false;
}

static void redis_saves(void)
{
    if (is_wrong_type || is_out_of_memory)
        return;
    expect_fine(COMMAND("SAVE"));
    places_save();
    saved_pushed = pushed;
    is_saved = true;
}

static void redis_loses_its_last_writes(void)
{
    redisReply *(*transport)(int, const char **) = world.transport;

    if (!is_saved || is_wrong_type)
        return;
    world_close();
    server_crash(&server);
    world_open(&server);
    world.transport = transport;
    places_restore();
    pushed = saved_pushed;
    is_out_of_memory = false;
    fleet.epoch++;
    losses++;
    for (int i = 0; i < FLEET_SIZE; i++)
        instance_disconnect(&fleet.instances[i]);
}

/* What waits is due now; waits of minutes need not be sat out. */
static void time_goes_by(void)
{
    const redisReply *all = COMMAND("ZRANGE", key_of("delayed"), "0", "-1");

    for (size_t i = 0; i < all->elements; i++)
        COMMAND("ZADD", key_of("delayed"), "XX", digits(server_now_ms()), text_of(at(all, i)));
}

/* People sit beside Redis: their calls arrive. */
static const redisReply *operator_calls(enum lua_step_id step, int key_count,
                                        const char *const *keys, int arg_count,
                                        const char *const *args)
{
    redisReply *(*transport)(int, const char **) = world.transport;

    world.transport = NULL;
    const redisReply *reply = call_step(step, key_count, keys, arg_count, args);
    world.transport = transport;
    return reply;
}

static void operator_holds(const char *action)
{
    static const char *const keys[] = {"holds", "limiter"};
    const char *const args[] = {WORLD_PREFIX, action, "20", ""};

    expect_fine(operator_calls(LUA_STEP_hold, 2, keys, 4, args));
}

static void operator_sets_the_rate(const char *per_sec)
{
    static const char *const keys[] = {"limiter"};
    const char *const args[] = {WORLD_PREFIX, per_sec, "1", "100000"};

    operator_calls(LUA_STEP_rate, 1, keys, 4, args);
}

static const redisReply *oldest_letter(void)
{
    const redisReply *letters = COMMAND("XRANGE", key_of("dead"), "-", "+", "COUNT", "1");

    return letters->elements > 0 ? at(letters, 0) : NULL;
}

static void operator_redrives(void)
{
    static const char *const keys[] = {"dead", "delayed", "stats"};
    const redisReply *letter = oldest_letter();

    if (letter == NULL || is_out_of_memory || is_wrong_type)
        return;
    places_check(pushed); /* reads the event of its end before it begins again */
    const char *const args[] = {WORLD_PREFIX, text_of(at(letter, 0))};
    const redisReply *reply = operator_calls(LUA_STEP_redrive, 3, keys, 2, args);
    ck_assert_str_eq(text_of(at(at(reply, 1), 0)), "redriven");
    places_redriven(strtoll(field_of(at(letter, 1), "jobKey"), NULL, 10));
    redriven++;
}

static void operator_removes(void)
{
    static const char *const keys[] = {"dead", "stats"};
    const redisReply *letter = oldest_letter();

    if (letter == NULL)
        return;
    const char *const args[] = {WORLD_PREFIX, text_of(at(letter, 0))};
    expect_fine(operator_calls(LUA_STEP_remove, 2, keys, 2, args));
}

/* ---- the run ---- */

static void random_step(void)
{
    int chance = random_below(1000);

    if (chance < 230)
        producer_pushes();
    else if (chance < 234)
        memory_runs_out(true);
    else if (chance < 244)
        memory_runs_out(false);
    else if (chance < 250)
        somebody_spoils_a_session();
    else if (chance < 253)
        somebody_spoils_the_events();
    else if (chance < 290)
        somebody_mends_the_events();
    else if (chance < 320)
        late_call_arrives();
    else if (chance < 323)
        redis_saves();
    else if (chance < 325)
        redis_loses_its_last_writes();
    else if (chance < 335)
        time_goes_by();
    else if (chance < 338)
        operator_holds(random_chance(500) ? "pause" : "resume");
    else if (chance < 345)
        operator_holds("resume_account");
    else if (chance < 350)
        operator_sets_the_rate(random_chance(500) ? "100000" : "90000");
    else if (chance < 360)
        operator_redrives();
    else if (chance < 365)
        operator_removes();
    else
        instance_step(&fleet.instances[random_below(FLEET_SIZE)], false);
}

static void check_everything(int step)
{
    char name[16];

    if (is_wrong_type)
        return;
    places_check(pushed);
    snprintf(name, sizeof name, "u%d", step % USERS);
    places_check_link(name);
    if (step % 50 == 0)
        places_check_orphans();
}

static bool has_ended(void)
{
    return number_of(COMMAND("EXISTS", key_of("queue"), key_of("delayed"), key_of("leases"))) == 0;
}

static void quiet_end(void)
{
    somebody_mends_the_events();
    memory_runs_out(false);
    while (late_count > 0)
        forget_late(0);
    world.transport = quiet_transport;
    operator_sets_the_rate("80000");
    for (int step = 0; step < STEPS_TO_END && !has_ended(); step++) {
        if (step % 100 == 0) {
            operator_holds("resume");
            operator_holds("resume_account");
            time_goes_by();
            check_everything(step);
        }
        instance_step(&fleet.instances[random_below(FLEET_SIZE)], true);
        world_forget();
    }
    check_everything(0);
    places_check_orphans();
    ck_assert_msg(has_ended(), "something is left in queue, delayed or leases");
}

static void print_counts(int steps)
{
    const struct fleet_counts *counts = &fleet.counts;

    printf("%d steps: %lld pushed, %lld taken, %lld ready, %lld reused, %lld dead, %d sessions, "
           "%d running at most\n",
           steps, (long long)pushed, counter_value("taken"), counter_value("ready"),
           counter_value("reused"), counter_value("dead"), counts->sessions, counts->most_running);
    printf(
        "%d crashes, %d losses, %d late, %d strays, %d fenced, %d again, %d held, %d refused for "
        "memory, %d for a type, %d redriven, %lld recovered\n",
        counts->crashes, losses, late_arrivals, counts->strays, counts->fenced, counts->again,
        counts->held, counts->out_of_memory, counts->wrong_type, redriven,
        counter_value("recovered"));
}

START_TEST(every_job_is_in_one_place_and_ends_once_whatever_fails)
{
    const char *wanted = getenv("AUTHLINKD_STEPS");
    int steps = wanted != NULL ? (int)strtol(wanted, NULL, 10) : STEPS;

    server_start(&server);
    world_open(&server);
    world.transport = faulty_transport;
    random_start();
    places_start();
    fleet_start();
    for (int step = 0; step < steps; step++) {
        random_step();
        check_everything(step);
        world_forget();
    }
    quiet_end();
    print_counts(steps);
    world_close();
    server_stop(&server);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drive");
    TCase *tcase = tcase_create("drive");

    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, every_job_is_in_one_place_and_ends_once_whatever_fails);
    suite_add_tcase(suite, tcase);

    server_make_dir(&server); /* here, so that it is removed whatever becomes of the test */
    int status = run_tests(suite);
    server_remove_dir(&server);
    return status;
}
