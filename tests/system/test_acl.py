#!/usr/bin/env python3
"""The Redis users of conf/authlinkd.acl may do their work, and nothing else."""

import os
import unittest

from harness import ACL_FILE, RedisError, World, main, wait_for

JOBS = 300

MAY = {
    "producer": [("RPUSH", "authlink:queue", "end_usr_p"), ("LPUSH", "authlink:queue", "end_usr_q"), ("PING",)],
    "mailer": [("HGETALL", "authlink:session:end_usr_1"), ("HMGET", "authlink:session:end_usr_1", "authFlowUrl"),
               ("XGROUP", "CREATE", "authlink:events", "mail", "0", "MKSTREAM"),
               ("XREADGROUP", "GROUP", "mail", "one", "COUNT", "1", "STREAMS", "authlink:events", ">"),
               ("XACK", "authlink:events", "mail", "1-1"), ("XPENDING", "authlink:events", "mail"),
               ("PTTL", "authlink:session:end_usr_1")],
    "monitor": [("HGETALL", "authlink:stats"), ("HGETALL", "authlink:holds"), ("HGETALL", "authlink:limiter"),
                ("LLEN", "authlink:queue"), ("ZCARD", "authlink:delayed"), ("XLEN", "authlink:dead"),
                ("HGETALL", "authlink:instance:x"), ("SCAN", "0", "MATCH", "authlink:instance:*")],
    "operator": [("LPUSH", "authlink:queue", "end_usr_o"), ("HGETALL", "authlink:session:end_usr_1"),
                 ("XRANGE", "authlink:dead", "-", "+"), ("HGETALL", "authlink:stats"), ("INFO",),
                 ("XREAD", "COUNT", "1", "STREAMS", "authlink:events", "0")],
}

EVERYBODY_MUST_NOT = [("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("GET", "other:key"), ("SET", "other:key", "1"),
                      ("ACL", "LIST"), ("SHUTDOWN", "NOSAVE"), ("EVAL", "return 1", "0"), ("MONITOR",),
                      ("REPLICAOF", "NO", "ONE"), ("SUBSCRIBE", "x"), ("PUBLISH", "x", "y")]

MUST_NOT = {
    "daemon": [("RPUSH", "authlink:queue", "x"), ("XDEL", "authlink:dead", "1-1"), ("LPOP", "authlink:queue")],
    "producer": [("LRANGE", "authlink:queue", "0", "-1"), ("LPOP", "authlink:queue"), ("LLEN", "authlink:queue"),
                 ("HGETALL", "authlink:session:end_usr_1"), ("RPUSH", "authlink:delayed", "x"), ("DEL", "authlink:queue"),
                 ("XREAD", "COUNT", "1", "STREAMS", "authlink:events", "0"), ("HGETALL", "authlink:stats")],
    "mailer": [("HSET", "authlink:session:end_usr_1", "status", "x"), ("DEL", "authlink:session:end_usr_1"),
               ("RPUSH", "authlink:queue", "x"), ("XADD", "authlink:events", "*", "a", "b"), ("HGETALL", "authlink:stats"),
               ("XRANGE", "authlink:dead", "-", "+"), ("SCAN", "0"), ("XDEL", "authlink:events", "1-1")],
    "monitor": [("HGETALL", "authlink:session:end_usr_1"), ("HGET", "authlink:session:end_usr_1", "authFlowUrl"),
                ("HGETALL", "authlink:lease:x"), ("LRANGE", "authlink:queue", "0", "-1"), ("XRANGE", "authlink:dead", "-", "+"),
                ("RPUSH", "authlink:queue", "x"), ("HSET", "authlink:stats", "ready", "1"), ("DEL", "authlink:stats")],
    "operator": [("LPOP", "authlink:queue"), ("LTRIM", "authlink:queue", "1", "0"), ("SET", "authlink:x", "1")],
}


class Users(unittest.TestCase):
    def setUp(self):
        self.world = World(redis_options=("--aclfile", ACL_FILE))
        self.addCleanup(self.world.close)

    def client_of(self, user):
        client = self.world.redis.client()
        self.addCleanup(client.close)
        client("AUTH", f"authlink-{user}", f"change-me-{user}")
        return client

    def provision(self, **settings):
        world = self.world
        password_path = os.path.join(world.folder, "redis-password")
        with open(password_path, "w", encoding="ascii") as file:
            file.write("change-me-daemon\n")
        os.chmod(password_path, 0o600)
        redis = {"url": f"redis://authlink-daemon@127.0.0.1:{world.redis.port}/0", "password_file": password_path}
        daemon = world.daemon(settings={"redis": redis, **settings})
        producer = self.client_of("producer")
        users = [f"end_usr_{n}" for n in range(JOBS)]
        producer("RPUSH", "authlink:queue", *users, *users[:20], "not a job", '{"endUserId":"end_usr_missing_1"}')
        return daemon, users

    def test_the_main_job_runs_under_these_users(self):
        daemon, users = self.provision()
        self.world.wait_idle()
        self.assertEqual(self.world.statuses(users), {"ready": JOBS})
        self.world.check_law()
        self.assertNotIn("NOPERM", daemon.log_text())
        mailer = self.client_of("mailer")
        self.assertTrue(mailer("HGET", "authlink:session:end_usr_1", "authFlowUrl").startswith(b"https://"))
        self.assertEqual(daemon.terminate(), 0)
        self.assertNotIn("NOPERM", daemon.log_text())

    def test_each_user_may_do_its_work(self):
        self.provision()
        self.world.wait_idle()
        for user, commands in MAY.items():
            client = self.client_of(user)
            for command in commands:
                with self.subTest(user=user, command=command):
                    client(*command)

    def test_nobody_may_do_more(self):
        for user, commands in MUST_NOT.items():
            client = self.client_of(user)
            for command in commands + EVERYBODY_MUST_NOT:
                with self.subTest(user=user, command=command):
                    with self.assertRaises(RedisError) as caught:
                        client(*command)
                    self.assertTrue(str(caught.exception).startswith("NOPERM"), caught.exception)

    def test_missing_rights_are_a_state_that_says_what_to_do_and_mends(self):
        self.world.r("ACL", "SETUSER", "authlink-daemon", "-hincrby")
        daemon, users = self.provision()
        wait_for(lambda: "NOPERM" in daemon.log_text(), "the daemon to say what it lacks")
        self.assertIn("conf/authlinkd.acl", daemon.log_text())
        self.world.r("ACL", "SETUSER", "authlink-daemon", "+hincrby")
        self.world.wait_idle()
        self.assertEqual(self.world.statuses(users), {"ready": JOBS})


if __name__ == "__main__":
    main()
