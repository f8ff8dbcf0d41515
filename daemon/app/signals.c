/* signals.c - signals become callbacks of the loop. */
#include "app/signals.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

#define CAUGHT_COUNT (sizeof caught / sizeof caught[0])

struct signals {
    struct event *events[CAUGHT_COUNT]; /* owns */
    struct signals_callbacks callbacks;
    void *user;
};

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct signals *signals = arg;

    (void)what;
    if (number == SIGHUP)
        signals->callbacks.on_reload_wanted(signals->user);
    else if (number == SIGUSR1)
        signals->callbacks.on_state_wanted(signals->user);
    else
        signals->callbacks.on_stop_wanted(signals->user);
}

void signals_begin(void)
{
    static const int ignored[] = {SIGPIPE, SIGHUP, SIGUSR1};

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
}

struct signals *signals_new(struct event_base *base, const struct signals_callbacks *callbacks,
                            void *user)
{
    struct signals *signals = calloc(1, sizeof *signals);

    if (signals == NULL)
        return NULL;
    signals->callbacks = *callbacks;
    signals->user = user;
    for (size_t i = 0; i < CAUGHT_COUNT; i++) {
        signals->events[i] = evsignal_new(base, caught[i], on_signal, signals);
        if (signals->events[i] == NULL || event_add(signals->events[i], NULL) != 0)
            return signals_free(signals);
    }
    return signals;
}

struct signals *signals_free(struct signals *signals)
{
    if (signals == NULL)
        return NULL;
    for (size_t i = 0; i < CAUGHT_COUNT; i++)
        if (signals->events[i] != NULL)
            event_free(signals->events[i]);
    free(signals);
    return NULL;
}
