/*
 * link.h - one connection to Redis, made again whenever it is lost.
 *
 * The only socket of this layer. RESP2 is hiredis' (formatter and reader); sockets, names
 * and deadlines are libevent's. Commands are answered in order; each has a deadline, and a
 * reply that comes later closes the connection. A command's callback comes exactly once.
 * The program must ignore SIGPIPE: a socket may be gone when it is written to.
 *
 *   IDLE ──> CONNECTING ──> GREETING ──> UP
 *    ^           └─────────────┴──────────┘ lost: back-off with full jitter
 *
 * Sources  reliability.md B4, D2, D3 (measured).
 */
#ifndef AUTHLINKD_QUEUE_LINK_H
#define AUTHLINKD_QUEUE_LINK_H

#include "base/result.h"
#include "core/host_list.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_PATH_MAX_LEN     107 /* sun_path, unix(7) */
#define LINK_USER_MAX_LEN     128
#define LINK_PASSWORD_MAX_LEN 1024
#define LINK_REPLY_MAX_BYTES  (1024 * 1024)
#define LINK_FILE_MAX_LEN     1023
#define LINK_WHY_MAX_LEN      511 /* a reason for people: a host's name and two sentences */

struct event_base;
struct evdns_base;
struct link;

/* Plain data: whom TLS trusts, and who we are. Files are PEM, and read afresh for each connection.
 */
struct link_tls {
    bool is_on;
    char ca_file[LINK_FILE_MAX_LEN + 1];   /* "": the authorities of the system */
    char cert_file[LINK_FILE_MAX_LEN + 1]; /* "": no certificate of ours */
    char key_file[LINK_FILE_MAX_LEN + 1];
};

/* Plain data: where Redis is. */
struct link_address {
    char unix_path[LINK_PATH_MAX_LEN + 1]; /* "": TCP */
    char host[HOST_MAX_LEN + 1];
    uint16_t port;
    char user[LINK_USER_MAX_LEN + 1]; /* "": the default user */
    uint32_t db;
    struct link_tls tls; /* off for unix_path */
};

struct link_times {
    int64_t command_timeout_us;
    int64_t reconnect_min_us;
    int64_t reconnect_max_us;
};

struct link_callbacks {
    void (*on_up)(void *user);
    /*
     * Comes after the callbacks of all commands that were unanswered, and again while there is
     * no connection, when the reason is another. `why` is for people.
     */
    void (*on_down)(const char *why, void *user);
    /* Copies the password, "" for none. False: it cannot be read now. */
    bool (*on_password_wanted)(char *target, size_t size, void *user);
};

/* `reply` is lent until the call returns; NULL: the connection was lost, the fate of the command
 * unknown. */
typedef void (*link_on_reply)(const redisReply *reply, void *user);

/* `name` goes to CLIENT SETNAME and into the log. NULL when memory is short. Borrows base, dns,
 * user. */
struct link *link_new(struct event_base *base, struct evdns_base *dns, const char *name,
                      const struct link_address *address, const struct link_times *times,
                      const struct link_callbacks *callbacks, void *user);

/* Accepts NULL. Returns NULL. Unanswered commands get no callback. */
struct link *link_free(struct link *link);

/* Begins to connect, and does so again after every loss. */
void link_start(struct link *link);

bool link_is_up(const struct link *link);

/*
 * Sends bytes that redisFormatCommandArgv() made. `extra_us` is added to the deadline, for
 * commands that block. RESULT_DISCONNECTED: not sent, no callback.
 */
MUST_CHECK enum result link_send(struct link *link, const char *bytes, size_t len, int64_t extra_us,
                                 link_on_reply on_reply, void *user);

/* Formats and sends. */
MUST_CHECK enum result link_command(struct link *link, int argc, const char *const *argv,
                                    const size_t *argv_len, link_on_reply on_reply, void *user);

/* Gives the connection up and makes a new one. May be called from any callback. */
void link_drop(struct link *link, const char *why);

/* Does not wait any longer if it waits: something changed that kept it from connecting. */
void link_hurry(struct link *link);

/* When it last tried to connect, monotonic; now, while it waits after a refused password. */
int64_t link_last_attempt_us(const struct link *link);

#endif
