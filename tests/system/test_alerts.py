#!/usr/bin/env python3
"""The alerts that the README gives as one-liners: quiet when all is well, loud when it is not."""

import os
import subprocess
import unittest

import harness
from harness import World

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def alerts():
    """What each is for, and its line."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        block = file.read().split("<!-- alerts -->\n```sh\n", 1)[1].split("```", 1)[0]
    return {line.rsplit("  # ", 1)[1]: line for line in block.splitlines()}


class Alerts(unittest.TestCase):
    def setUp(self):
        self.world = World(fake=False)
        self.addCleanup(self.world.close)
        with open(os.path.join(ROOT, "conf", "authlinkd.acl"), encoding="utf-8") as file:
            for line in file:
                if line.startswith("user authlink-monitor "):
                    self.world.r("ACL", "SETUSER", *line.split()[1:])
        self.world.r("ACL", "SETUSER", "authlink-monitor", ">secret")
        programs = os.path.join(self.world.folder, "bin")
        os.mkdir(programs)
        with open(os.path.join(programs, "redis-cli"), "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nPATH=${{PATH#*:}} exec redis-cli -s {self.world.redis.socket_path} --user authlink-monitor --pass secret '
                       '--no-auth-warning "$@"\n')
        os.chmod(file.name, 0o755)
        self.env = {**os.environ, "PATH": programs + ":" + os.environ["PATH"]}

    def ends(self, line):
        done = subprocess.run(["sh", "-c", line], env=self.env, capture_output=True, text=True, check=False, timeout=harness.PATIENCE_SEC)
        self.assertEqual(done.stderr, "")
        self.assertNotIn("NOPERM", done.stdout)
        return done.returncode

    def test_each_alert_is_quiet_when_all_is_well_and_loud_when_it_is_not(self):
        r = self.world.r
        lines = alerts()
        self.assertEqual(len(lines), 6)
        now_ms = int(r("TIME")[0]) * 1000
        r("HSET", "authlink:instance:a@b", "state", "working")
        r("HSET", "authlink:stats", "lastReadyMs", now_ms)
        r("RPUSH", "authlink:queue", "u1")
        for what, line in lines.items():
            self.assertEqual(self.ends(line), 0, what)
        breaks = {
            "no instance runs": ("DEL", "authlink:instance:a@b"),
            "something stops the fleet": ("HSET", "authlink:holds", "pause", "1 0 0 0 - x"),
            "many jobs were given up": ("EVAL", "for i = 1, 100 do redis.call('XADD', 'authlink:dead', '*', 'a', 'b') end", 0),
            "the queue grows": ("EVAL", "for i = 1, 100000 do redis.call('RPUSH', 'authlink:queue', 'u') end", 0),
            "jobs wait, and no link for 5 minutes": ("HSET", "authlink:stats", "lastReadyMs", now_ms - 400_000),
            "Redis is nearly full": ("CONFIG", "SET", "maxmemory", "1mb"),
        }
        self.assertEqual(set(breaks), set(lines))
        for what, command in breaks.items():
            with self.subTest(what=what):
                r(*command)
                self.assertEqual(self.ends(lines[what]), 1)

    def test_jobs_that_wait_without_any_link_ever_are_loud(self):
        self.world.r("RPUSH", "authlink:queue", "u1")
        self.assertEqual(self.ends(alerts()["jobs wait, and no link for 5 minutes"]), 1)


if __name__ == "__main__":
    harness.main()
