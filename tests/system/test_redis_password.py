#!/usr/bin/env python3
"""Passwords of Redis rotate: the file is read again when it is needed, and nothing is lost meanwhile."""

import os
import signal
import unittest

from harness import World, main, wait_for

JOBS = 1200


class Passwords(unittest.TestCase):
    def setUp(self):
        self.world = World(settings={"rate": {"per_sec": 300.0}})
        self.addCleanup(self.world.close)
        self.path = os.path.join(self.world.folder, "redis-password")
        self.users = [f"end_usr_{n}" for n in range(JOBS)]

    def write(self, password):
        """As an administrator does it: the file is there, whole, or not."""
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(password + "\n")
        os.chmod(self.path + ".new", 0o600)
        os.replace(self.path + ".new", self.path)

    def acl(self, *rules):
        self.world.r("ACL", "SETUSER", "worker", *rules)

    def start(self, url=None, password_file=None):
        redis = {"url": url or f"redis://worker@127.0.0.1:{self.world.redis.port}", "password_file": password_file}
        daemon = self.world.daemon(settings={"redis": {k: v for k, v in redis.items() if v is not None}})
        self.world.push(*self.users)
        wait_for(lambda: self.world.stats().get("ready", 0) > 50, "work to begin")
        return daemon

    def cut(self):
        """Every connection but that of the test."""
        self.world.r("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def expect_line(self, daemon, *parts):
        wait_for(lambda: any(all(part in line for part in parts) for line in daemon.log_text().splitlines()), f"a line with {parts}")

    def ready(self):
        return self.world.stats().get("ready", 0)

    def check_done(self, daemon):
        self.world.wait_idle(120)
        self.assertEqual(self.world.statuses(self.users), {"ready": JOBS})
        self.world.check_law()
        for password in ("old-password", "new-password"):
            self.assertFalse(password in daemon.log_text(), "a password stands in the log")
        self.assertEqual(daemon.terminate(), 0)

    def test_with_two_passwords_for_a_while_nothing_stops(self):
        self.acl("on", ">old-password", "~*", "+@all")
        self.write("old-password")
        daemon = self.start(password_file=self.path)
        self.acl(">new-password")
        self.write("new-password")
        daemon.signal(signal.SIGHUP)
        self.acl("<old-password")
        self.cut()
        self.check_done(daemon)
        self.assertFalse("WRONGPASS" in daemon.log_text(), "the old password was tried")

    def test_a_refused_password_is_a_state_that_a_reload_ends_at_once(self):
        self.acl("on", ">old-password", "~*", "+@all")
        self.write("old-password")
        daemon = self.start(password_file=self.path)
        self.acl("<old-password", ">new-password")
        self.cut()
        self.expect_line(daemon, "redis.lost", "WRONGPASS", "correct redis.password_file")
        before = self.ready()
        self.write("new-password")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: self.ready() > before, "work to go on", 20)   # a refused password pauses for 30 s
        self.check_done(daemon)

    def test_a_refused_password_is_read_again_without_a_reload(self):
        self.acl("on", ">old-password", "~*", "+@all")
        self.write("old-password")
        daemon = self.start(password_file=self.path)
        self.acl("<old-password", ">new-password")
        self.cut()
        self.expect_line(daemon, "redis.lost", "WRONGPASS")
        self.write("new-password")
        self.check_done(daemon)

    def test_a_password_that_begins_to_be_wanted_is_told_and_given(self):
        self.world.as_acl_user = False
        daemon = self.start(url=f"redis://127.0.0.1:{self.world.redis.port}")
        self.world.r("CONFIG", "SET", "requirepass", "new-password")
        self.cut()
        self.expect_line(daemon, "redis.lost", "NOAUTH", "set redis.password_file")
        self.write("new-password")
        daemon.write_config(redis={"url": f"redis://127.0.0.1:{self.world.redis.port}", "password_file": self.path})
        daemon.signal(signal.SIGHUP)
        self.world.r("AUTH", "new-password")
        self.check_done(daemon)

    def test_a_file_that_cannot_be_read_for_a_while_is_a_state(self):
        self.acl("on", ">old-password", "~*", "+@all")
        self.write("old-password")
        daemon = self.start(password_file=self.path)
        os.chmod(self.path, 0o666)
        self.cut()
        self.expect_line(daemon, "password.unread", "chmod 640")
        os.chmod(self.path, 0o600)
        self.check_done(daemon)


if __name__ == "__main__":
    main()
