/* test_transfers_lookup.c - a name service that does not answer. */
#include "conductor/transfers.h"
#include "run_tests.h"

#include "support_client.h"

#include <check.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>

/* Under the mutex. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_released;
static int waiting;

/* Stands for that of libc, in libcurl too: answers nobody before it is released. */
int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret_list)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)ret_list;
    pthread_mutex_lock(&mutex);
    waiting++;
    pthread_cond_broadcast(&changed);
    while (!is_released)
        pthread_cond_wait(&changed, &mutex);
    waiting--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    return EAI_AGAIN;
}

static void release_and_wait(void)
{
    pthread_mutex_lock(&mutex);
    is_released = true;
    pthread_cond_broadcast(&changed);
    while (waiting > 0)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

/*
 * libcurl waits for its thread when it gives a transfer up, unless told otherwise
 * (CURLOPT_QUICK_EXIT); here it would wait for ever, as the daemon would for the resolver.
 */
START_TEST(lookup_that_hangs_does_not_hold_the_loop_at_the_deadline)
{
    struct client client;

    client_init(&client, "https", "api.example", 443, "", 300, 1);
    const struct client_end *end = client_do(&client, "{}");
    ck_assert_int_eq(end->state, ANSWER_UNSENT);
    ck_assert_msg(strstr(end->failure, "api.example") != NULL, "%s", end->failure);
    ck_assert_msg(strstr(end->failure, "timed out") != NULL, "%s", end->failure);
    pthread_mutex_lock(&mutex);
    ck_assert_int_eq(waiting, 1);
    pthread_mutex_unlock(&mutex);
    client_done(&client);
    release_and_wait();
}
END_TEST

START_TEST(free_does_not_wait_for_a_lookup)
{
    struct client client;

    client_init(&client, "https", "api.example", 443, "", 30000, 1);
    client_start(&client, "{}", 0);
    for (bool is_waiting = false; !is_waiting;) {
        event_base_loop(client.base, EVLOOP_NONBLOCK);
        pthread_mutex_lock(&mutex);
        is_waiting = waiting == 1;
        pthread_mutex_unlock(&mutex);
    }
    client_done(&client);
    ck_assert_int_eq(client.ended, 0);
    release_and_wait();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transfers_lookup");
    TCase *tcase = tcase_create("transfers_lookup");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, lookup_that_hangs_does_not_hold_the_loop_at_the_deadline);
    tcase_add_test(tcase, free_does_not_wait_for_a_lookup);
    suite_add_tcase(suite, tcase);
    return run_tests(suite);
}
