#!/usr/bin/env python3
"""scripts/bench judges what it measured as it says; shown with figures that were made up, for measuring takes half an hour."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from harness import main

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench")
sys.path.append(BENCH)

from bars import BARS  # noqa: E402

MACHINE = ("processor", "cores", "memoryGb", "system", "kernel", "authlinkd", "libraries", "redis", "nginx", "node", "bullmq",
           "conductor-node", "undici", "sidekiq", "celery")


def made_up(**changed):
    """A run in which every bar is just met, but for what is changed."""
    values = {bar.name: 1.0 if bar.limit is None else float(bar.limit) for bar in BARS}
    values.update(changed)
    return {"mode": "full", "began": "2026-01-01 00:00 UTC", "tookSec": 1, "loadBefore": 0,
            "machine": {name: name for name in MACHINE}, "series": {"tls": [{"way": "plain", "jobsPerSec": 1.0, "cpuUs": 2.0}]},
            "figures": {name: {"value": value, "runs": [value, value]} for name, value in values.items()},
            "peers": {"one": {"words": "A peer", "concurrency": 8, "jobs_per_sec": 1234.0, "cpu_us": 400.0}}, "errors": []}


def judge(data):
    """(exit status, what scripts/bench says of this run)"""
    with tempfile.TemporaryDirectory(prefix="authlinkd-test-") as folder:
        path = os.path.join(folder, "bench.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(data, file)
        run = subprocess.run([os.path.join(BENCH, "..", "..", "scripts", "bench"), "--from", path], capture_output=True,
                             text=True, timeout=60, check=False)
    return run.returncode, run.stdout + run.stderr


class Judgement(unittest.TestCase):
    def test_with_every_bar_met_it_ends_with_0(self):
        status, said = judge(made_up())
        self.assertEqual((status, "MISSED" in said), (0, False), said)
        self.assertIn("every bar is met", said)
        self.assertRegex(said, r"A peer \(8\)")
        self.assertIn("1,234", said)

    def test_each_bar_that_is_missed_ends_it_with_1_and_is_named(self):
        for bar in BARS:
            if bar.limit is None:
                continue
            with self.subTest(bar.name):
                beyond = bar.limit * (0.99 if bar.is_least else 1.01) if bar.limit else 1.0
                status, said = judge(made_up(**{bar.name: beyond}))
                self.assertEqual(status, 1, said)
                self.assertEqual(len(re.findall("MISSED", said)), 1, said)
                self.assertIn(bar.words, said.split("not met:")[1])

    def test_what_could_not_be_measured_is_no_bar_that_is_met(self):
        data = made_up()
        data["errors"].append({"group": "crash", "error": "red"})
        status, said = judge(data)
        self.assertEqual(status, 1, said)
        self.assertIn("crash: red", said.split("not met:")[1])

    def test_no_two_bars_have_one_name(self):
        names = [bar.name for bar in BARS]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    main()
