/* support_server.c - a Redis of the test's own, on a unix socket in a temporary directory. */
#include "support_server.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES 1000 /* of 10 ms */

static void give_up(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void become_server(const struct server *server, pid_t parent)
{
    const char *program = getenv("AUTHLINKD_TEST_SERVER");

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(EXIT_FAILURE);
    if (program == NULL)
        program = "redis-server";
    execlp(program, program, "--port", "0", "--unixsocket", server->socket, "--dir", server->dir,
           "--save", "", "--appendonly", "no", "--enable-debug-command", "yes", "--loglevel",
           "warning", "--logfile", "server.log", (char *)NULL);
    _exit(EXIT_FAILURE);
}

static void wait_until_it_answers(const struct server *server)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    for (int i = 0; i < START_TRIES; i++) {
        redisContext *redis = redisConnectUnix(server->socket);
        const char *argv[] = {"PING"};
        redisReply *reply =
            redis != NULL && redis->err == 0 ? redisCommandArgv(redis, 1, argv, NULL) : NULL;
        bool is_up = reply != NULL && reply->type == REDIS_REPLY_STATUS;

        if (reply != NULL)
            freeReplyObject(reply);
        if (redis != NULL)
            redisFree(redis);
        if (is_up)
            return;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
            break;
        nanosleep(&pause, NULL);
    }
    give_up("the server does not answer");
}

void server_make_dir(struct server *server)
{
    snprintf(server->dir, sizeof server->dir, "/tmp/authlinkd-test-XXXXXX");
    if (mkdtemp(server->dir) == NULL)
        give_up(server->dir);
    snprintf(server->socket, sizeof server->socket, "%s/redis", server->dir);
}

void server_remove_dir(const struct server *server)
{
    static const char *const left[] = {"redis", "dump.rdb", "server.log"};

    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        char path[sizeof server->dir + 16];
        snprintf(path, sizeof path, "%s/%s", server->dir, left[i]);
        unlink(path);
    }
    rmdir(server->dir);
}

void server_start(struct server *server)
{
    pid_t parent = getpid();

    server->pid = fork();
    if (server->pid < 0)
        give_up("fork");
    if (server->pid == 0)
        become_server(server, parent);
    wait_until_it_answers(server);
}

void server_stop(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    unlink(server->socket);
}

void server_crash(struct server *server)
{
    server_stop(server);
    server_start(server);
}

redisContext *server_connect(const struct server *server)
{
    redisContext *redis = redisConnectUnix(server->socket);

    if (redis == NULL || redis->err != 0)
        give_up("connect");
    return redis;
}
