/* listen_socket.c - a socket that listens on this host. */
#include "app/listen_socket.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Scrapes come one at a time; what floods is to be refused by the kernel. */
#define BACKLOG 16

#define SOCKET_MODE 0660

union any_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_un local;
};

static socklen_t fill(const struct listen_address *address, union any_address *target)
{
    memset(target, 0, sizeof *target);
    switch (address->family) {
    case LISTEN_IPV4:
        target->ipv4.sin_family = AF_INET;
        target->ipv4.sin_port = htons(address->port);
        target->ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof target->ipv4;
    case LISTEN_IPV6:
        target->ipv6.sin6_family = AF_INET6;
        target->ipv6.sin6_port = htons(address->port);
        target->ipv6.sin6_addr = in6addr_loopback;
        return sizeof target->ipv6;
    case LISTEN_UNIX:
        target->local.sun_family = AF_UNIX;
        text_copy(target->local.sun_path, sizeof target->local.sun_path, address->unix_path,
                  strlen(address->unix_path));
        return sizeof target->local;
    case LISTEN_NOWHERE:
        break;
    }
    return 0;
}

/* A socket file at which nobody listens: its process is gone. */
static bool is_left_over(const union any_address *address, socklen_t len)
{
    struct stat status;

    if (lstat(address->local.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return false;
    bool is_refused = connect(probe, &address->any, len) != 0 && errno == ECONNREFUSED;
    close(probe);
    return is_refused;
}

static int bind_in_place(int fd, const union any_address *address, socklen_t len)
{
    int on = 1;

    if (address->any.sa_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &address->any, len) == 0)
        return 0;
    if (errno != EADDRINUSE || address->any.sa_family != AF_UNIX)
        return -1;
    if (!is_left_over(address, len)) {
        errno = EADDRINUSE;
        return -1;
    }
    return unlink(address->local.sun_path) == 0 ? bind(fd, &address->any, len) : -1;
}

/* Nobody can connect before listen(), so the mode is right from the first peer on. */
static int own_file(struct listen_socket *target)
{
    struct stat status;

    if (lstat(target->unix_path, &status) != 0)
        return -1;
    target->device = status.st_dev;
    target->inode = status.st_ino;
    return chmod(target->unix_path, SOCKET_MODE);
}

static int begin(const struct listen_address *address, struct listen_socket *target)
{
    union any_address name;
    socklen_t len = fill(address, &name);

    target->fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (target->fd < 0 || bind_in_place(target->fd, &name, len) != 0)
        return -1;
    if (address->family == LISTEN_UNIX) {
        text_copy(target->unix_path, sizeof target->unix_path, address->unix_path,
                  strlen(address->unix_path));
        if (own_file(target) != 0)
            return -1;
    }
    return listen(target->fd, BACKLOG);
}

static const char *advice_for(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "something else is there; end it, or choose another metrics.listen";
    case EACCES:
    case EROFS:
    case ENOENT:
        return "the directory must be there, and this user must be able to write to it";
    default:
        return "mend it, or choose another metrics.listen";
    }
}

enum result listen_socket_open(const struct listen_address *address,
                               struct listen_socket *ret_socket, struct buffer *reterr_why)
{
    struct listen_socket opened = {.fd = -1};

    if (begin(address, &opened) != 0) {
        int error = errno;
        listen_socket_done(&opened, true);
        buffer_append_format(reterr_why, "%s: %s", strerror(error), advice_for(error));
        errno = error;
        return RESULT_SYSTEM;
    }
    *ret_socket = opened;
    return RESULT_OK;
}

void listen_socket_done(struct listen_socket *socket, bool does_close)
{
    struct stat status;

    if (does_close && socket->fd >= 0)
        close(socket->fd);
    socket->fd = -1;
    if (socket->inode != 0 && lstat(socket->unix_path, &status) == 0 &&
        status.st_dev == socket->device && status.st_ino == socket->inode)
        unlink(socket->unix_path);
    socket->inode = 0;
}
