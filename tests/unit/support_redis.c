/* support_redis.c - a real Redis for tests. */
#include "support_redis.h"

#include "base/clock.h"

#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_US      (10 * US_PER_SEC)
#define WORDS_MAX    64
#define LOOP_STEP_US 2000

static struct {
    char folder[64];
    char unix_path[96];
    uint16_t port;
    pid_t pid; /* of the server: a child of whoever started it last */
} server;

static void give_up(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* A port that is free now; the server takes it in a moment. */
static uint16_t find_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        give_up("a free port");
    close(fd);
    return ntohs(address.sin_port);
}

static redisContext *connect_now(void)
{
    redisContext *context = redisConnectUnix(server.unix_path);

    if (context != NULL && context->err != 0) {
        redisFree(context);
        return NULL;
    }
    return context;
}

static bool is_ready(void)
{
    redisContext *context = connect_now();
    const char *words[] = {"PING"};

    if (context == NULL)
        return false;
    redisReply *reply = redisCommandArgv(context, 1, words, NULL);
    bool is_pong = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    if (reply != NULL)
        freeReplyObject(reply);
    redisFree(context);
    return is_pong;
}

static void start_server(void)
{
    char port[8];
    pid_t parent = getpid();
    const char *program = getenv("AUTHLINKD_TEST_SERVER"); /* as in tests/redis/support_server.h */

    if (program == NULL)
        program = "redis-server";
    snprintf(port, sizeof port, "%u", server.port);
    server.pid = fork();
    if (server.pid < 0)
        give_up("fork");
    if (server.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* gone with the test, however that ends */
        if (getppid() != parent)
            _exit(127);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        execlp(program, program, "--port", port, "--bind", "127.0.0.1", "--unixsocket",
               server.unix_path, "--dir", server.folder, "--save", "", "--appendonly", "no",
               (char *)NULL);
        _exit(127);
    }
    int64_t end_us = clock_mono_us() + WAIT_US;
    while (!is_ready()) {
        if (clock_mono_us() > end_us || waitpid(server.pid, NULL, WNOHANG) != 0)
            give_up("redis-server does not start");
        usleep(5000);
    }
}

void redis_begin(void)
{
    snprintf(server.folder, sizeof server.folder, "%s/authlinkd-test-XXXXXX",
             getenv("TMPDIR") != NULL && strlen(getenv("TMPDIR")) < 24 ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(server.folder) == NULL)
        give_up("mkdtemp");
    snprintf(server.unix_path, sizeof server.unix_path, "%s/redis.sock", server.folder);
    server.port = find_free_port();
    start_server();
}

void redis_kill(void)
{
    kill(server.pid, SIGKILL);
    /* A test's process is not the server's parent: it waits until nobody listens. */
    waitpid(server.pid, NULL, 0);
    while (kill(server.pid, 0) == 0 && is_ready())
        usleep(1000);
}

void redis_restart(void)
{
    unlink(server.unix_path);
    start_server();
}

void redis_end(void)
{
    redis_kill();
    unlink(server.unix_path);
    rmdir(server.folder);
}

void redis_flush(void)
{
    freeReplyObject(redis_ask("CONFIG SET maxmemory 0 min-replicas-to-write 0"));
    freeReplyObject(redis_ask("FLUSHALL"));
    freeReplyObject(redis_ask("SCRIPT FLUSH"));
}

const char *redis_unix_path(void)
{
    return server.unix_path;
}

uint16_t redis_port(void)
{
    return server.port;
}

struct link_address redis_address(void)
{
    struct link_address address = {0};

    snprintf(address.unix_path, sizeof address.unix_path, "%s", server.unix_path);
    return address;
}

redisReply *redis_ask_argv(int count, const char **words)
{
    redisContext *context = connect_now();

    ck_assert_msg(context != NULL, "the test's Redis does not answer");
    redisReply *reply = redisCommandArgv(context, count, words, NULL);
    ck_assert_msg(reply != NULL, "%s: %s", words[0], context->errstr);
    redisFree(context);
    return reply;
}

redisReply *redis_ask(const char *words)
{
    char copy[4096];
    const char *argv[WORDS_MAX];
    int count = 0;
    char *rest = copy;

    ck_assert_uint_lt(strlen(words), sizeof copy);
    memcpy(copy, words, strlen(words) + 1);
    for (char *word = strsep(&rest, " "); word != NULL && count < WORDS_MAX;
         word = strsep(&rest, " "))
        argv[count++] = word;
    return redis_ask_argv(count, argv);
}

long long redis_ask_int(const char *words)
{
    redisReply *reply = redis_ask(words);

    ck_assert_msg(reply->type == REDIS_REPLY_INTEGER, "%s: no integer", words);
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}

const char *redis_ask_text(const char *words, char *target, size_t size)
{
    redisReply *reply = redis_ask(words);

    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", words, reply->str);
    snprintf(target, size, "%s", reply->str != NULL ? reply->str : "");
    freeReplyObject(reply);
    return target;
}

void run_until_true(struct event_base *base, bool (*is_true)(void *user), void *user)
{
    int64_t end_us = clock_mono_us() + WAIT_US;

    while (!is_true(user)) {
        struct timeval step = {0, LOOP_STEP_US};
        ck_assert_msg(clock_mono_us() < end_us, "waited in vain");
        event_base_loopexit(base, &step);
        event_base_dispatch(base);
    }
}

static bool is_set(void *user)
{
    return *(const bool *)user;
}

void run_until(struct event_base *base, const bool *condition)
{
    bool *pointer;

    memcpy(&pointer, &condition, sizeof pointer); /* only read */
    run_until_true(base, is_set, pointer);
}

void run_for_ms(struct event_base *base, int64_t wait_ms)
{
    struct timeval wait = {wait_ms / 1000, (wait_ms % 1000) * 1000};

    event_base_loopexit(base, &wait);
    event_base_dispatch(base);
}
