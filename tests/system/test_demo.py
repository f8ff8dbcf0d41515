#!/usr/bin/env python3
"""scripts/demo shows links, or says why there are none, and leaves nothing behind."""

import os
import shutil
import subprocess
import tempfile
import unittest

from harness import main

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
DEADLINE_SEC = 240.0  # for a busy machine; the demo itself takes seconds


def processes_in(folder):
    """The command lines of this machine that name the folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                words = file.read()
        except OSError:
            continue  # it has just ended
        if folder in words:
            found.append(words.replace("\0", " "))
    return found


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="authlinkd-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.left = os.path.join(self.folder, "tmp")
        self.programs = os.path.join(self.folder, "bin")
        os.mkdir(self.left)
        os.mkdir(self.programs)

    def demo(self, *words):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CONDUCTOR_")}
        environment.update(TMPDIR=self.left, PATH=self.programs + ":" + environment["PATH"])
        ended = subprocess.run([os.path.join(TOP, "scripts", "demo"), *words], env=environment, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=DEADLINE_SEC, check=False)
        self.assertEqual(os.listdir(self.left), [])
        self.assertEqual(processes_in(self.left), [])
        return ended

    def test_each_end_user_has_a_line_with_its_link(self):
        ended = self.demo("end_usr_one", "end_usr_missing_two", "end_usr_three")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        lines = [line.split() for line in ended.stdout.splitlines()[-3:]]
        self.assertEqual([line[:2] for line in lines],
                         [["end_usr_one", "ready"], ["end_usr_missing_two", "failed"], ["end_usr_three", "ready"]])
        for line in (lines[0], lines[2]):
            self.assertTrue(line[3].startswith("https://connect.conductor.is/"), line)

    def test_a_redis_that_refuses_the_daemon_is_told_and_not_waited_for_in_vain(self):
        server = os.path.join(self.programs, "redis-server")
        with open(server, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nPATH=${PATH#*:} exec redis-server --rename-command EVALSHA '' \"$@\"\n")
        os.chmod(server, 0o755)
        ended = self.demo()
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertIn("redis.refused", ended.stderr)
        self.assertIn("nothing has moved", ended.stderr)


if __name__ == "__main__":
    main()
