#!/usr/bin/env python3
"""kill -9, again and again, of two daemons on one queue: nothing is lost, and nothing doubled beyond what was in flight."""

import random
import subprocess
import threading
import time
import unittest

from faults import LONG, check_all_ready, check_law_now, check_one_session_each, end_users, extra_sessions, wait_ready
from harness import World, main, seed, wait_for

KILLS = 1000 if LONG else 100
JOBS = 20000 if LONG else 2000
IN_FLIGHT = 16
POINTS = ("claim.sent", "claim.received", "request.sent", "answer.received", "settle.sent", "settle.received",
          "reap.sent")

SETTINGS = {"rate": {"per_sec": 2000.0}, "conductor": {"max_in_flight": IN_FLIGHT}, "log": {"level": "info"}}
FAKE_OPTIONS = ("--latency-ms", "15", "--latency-sigma", "0.5")


class Victim:
    """One instance that is killed and started until told to stop; counts how it died."""

    def __init__(self, world, instance, rng, kills):
        self.daemon = world.daemon(instance, hooked=True, start=False)
        self.rng = rng
        self.kills = kills
        self.deaths = {point: 0 for point in POINTS}
        self.deaths["any moment"] = 0
        self.thread = threading.Thread(target=self.run)
        self.error = None
        self.thread.start()

    def run(self):
        try:
            for number in range(self.kills):
                self.live(POINTS[number // 2 % len(POINTS)] if number % 2 else None)
        except Exception as error:  # told in the test's own thread
            self.error = error

    def live(self, point):
        self.daemon.env.pop("AUTHLINKD_CRASH_AT", None)
        if point:
            nth = self.rng.randint(1, 2 if point.startswith(("reap", "settle")) else 12)
            self.daemon.env["AUTHLINKD_CRASH_AT"] = f"{point}:{nth}"
        self.daemon.start()
        try:
            code = self.daemon.process.wait(0.5 if point else self.rng.uniform(0.02, 0.4))
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.deaths["any moment"] += 1
            return
        if code != -9 or not point:
            raise AssertionError(f"it ended by itself, exit status {code}:\n{self.daemon.log_text()[-2000:]}")
        self.deaths[point] += 1

    def end(self):
        self.thread.join()
        self.daemon.env.pop("AUTHLINKD_CRASH_AT", None)
        if self.error:
            raise self.error


class Kill(unittest.TestCase):
    def feed(self, world, users, victims, rng):
        """Pushes jobs for as long as the killing goes on, now many, now few, some users twice."""
        share = max(1, len(users) * 2 // KILLS)
        done = 0
        while any(victim.thread.is_alive() for victim in victims) or done < len(users):
            count = rng.randint(0, 2 * share)
            part = users[done:done + count]
            done += len(part)
            if part:
                world.push(*part, *rng.sample(part, len(part) // 10))
            check_law_now(world)
            time.sleep(0.1 if any(victim.thread.is_alive() for victim in victims) else 0)

    def test_every_job_ends_once_however_often_its_daemons_are_killed(self):
        rng = random.Random(seed())
        users = end_users(JOBS)
        with World(settings=SETTINGS, fake_options=FAKE_OPTIONS) as world:
            victims = [Victim(world, name, random.Random(rng.random()), KILLS // 2) for name in ("one", "two")]
            self.feed(world, users, victims, rng)
            for victim in victims:
                victim.end()
            deaths = {cause: sum(victim.deaths[cause] for victim in victims) for cause in victims[0].deaths}
            print("deaths:", deaths, flush=True)
            for victim in victims:
                victim.daemon.start()
            world.wait_idle(180)
            check_law_now(world)
            check_all_ready(world, users)
            self.assertEqual(world.dead(), [], "a job was given up that was only unlucky")
            doubled = extra_sessions(world)
            print(f"sessions beyond one: {sum(doubled.values())} after {KILLS} kills", flush=True)
            self.assertEqual(sum(deaths.values()), KILLS)
            missed = [point for point in POINTS if deaths[point] == 0]
            self.assertLessEqual(len(missed), 0 if LONG else 2, f"points never reached: {missed}")
            self.assertLessEqual(sum(doubled.values()), KILLS * IN_FLIGHT)

    def end_softly(self, daemon, starts):
        """Its end by SIGTERM and its next start; before the `starts`th it does not listen to signals yet."""
        wait_for(lambda: daemon.log_text().count("daemon.started") == starts, "the daemon to be there")
        self.assertEqual(daemon.terminate(), 0)
        daemon.start()

    def test_without_a_crash_nothing_is_doubled(self):
        users = end_users(JOBS // 2)
        with World(settings=SETTINGS, fake_options=FAKE_OPTIONS) as world:
            daemons = [world.daemon(name) for name in ("one", "two")]
            world.push(*users, *users[::7])
            for round_number in range(1, 6):
                wait_ready(world, round_number * len(users) // 10)
                self.end_softly(daemons[round_number % 2], starts=(round_number + 1) // 2)
            world.wait_idle()
            check_law_now(world)
            check_all_ready(world, users)
            check_one_session_each(world, users)
            self.assertEqual(world.stats().get("fenced", 0), 0)


if __name__ == "__main__":
    main()
