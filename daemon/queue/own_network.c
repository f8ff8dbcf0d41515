/* own_network.c - does this host reach the API at all? */
#include "queue/own_network.h"

#include "base/clock.h"

#define FAILURES_IN_A_ROW 5
#define BACKOFF_MIN_US    US_PER_SEC
#define BACKOFF_MAX_US    (60 * US_PER_SEC)

bool own_network_is_alone(const struct own_network *network)
{
    return network->alone_from_seq != 0;
}

static bool is_of_single_claim(const struct own_network *network, uint64_t seq)
{
    return own_network_is_alone(network) && seq >= network->alone_from_seq;
}

void own_network_note(struct own_network *network, const struct outcome *outcome, uint64_t seq,
                      uint64_t last_seq, int64_t now_us)
{
    if (outcome->kind == OUTCOME_RETURNED) {
        own_network_forget(network, seq, now_us);
        return;
    }
    if (outcome->answer.state == ANSWER_WHOLE) {
        *network = (struct own_network){0};
        return;
    }
    network->failures++;
    if (is_of_single_claim(network, seq)) {
        network->backoff_us *= 2;
        if (network->backoff_us > BACKOFF_MAX_US)
            network->backoff_us = BACKOFF_MAX_US;
        network->next_us = now_us + network->backoff_us;
    } else if (!own_network_is_alone(network) && network->failures >= FAILURES_IN_A_ROW) {
        network->alone_from_seq = last_seq + 1;
        network->backoff_us = BACKOFF_MIN_US;
        network->next_us = now_us + network->backoff_us;
    }
}

void own_network_forget(struct own_network *network, uint64_t seq, int64_t now_us)
{
    if (is_of_single_claim(network, seq))
        network->next_us = now_us;
}

void own_network_handed_out(struct own_network *network, uint64_t seq)
{
    if (is_of_single_claim(network, seq))
        network->next_us = INT64_MAX;
}

void own_network_start(struct own_network *network)
{
    if (network->next_us == INT64_MAX)
        network->next_us = 0;
}

int64_t own_network_wait_us(const struct own_network *network, int64_t now_us)
{
    if (!own_network_is_alone(network) || network->next_us <= now_us)
        return 0;
    return network->next_us == INT64_MAX ? -1 : network->next_us - now_us;
}
