#!/usr/bin/env python3
"""What a job costs in round trips and Redis commands, and what an idle daemon costs: counted, not timed."""

import unittest

from harness import World, main, wait_for

JOBS = 5000
IDLE_SEC = 12

# How the daemon is known from the test's own connection: by what only it sends.
DAEMON_COMMANDS = ("evalsha", "blmove", "script|load", "client|setname", "info")


def calls(world):
    """Calls of each command since the statistics were reset, those of scripts included."""
    counts = {}
    for line in world.r("INFO", "commandstats").decode().split():
        if line.startswith("cmdstat_"):
            name, values = line[len("cmdstat_"):].split(":", 1)
            counts[name] = int(values.split("calls=")[1].split(",")[0])
    return counts


class Costs(unittest.TestCase):
    def test_round_trips_a_job_stay_below_a_twentieth(self):
        settings = {"rate": {"per_sec": 100000.0}, "conductor": {"max_in_flight": 256}, "log": {"level": "notice"}}
        with World(settings=settings, fake_options=("--no-record",)) as world:
            world.push(*[f"end_usr_{n:06d}" for n in range(JOBS)])
            world.r("CONFIG", "RESETSTAT")
            world.daemon()
            wait_for(lambda: world.stats().get("ready", 0) == JOBS, "every link")
            counts = calls(world)
            sent = sum(counts.get(name, 0) for name in DAEMON_COMMANDS)
            print(f"{sent} commands for {JOBS} jobs; in the steps: "
                  + ", ".join(f"{name} {count / JOBS:.2f}" for name, count in sorted(counts.items()) if count > JOBS / 2))
            self.assertLess(sent / JOBS, 0.05)
            # one hash, one expiry, one event a job; the rest is shared by batches
            inside = sum(count for name, count in counts.items() if name not in DAEMON_COMMANDS and name != "rpush")
            self.assertLess(inside / JOBS, 4, counts)

    def test_a_job_that_comes_alone_costs_one_claim_and_one_settle(self):
        alone = 20
        with World(settings={"log": {"level": "notice"}}) as world:
            world.daemon()
            world.push("end_usr_first")
            wait_for(lambda: world.session("end_usr_first"), "the first link")
            world.r("CONFIG", "RESETSTAT")
            for number in range(alone):
                world.push(f"end_usr_{number}")
                wait_for(lambda user=f"end_usr_{number}": world.session(user), "its link")
            counts = calls(world)
            self.assertEqual(counts["rpush"], alone)
            # each claim asks once how long the queue is, each settle keeps its number once
            self.assertLessEqual(counts["llen"], 1.2 * alone, counts)
            self.assertLessEqual(counts["set"], 1.2 * alone, counts)

    def test_an_idle_daemon_sends_at_most_two_commands_a_second(self):
        with World(settings={"log": {"level": "notice"}}) as world:
            world.daemon()
            world.push("end_usr_first")
            wait_for(lambda: world.session("end_usr_first"), "the first link")
            world.r("CONFIG", "RESETSTAT")
            begin, _ = world.r("TIME")
            wait_for(lambda: int(world.r("TIME")[0]) - int(begin) >= IDLE_SEC, "some time to pass")
            counts = calls(world)
            sent = sum(counts.get(name, 0) for name in ("evalsha", "blmove", "hset", "pexpire"))
            self.assertGreater(counts.get("evalsha", 0), 0, "the reaper is not idle")
            self.assertLessEqual(sent, 2 * IDLE_SEC, counts)


if __name__ == "__main__":
    main()
