/*
 * test_rights.c - a Redis user who lacks a right: the step is refused whole, and says which right.
 *
 * For each step and each command that stands in its text, a user is made who may do everything but
 * that. The users of conf/authlinkd.acl are tried as well.
 */
#include "support_steps.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define COMMANDS_MAX 64
#define COMMAND_SIZE 24
#define WORDS_MAX    128

static void prepare_claim(void)
{
    CLAIM(0);
    store_link("linked", 1700000, "", 100000);
    take("busy", LEASE_2);
    push("new");
    push("no job");
    push("linked");
    push("busy");
    push("{\"endUserId\":\"late\",\"notAfterMs\":1}");
    COMMAND("HSET", key_of("holds"), "pause", "1 2 0 0 - over");
    COMMAND("ZADD", key_of("delayed"), "1", "0000000000000077 1 0 1 0 delayed", "1", "foreign");
}

static redisReply *act_claim(void)
{
    return CLAIM(.lease = LEASE);
}

static void prepare_settle(void)
{
    for (const char *user = "abcde"; *user != '\0'; user++)
        push((const char[]){*user, '\0'});
    CLAIM(0);
}

static redisReply *act_settle(void)
{
    return SETTLE(1, {.user = "a", .kind = "retry", .signal = "missing"},
                  {.user = "b", .kind = "rejected", .signal = "own"},
                  {.user = "c", .kind = "account_error", .signal = "account"},
                  {.user = "d", .kind = "created", .signal = "ok", .told = ACCEPTED},
                  {.user = "fenced", .kind = "created", .signal = "ok"});
}

static void prepare_reap(void)
{
    store_lease(LEASE_2, "stray", "0000000000000001 0 0 1 0 stray", server_now_ms() + 60000);
    store_lease(OTHER_LEASE, "poison", "0000000000000002 0 10 1 0 poison", 1);
    COMMAND("HSET", key_of("lease:" OTHER_LEASE), "foreign", "foreign");
    COMMAND("ZADD", key_of("delayed"), "9000000000000", "0000000000000003 0 0 1 0 far");
}

static redisReply *act_reap(void)
{
    const char *const names[] = {LEASE_2};

    return reap(true, 1, names);
}

static redisReply *act_rate(void)
{
    return call_step(LUA_STEP_rate, 1, (const char *[]){"limiter"}, 4,
                     (const char *[]){WORLD_PREFIX, "10", "1", "500"});
}

static redisReply *act_instance(void)
{
    return call_step(LUA_STEP_instance, 1, (const char *[]){"instance:a@b"}, 4,
                     (const char *[]){WORLD_PREFIX, "60000", "state", "working"});
}

static redisReply *act_adopt(void)
{
    return call_step(LUA_STEP_adopt, 1, (const char *[]){"meta"}, 3,
                     (const char *[]){WORLD_PREFIX, "pk_other", "2"});
}

static void prepare_hold(void)
{
    COMMAND("HSET", key_of("holds"), "unknown_users:" KEY_FP, "1 0 0 0 - twenty");
}

static redisReply *act_hold(void)
{
    return call_step(LUA_STEP_hold, 2, (const char *[]){"holds", "limiter"}, 2,
                     (const char *[]){WORLD_PREFIX, "resume_account"});
}

static char letter_id[64];

static void prepare_letter(void)
{
    take("u", LEASE);
    SETTLE(1, {.user = "u", .kind = "rejected", .signal = "own"});
    snprintf(letter_id, sizeof letter_id, "%s", last_letter_id());
}

static redisReply *act_redrive(void)
{
    return call_step(LUA_STEP_redrive, 3, (const char *[]){"dead", "delayed", "stats"}, 2,
                     (const char *[]){WORLD_PREFIX, letter_id});
}

static redisReply *act_remove(void)
{
    return call_step(LUA_STEP_remove, 2, (const char *[]){"dead", "stats"}, 2,
                     (const char *[]){WORLD_PREFIX, letter_id});
}

static redisReply *act_audit(void)
{
    return call_step(LUA_STEP_audit, 6,
                     (const char *[]){"queue", "delayed", "leases", "inflight", "dead", "stats"}, 1,
                     (const char *[]){WORLD_PREFIX});
}

static redisReply *act_survey(void)
{
    return call_step(LUA_STEP_survey, 8,
                     (const char *[]){"queue", "delayed", "leases", "inflight", "dead", "stats",
                                      "holds", "limiter"},
                     2, (const char *[]){WORLD_PREFIX, KEY_FP});
}

static void prepare_nothing(void)
{
}

/* The story takes the step through its commands; `user` of conf/authlinkd.acl calls it. */
static const struct {
    const char *name;
    enum lua_step_id id;
    void (*prepare)(void);
    redisReply *(*act)(void);
    const char *user;
} stories[] = {
    {"claim", LUA_STEP_claim, prepare_claim, act_claim, "daemon"},
    {"settle", LUA_STEP_settle, prepare_settle, act_settle, "daemon"},
    {"reap", LUA_STEP_reap, prepare_reap, act_reap, "daemon"},
    {"rate", LUA_STEP_rate, prepare_nothing, act_rate, "daemon"},
    {"instance", LUA_STEP_instance, prepare_nothing, act_instance, "daemon"},
    {"adopt", LUA_STEP_adopt, prepare_nothing, act_adopt, "operator"},
    {"hold", LUA_STEP_hold, prepare_hold, act_hold, "operator"},
    {"redrive", LUA_STEP_redrive, prepare_letter, act_redrive, "operator"},
    {"remove", LUA_STEP_remove, prepare_letter, act_remove, "operator"},
    {"audit", LUA_STEP_audit, prepare_letter, act_audit, "operator"},
    {"survey", LUA_STEP_survey, prepare_letter, act_survey, "daemon"},
};

#define STORIES ((int)(sizeof stories / sizeof stories[0]))

static_assert(sizeof stories / sizeof stories[0] == LUA_STEP_COUNT, "every step has a story");

/* The commands in a step's text: what stands in quotes behind `call(` or `redis(`. */
static size_t commands_of(enum lua_step_id id, char commands[COMMANDS_MAX][COMMAND_SIZE])
{
    struct lua_step source = lua_step(id);
    const char *text = (const char *)source.text;
    size_t count = 0;

    for (size_t i = 2; i + COMMAND_SIZE < source.len; i++) {
        if (text[i] != '\'' || text[i - 1] != '(' || !isupper((unsigned char)text[i + 1]))
            continue;
        size_t len = 1;
        while (len < COMMAND_SIZE && isupper((unsigned char)text[i + 1 + len]))
            len++;
        if (text[i + 1 + len] != '\'')
            continue;
        char word[COMMAND_SIZE] = "";
        memcpy(word, text + i + 1, len);
        size_t known = 0;
        while (known < count && strcmp(commands[known], word) != 0)
            known++;
        if (known == count) {
            ck_assert_uint_lt(count, COMMANDS_MAX);
            memcpy(commands[count++], word, COMMAND_SIZE);
        }
    }
    return count;
}

static void begin_story(int index)
{
    COMMAND("FLUSHDB");
    world.law_is_off = true; /* the stories write by hand */
    stories[index].prepare();
}

/* Acts as `user`, and is the default user again afterwards. */
static const redisReply *act_as(const char *user, int index)
{
    expect_fine(COMMAND("AUTH", user, "x"));
    const redisReply *reply = stories[index].act();
    expect_fine(COMMAND("AUTH", "default", "x"));
    return reply;
}

/* True: the right was asked for. */
static bool is_refused_without(int index, const char *command)
{
    char without[COMMAND_SIZE + 1];
    char expected[COMMAND_SIZE + 64];
    char lower[COMMAND_SIZE];

    for (size_t i = 0; i < sizeof lower; i++)
        lower[i] = (char)tolower((unsigned char)command[i]);
    snprintf(without, sizeof without, "-%s", lower);
    snprintf(expected, sizeof expected, "run ACL SETUSER <user> +%s", lower);
    begin_story(index);
    expect_fine(
        COMMAND("ACL", "SETUSER", "limited", "reset", "on", "nopass", "~*", "+@all", without));
    const char *before = database_digest();
    const redisReply *reply = act_as("limited", index);
    if (reply->type != REDIS_REPLY_ERROR)
        return false;
    ck_assert_msg(strncmp(reply->str, "NOPERM authlink", 15) == 0 &&
                      strstr(reply->str, expected) != NULL,
                  "%s without %s: %s", stories[index].name, command, reply->str);
    ck_assert_msg(strcmp(database_digest(), before) == 0, "%s without %s has written something",
                  stories[index].name, command);
    return true;
}

START_TEST(step_without_one_right_is_refused_whole)
{
    char commands[COMMANDS_MAX][COMMAND_SIZE];
    size_t count = commands_of(stories[_i].id, commands);
    size_t refused = 0;

    ck_assert_uint_ge(count, 3);
    for (size_t i = 0; i < count; i++) {
        refused += is_refused_without(_i, commands[i]);
        world_forget();
    }
    ck_assert_uint_ge(refused, 3);
}
END_TEST

START_TEST(claim_without_HINCRBY_takes_nothing)
{
    push("u");
    expect_fine(
        COMMAND("ACL", "SETUSER", "limited", "reset", "on", "nopass", "~*", "+@all", "-hincrby"));
    for (int i = 0; i < 3; i++)
        expect_error(act_as("limited", 0), "NOPERM authlink: the Redis user lacks a right; run ACL "
                                           "SETUSER <user> +hincrby ~" WORLD_PREFIX ":stats");
    ck_assert_int_eq(number_of(COMMAND("LLEN", key_of("queue"))), 1);
    ck_assert_int_eq(number_of(COMMAND("DBSIZE")), 1);
    expect_fine(COMMAND("ACL", "SETUSER", "limited", "+hincrby"));
    ck_assert_uint_eq(claimed_count(act_as("limited", 0)), 1);
}
END_TEST

static const struct {
    const char *hidden;
    enum lua_step_id step;
} undeclared[] = {{"session", LUA_STEP_claim},  {"lease", LUA_STEP_claim},
                  {"session", LUA_STEP_settle}, {"lease", LUA_STEP_settle},
                  {"session", LUA_STEP_reap},   {"lease", LUA_STEP_audit}};

static int story_of(enum lua_step_id id)
{
    int index = 0;

    while (stories[index].id != id)
        index++;
    return index;
}

/* Redis itself looks at the keys that are declared; these are not. */
START_TEST(keys_that_are_not_declared_are_asked_for_too)
{
    static const char *const names[] = {"queue",   "delayed", "leases",   "inflight",
                                        "limiter", "holds",   "events",   "dead",
                                        "stats",   "meta",    "settled:*"};
    char pattern[64];
    char expected[64];

    int story = story_of(undeclared[_i].step);
    begin_story(story);
    expect_fine(COMMAND("ACL", "SETUSER", "limited", "reset", "on", "nopass", "+@all"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(pattern, sizeof pattern, "~%s", key_of(names[i]));
        expect_fine(COMMAND("ACL", "SETUSER", "limited", pattern));
    }
    /* the claim's own lease is declared */
    expect_fine(COMMAND("ACL", "SETUSER", "limited", "~" WORLD_PREFIX ":lease:" LEASE));
    if (strcmp(undeclared[_i].hidden, "session") == 0)
        expect_fine(COMMAND("ACL", "SETUSER", "limited", "~" WORLD_PREFIX ":lease:*"));
    else
        expect_fine(COMMAND("ACL", "SETUSER", "limited", "~" WORLD_PREFIX ":session:*"));
    const char *before = database_digest();
    const redisReply *reply = act_as("limited", story);
    snprintf(expected, sizeof expected, "~" WORLD_PREFIX ":%s:*", undeclared[_i].hidden);
    expect_error(reply, "NOPERM authlink");
    ck_assert_msg(strstr(reply->str, expected) != NULL, "%s", reply->str);
    ck_assert_str_eq(database_digest(), before);
}
END_TEST

/* Makes a user of conf/authlinkd.acl, for the prefix of these tests and without a password. */
static void make_user_of_conf(const char *name)
{
    char line[4096] = "";
    char start[64];
    static char texts[WORDS_MAX][256];
    const char *words[WORDS_MAX] = {"ACL", "SETUSER", "limited", "reset", "nopass"};
    int count = 5;
    FILE *file = fopen(TEST_SOURCE_DIR "/conf/authlinkd.acl", "r");

    ck_assert_ptr_nonnull(file);
    snprintf(start, sizeof start, "user authlink-%s ", name);
    while (strncmp(line, start, strlen(start)) != 0)
        ck_assert_msg(fgets(line, sizeof line, file) != NULL, "no user %s", name);
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    for (const char *word = line + strlen(start); *word != '\0'; word += strspn(word, " ")) {
        int len = (int)strcspn(word, " ");
        const char *prefix = strstr(word, "authlink:");
        ck_assert_int_lt(count, WORDS_MAX);
        if (prefix != NULL && prefix < word + len)
            snprintf(texts[count], sizeof texts[0], "%.*s" WORLD_PREFIX "%.*s",
                     (int)(prefix - word), word, (int)(word + len - prefix) - 8, prefix + 8);
        else
            snprintf(texts[count], sizeof texts[0], "%.*s", len, word);
        words[count] = texts[count];
        count += texts[count][0] != '>'; /* nopass instead */
        word += len;
    }
    expect_fine(world_command(count, words, NULL));
}

START_TEST(users_of_the_package_may_do_every_step_that_is_theirs)
{
    begin_story(_i);
    make_user_of_conf(stories[_i].user);
    expect_fine(act_as("limited", _i));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rights");
    TCase *tcase = tcase_create("rights");

    add_world(tcase);
    tcase_add_loop_test(tcase, step_without_one_right_is_refused_whole, 0, STORIES);
    tcase_add_test(tcase, claim_without_HINCRBY_takes_nothing);
    tcase_add_loop_test(tcase, keys_that_are_not_declared_are_asked_for_too, 0,
                        (int)(sizeof undeclared / sizeof undeclared[0]));
    tcase_add_loop_test(tcase, users_of_the_package_may_do_every_step_that_is_theirs, 0, STORIES);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
