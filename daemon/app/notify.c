/* notify.c - one datagram to $NOTIFY_SOCKET. */
#include "app/notify.h"

#include "base/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_MESSAGE_BYTES 512

void notify_send(const char *pairs)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';

    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    /* A manager that does not listen is its own trouble; the daemon works on. */
    (void)sendto(fd, pairs, strlen(pairs), MSG_NOSIGNAL | MSG_DONTWAIT,
                 (const struct sockaddr *)&address, len);
    close(fd);
}

void notify_status(const char *status)
{
    char message[MAX_MESSAGE_BYTES];

    snprintf(message, sizeof message, "STATUS=%s", status);
    notify_send(message);
}

void notify_reloading(int64_t now_us)
{
    char message[MAX_MESSAGE_BYTES];

    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, now_us);
    notify_send(message);
}

void notify_extend_timeout(int64_t more_us)
{
    char message[MAX_MESSAGE_BYTES];

    snprintf(message, sizeof message, "EXTEND_TIMEOUT_USEC=%" PRId64, more_us);
    notify_send(message);
}

int64_t notify_watchdog_interval_us(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    int64_t timeout_us = 0;
    int64_t meant_pid = 0;

    if (usec == NULL || text_to_int64(usec, strlen(usec), 1, INT64_MAX, &timeout_us) != RESULT_OK)
        return 0;
    if (pid != NULL && (text_to_int64(pid, strlen(pid), 1, INT32_MAX, &meant_pid) != RESULT_OK ||
                        meant_pid != getpid()))
        return 0;
    return timeout_us / 2;
}
