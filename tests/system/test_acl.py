#!/usr/bin/env python3
"""The Redis users of conf/authlinkd.acl may do their work, and nothing else."""

import os
import shutil
import subprocess
import unittest

import ctl
from harness import ACL_FILE, RedisError, World, main, wait_for
from test_readme import example

JOBS = 300

MAY = {
    "producer": [("RPUSH", "authlink:queue", "end_usr_p"), ("LPUSH", "authlink:queue", "end_usr_q"), ("PING",)],
    "mailer": [("HGETALL", "authlink:session:end_usr_1"), ("HMGET", "authlink:session:end_usr_1", "authFlowUrl"),
               ("XGROUP", "CREATE", "authlink:events", "mail", "0", "MKSTREAM"),
               ("XREADGROUP", "GROUP", "mail", "one", "COUNT", "1", "STREAMS", "authlink:events", ">"),
               ("XACK", "authlink:events", "mail", "1-1"), ("XPENDING", "authlink:events", "mail"),
               ("PTTL", "authlink:session:end_usr_1")],
    "clicks": [("LPUSH", "authlink:queue", "end_usr_c"), ("EXISTS", "authlink:session:end_usr_1"),
               ("HMGET", "authlink:session:end_usr_1", "status", "authFlowUrl", "expiresAtMs", "updatedAtMs")],
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
    "clicks": [("LRANGE", "authlink:queue", "0", "-1"), ("HSET", "authlink:session:x", "a", "b"), ("DEL", "authlink:session:end_usr_1"),
               ("HGET", "authlink:stats", "ready"), ("LPUSH", "authlink:session:x", "x"), ("XRANGE", "authlink:events", "-", "+")],
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

    def test_the_readme_gives_each_user_a_password(self):
        folder = os.path.join(self.world.folder, "readme")
        os.makedirs(os.path.join(folder, "conf"))
        shutil.copy(ACL_FILE, os.path.join(folder, "conf"))
        subprocess.run(["bash", "-eu", "-c", example("redis-users.sh")], cwd=folder, check=True)
        with open(os.path.join(folder, "users.acl"), encoding="ascii") as file:
            users = file.read()
        self.assertNotIn("change-me", users)
        for line in users.splitlines():
            self.world.r("ACL", "SETUSER", *line.split()[1:])
        for user in ("daemon", "producer", "clicks", "mailer", "operator", "monitor"):
            path = os.path.join(folder, user + ".password")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            with open(path, encoding="ascii") as file:
                password = file.read().strip()
            client = self.world.redis.client()
            self.addCleanup(client.close)
            client("AUTH", f"authlink-{user}", password)
            client("PING")

    def operator_config(self):
        path = os.path.join(self.world.folder, "operator.conf")
        password = os.path.join(self.world.folder, "operator-password")
        with open(password, "w", encoding="ascii") as file:
            file.write("change-me-operator\n")
        os.chmod(password, 0o600)
        with open(path, "w", encoding="ascii") as file:
            file.write('conductor = { publishable_key = "pk_conductor_fake"; };\n'
                       f'redis = {{ url = "redis://authlink-operator@127.0.0.1:{self.world.redis.port}"; '
                       f'password_file = "{password}"; }};\n')
        return path

    def test_doctor_names_the_command_that_gives_a_missing_right(self):
        path = self.operator_config()
        self.world.r("ACL", "SETUSER", "authlink-operator", "-xdel")
        ended = ctl.run(self.world, "doctor", "--config", path, code=None, connect=False)
        self.assertIn("run ACL SETUSER <user> +xdel ~authlink:dead", ended.out)

    def test_the_operator_may_do_what_authlinkctl_does(self):
        self.provision()
        self.world.wait_idle()
        path = self.operator_config()
        for words in (("status",), ("audit",), ("pause", "--for", "1h"), ("resume",), ("resume", "account"),
                      ("show", "end_usr_1"), ("events",), ("export", "--csv"), ("dead", "list"),
                      ("dead", "retry", "--reason", "rejected", "--yes"), ("enqueue", "end_usr_1"), ("enqueue", "--first", "end_usr_2"),
                      ("events", "--group", "ctl"), ("adopt", "--yes"), ("dead", "rm", "--reason", "rejected", "--yes")):
            with self.subTest(words):
                ended = ctl.run(self.world, *words, "--config", path, code=None, connect=False)
                self.assertNotIn("NOPERM", ended.out + ended.err)
                self.assertIn(ended.code, (0, 3), ended.err)


if __name__ == "__main__":
    main()
