/*
 * listen_socket.h - a socket that listens on this host: loopback, or a unix socket with its file.
 */
#ifndef AUTHLINKD_APP_LISTEN_SOCKET_H
#define AUTHLINKD_APP_LISTEN_SOCKET_H

#include "base/buffer.h"
#include "core/listen_address.h"

#include <sys/types.h>

struct listen_socket {
    int fd;                                  /* owns; -1: none */
    char unix_path[LISTEN_PATH_MAX_LEN + 1]; /* "": no file */
    dev_t device;                            /* of that file: it is removed only while it is ours */
    ino_t inode;
};

/*
 * Listens, without blocking. The file of a unix socket gets the mode 0660; one that a dead
 * process left is replaced. RESULT_SYSTEM: reterr_why is a sentence with what to do.
 */
MUST_CHECK enum result listen_socket_open(const struct listen_address *address,
                                          struct listen_socket *ret_socket,
                                          struct buffer *reterr_why);

/* Closes it if `does_close` (else somebody has closed it already), and removes its file. */
void listen_socket_done(struct listen_socket *socket, bool does_close);

#endif
