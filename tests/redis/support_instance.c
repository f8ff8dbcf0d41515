/* support_instance.c - a daemon as the steps see it, at random. */
#include "support_instance.h"

#include "support_random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fleet fleet;

static void boot(struct instance *instance)
{
    snprintf(instance->boot, sizeof instance->boot, "%016" PRIx64, random_bits());
    instance->seq = 0;
    instance->settle_number = 0;
    instance->has_open_settle = false;
    instance->hand_count = 0;
    instance->is_up = true;
    instance->must_recover = true;
}

void fleet_start(void)
{
    fleet = (struct fleet){0};
    for (int i = 0; i < FLEET_SIZE; i++) {
        snprintf(fleet.instances[i].owner, sizeof fleet.instances[i].owner, "i%d@h", i);
        boot(&fleet.instances[i]);
    }
}

void instance_disconnect(struct instance *instance)
{
    instance->must_recover = true;
}

/* A reply that is an error refuses the call as a whole; which ones are expected. */
static bool is_refused(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR)
        return false;
    bool is_oom = strncmp(reply->str, "OOM", 3) == 0;
    bool is_wrong_type = strncmp(reply->str, "ERR authlink wrongtype", 22) == 0;
    ck_assert_msg(is_oom || is_wrong_type, "%s", reply->str);
    fleet.counts.out_of_memory += is_oom;
    fleet.counts.wrong_type += is_wrong_type;
    return true;
}

static int hand_in_state(const struct instance *instance, enum hand_state state)
{
    int count = 0;

    for (int i = 0; i < instance->hand_count; i++)
        count += instance->hand[i].state == state;
    return count;
}

/* Removes what `is_gone` says; the rest keeps its order. */
static void remove_from_hand(struct instance *instance,
                             bool (*is_gone)(const struct hand *, const void *), const void *what)
{
    int kept = 0;

    for (int i = 0; i < instance->hand_count; i++)
        if (!is_gone(&instance->hand[i], what))
            instance->hand[kept++] = instance->hand[i];
    instance->hand_count = kept;
}

static bool is_settled(const struct hand *hand, const void *unused)
{
    (void)unused;
    return hand->is_in_settle;
}

static bool is_unsent_of_lost_lease(const struct hand *hand, const void *listed)
{
    const redisReply *leases = listed;

    if (hand->state != HAND_UNSENT)
        return false;
    for (size_t i = 0; i < leases->elements; i += 2)
        if (strcmp(leases->element[i]->str, hand->lease) == 0)
            return false;
    return true;
}

/* ---- settle ---- */

static void open_settle(struct instance *instance)
{
    int count = 0;

    for (int i = 0; i < instance->hand_count && count < SETTLE_MAX; i++)
        if (instance->hand[i].state == HAND_ANSWERED) {
            instance->hand[i].is_in_settle = true;
            count++;
        }
    if (count == 0)
        return;
    instance->settle_number++;
    instance->has_open_settle = true;
}

static struct item item_of(const struct hand *hand)
{
    static const int64_t lives_ms[] = {1, 3, 10, 100};

    return (struct item){.lease = hand->lease,
                         .user = hand->user,
                         .kind = hand->kind,
                         .signal = hand->signal,
                         .told = hand->told,
                         .session_id = hand->session_id,
                         .redirect_url = hand->redirect_url,
                         .life_ms = lives_ms[random_below(4)],
                         .delay_ms = random_below(2) * 10,
                         .detail = "answered so"};
}

static void send_settle(struct instance *instance)
{
    static struct item items[SETTLE_MAX];
    size_t count = 0;

    for (int i = 0; i < instance->hand_count; i++)
        if (instance->hand[i].is_in_settle)
            items[count++] = item_of(&instance->hand[i]);
    fleet.counts.settles++;
    const redisReply *reply =
        settle_as(&(const struct settle_args){.boot = instance->boot,
                                              .settings = FLEET_SETTINGS,
                                              .number = instance->settle_number,
                                              .count = count,
                                              .items = items});
    if (reply == NULL) {
        instance_disconnect(instance);
        return;
    }
    if (is_refused(reply)) {
        ck_assert_msg(strncmp(reply->str, "OOM", 3) != 0, "a settle is never refused for memory");
        return;
    }
    if (strcmp(word_of(reply), "again") == 0)
        fleet.counts.again++;
    else
        fleet.counts.fenced += (int)at(reply, 2)->elements;
    remove_from_hand(instance, is_settled, NULL);
    instance->has_open_settle = false;
}

/* ---- recover, and the same list read now and then ---- */

static bool has_in_hand(const struct instance *instance, const char *lease)
{
    for (int i = 0; i < instance->hand_count; i++)
        if (strcmp(instance->hand[i].lease, lease) == 0)
            return true;
    return false;
}

static const redisReply *call_reap(struct instance *instance, bool foreign, int count,
                                   const char *const *names)
{
    const redisReply *reply = reap_as(&(const struct reap_args){.owner = instance->owner,
                                                                .boot = instance->boot,
                                                                .settings = FLEET_SETTINGS,
                                                                .foreign = foreign,
                                                                .name_count = count,
                                                                .names = names});

    if (reply == NULL)
        instance_disconnect(instance);
    return reply == NULL || is_refused(reply) ? NULL : reply;
}

static void look_at_leases(struct instance *instance)
{
    const char *strays[32];
    int count = 0;
    const redisReply *reply = call_reap(instance, random_chance(300), 0, NULL);

    if (reply == NULL)
        return;
    const redisReply *listed = at(reply, 3);
    for (size_t i = 0; i < listed->elements && count < 32; i += 2)
        if (!has_in_hand(instance, listed->element[i]->str))
            strays[count++] = listed->element[i]->str;
    remove_from_hand(instance, is_unsent_of_lost_lease, listed);
    fleet.counts.strays += count;
    if (count == 0 || call_reap(instance, false, count, strays) != NULL)
        instance->must_recover = false;
}

static void recover(struct instance *instance)
{
    if (!instance->has_open_settle)
        open_settle(instance);
    if (instance->has_open_settle)
        send_settle(instance);
    else
        look_at_leases(instance);
}

/* ---- claim ---- */

static void take_in_hand(struct instance *instance, const char *lease, int64_t deadline_ms,
                         const redisReply *reply)
{
    for (size_t i = 0; i < claimed_count(reply); i++) {
        struct claimed job = claimed_at(reply, i);
        ck_assert_int_lt(instance->hand_count, HAND_MAX);
        struct hand *hand = &instance->hand[instance->hand_count++];
        *hand = (struct hand){.deadline_ms = deadline_ms, .epoch = fleet.epoch};
        snprintf(hand->lease, sizeof hand->lease, "%s", lease);
        snprintf(hand->user, sizeof hand->user, "%s", job.user);
        snprintf(hand->redirect_url, sizeof hand->redirect_url, "%s", job.redirect_url);
        fleet.counts.claimed++;
    }
}

static void send_claim(struct instance *instance)
{
    static const int64_t lease_lives_ms[] = {20, 60, 1000};
    int64_t lease_ms = lease_lives_ms[random_below(3)];
    char lease[80];

    snprintf(lease, sizeof lease, "%s/%s/%d", instance->owner, instance->boot, ++instance->seq);
    fleet.counts.claims++;
    const redisReply *reply = CLAIM(.lease = lease, .want = 1 + random_below(40),
                                    .lease_ms = lease_ms, .settings = FLEET_SETTINGS);
    if (reply == NULL) {
        instance_disconnect(instance);
        return;
    }
    if (is_refused(reply))
        return;
    if (strcmp(word_of(reply), "jobs") == 0)
        take_in_hand(instance, lease, number_of(at(reply, 0)) + lease_ms, reply);
    else
        fleet.counts.held += strcmp(word_of(reply), "hold") == 0;
}

/* ---- requests ---- */

static struct hand *any_in_state(struct instance *instance, enum hand_state state)
{
    int wanted = random_below(hand_in_state(instance, state));

    for (int i = 0; i < instance->hand_count; i++)
        if (instance->hand[i].state == state && wanted-- == 0)
            return &instance->hand[i];
    return NULL;
}

/* One request in flight per user, as long as leases last and Redis loses nothing. */
static void expect_nobody_sends(const char *user, int64_t now_ms)
{
    int running = 0;

    for (int i = 0; i < FLEET_SIZE; i++)
        for (int j = 0; j < fleet.instances[i].hand_count; j++) {
            const struct hand *hand = &fleet.instances[i].hand[j];
            if (hand->state != HAND_RUNNING)
                continue;
            running++;
            if (strcmp(hand->user, user) == 0 && hand->deadline_ms > now_ms &&
                hand->epoch == fleet.epoch)
                ck_abort_msg("%s is sent twice at a time", user);
        }
    if (running >= fleet.counts.most_running)
        fleet.counts.most_running = running + 1;
}

static void answer(struct hand *hand, const char *kind, const char *signal, enum told told)
{
    hand->state = HAND_ANSWERED;
    hand->kind = kind;
    hand->signal = signal;
    hand->told = told;
}

static void begin_request(struct instance *instance)
{
    struct hand *hand = any_in_state(instance, HAND_UNSENT);
    int64_t now_ms = server_now_ms();

    if (hand->deadline_ms <= now_ms || random_chance(50)) {
        answer(hand, "returned", "none", NOT_TOLD);
        return;
    }
    if (hand->epoch == fleet.epoch)
        expect_nobody_sends(hand->user, now_ms);
    hand->state = HAND_RUNNING;
}

static void end_request(struct instance *instance)
{
    static const struct {
        int weight;
        const char *kind, *signal;
        enum told told;
    } answers[] = {
        {600, "created", "ok", ACCEPTED},        {120, "retry", "down", NOT_TOLD},
        {30, "throttled", "throttled", REFUSED}, {20, "account_error", "account", ACCEPTED},
        {80, "rejected", "own", ACCEPTED},       {40, "rejected", "missing", ACCEPTED},
        {40, "gave_up", "down", NOT_TOLD},       {70, "unsent", "down", NOT_TOLD},
    };
    struct hand *hand = any_in_state(instance, HAND_RUNNING);
    int place = random_below(1000);
    size_t i = 0;

    while (place >= answers[i].weight)
        place -= answers[i++].weight;
    answer(hand, answers[i].kind, answers[i].signal, answers[i].told);
    if (strcmp(hand->kind, "created") == 0)
        snprintf(hand->session_id, sizeof hand->session_id, "s%d", ++fleet.counts.sessions);
}

void instance_step(struct instance *instance, bool is_quiet)
{
    if (!instance->is_up) {
        boot(instance);
        return;
    }
    if (!is_quiet && random_chance(20)) {
        instance->is_up = false;
        instance->hand_count = 0;
        fleet.counts.crashes++;
        return;
    }
    if (instance->must_recover)
        recover(instance);
    else if (instance->has_open_settle)
        send_settle(instance);
    else if (hand_in_state(instance, HAND_ANSWERED) > 0 && random_chance(300))
        open_settle(instance);
    else if (random_chance(80))
        look_at_leases(instance);
    else if (hand_in_state(instance, HAND_RUNNING) > 0 && random_chance(500))
        end_request(instance);
    else if (hand_in_state(instance, HAND_UNSENT) > 0 && random_chance(700))
        begin_request(instance);
    else if (hand_in_state(instance, HAND_UNSENT) < 100)
        send_claim(instance);
}
