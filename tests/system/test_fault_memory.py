#!/usr/bin/env python3
"""Memory and descriptors do not grow: not with jobs, not without Redis."""

import os
import signal
import time
import unittest

from faults import LONG, check_law_now, cpu_sec, descriptors, end_users, memory_kb, reconnect, wait_ready
from harness import World, main, wait_for

FIRST = 10000
ALL = 1000000 if LONG else 60000
GROWTH = 1.02
FAST = {"rate": {"per_sec": 50000.0, "burst": 64, "max_per_sec": 50000.0}, "log": {"level": "warn"},
        "results": {"events_keep_hours": 1}}

# Without Redis: the long form takes the times as they are, the short one counts attempts that follow faster.
GONE_SEC = 600
HURRIED = {"AUTHLINKD_TIMING": "reconnect_min=5,reconnect_max=20,command_timeout=500"}
CPU_SHARE = 0.005
CPU_SEC_AN_ATTEMPT = 0.005


class Memory(unittest.TestCase):
    def work(self, world, done, target):
        """Pushes as fast as the daemon works; what has ended is taken out of Redis, which is not what is measured."""
        while done < target:
            count = min(5000, target - done)
            world.push(*(f"end_usr_{number:08d}" for number in range(done, done + count)))
            done += count
            world.wait_idle(120)
            world.r("EVAL", "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do "
                    "redis.call('UNLINK', string.format('authlink:session:end_usr_%08d', i)) end", 0,
                    done - count, done - 1)
            world.r("XTRIM", "authlink:events", "MAXLEN", "0")
        self.wait_tick(world)

    def wait_tick(self, world):
        """Between two writes of its state, five seconds apart, the daemon has come to rest and given memory back."""
        [key] = world.r("KEYS", "authlink:instance:*")
        for _ in range(2):
            before = world.r("PEXPIRETIME", key)
            wait_for(lambda: world.r("PEXPIRETIME", key) != before, "the daemon to write its state")

    def test_they_are_the_same_after_many_jobs(self):
        with World(settings=FAST, fake_options=("--record-max", "1000")) as world:
            process = world.daemon().process
            self.work(world, 0, FIRST)
            open_first, kb_first = descriptors(process), memory_kb(process)
            self.work(world, FIRST, ALL)
            open_last, kb_last = descriptors(process), memory_kb(process)
            print(f"after {FIRST}: {open_first} open, {kb_first} KB; after {ALL}: {open_last} open, {kb_last} KB", flush=True)
            check_law_now(world)
            self.assertEqual(world.stats()["ready"], ALL)
            self.assertLessEqual(open_last, open_first + 2)
            self.assertLessEqual(kb_last, kb_first * GROWTH)


class WithoutRedis(unittest.TestCase):
    def attempts(self):
        return self.daemon.log_text().count("to=connecting")

    def wait_attempts(self, count):
        wanted = self.attempts() + count
        wait_for(lambda: self.attempts() >= wanted, f"{count} attempts to connect")

    def stay(self, attempts):
        """As long as Redis is to be gone. Returns how much CPU time that may cost."""
        if LONG:
            time.sleep(GONE_SEC)
            return CPU_SHARE * GONE_SEC
        self.wait_attempts(attempts)
        return CPU_SEC_AN_ATTEMPT * attempts + 0.1  # it is counted in hundredths

    def check_gone(self, world, take_away, bring_back, attempts):
        users = end_users(2000)
        self.daemon = world.daemon(hooked=not LONG, env={} if LONG else HURRIED)
        process = self.daemon.process
        world.push(*users)
        wait_ready(world, 200)
        take_away()
        wait_for(lambda: world.fake.get("stats")["inFlight"] == 0, "what is under way to end")
        self.wait_attempts(10 if LONG else attempts)  # they take two seconds and more: it has come to rest
        open_first, kb_first, cpu_first = descriptors(process), memory_kb(process), cpu_sec(process)
        before = self.attempts()
        cpu_allowed = self.stay(attempts)
        open_last, kb_last, cpu = descriptors(process), memory_kb(process), cpu_sec(process) - cpu_first
        print(f"{open_first} open, {kb_first} KB; {self.attempts() - before} attempts later: {open_last} open, {kb_last} KB, "
              f"{cpu:.2f} s of CPU", flush=True)
        self.assertLessEqual(open_last, open_first + 2)  # one of each connection may be under way
        self.assertLessEqual(kb_last, kb_first * GROWTH)
        self.assertLessEqual(cpu, cpu_allowed)
        bring_back()
        world.wait_idle()
        self.assertEqual(world.statuses(users), {"ready": len(users)})
        check_law_now(world)

    def world(self):
        return World(redis_options=("--appendonly", "yes"), settings={**FAST, "log": {"level": "debug"}},
                     fake_options=("--latency-ms", "300"))

    def test_they_do_not_grow_while_the_port_of_redis_refuses(self):
        with self.world() as world:
            world.settings["redis"] = {"url": f"redis://127.0.0.1:{world.redis.port}/0"}

            def bring_back():
                world.redis.start()
                reconnect(world)

            self.check_gone(world, world.redis.kill, bring_back, attempts=400)

    def test_they_do_not_grow_while_redis_takes_connections_and_is_silent(self):
        with self.world() as world:
            world.settings["redis"] = {"url": f"redis://127.0.0.1:{world.redis.port}/0"}
            redis = world.redis.process.pid
            self.check_gone(world, lambda: os.kill(redis, signal.SIGSTOP), lambda: os.kill(redis, signal.SIGCONT), attempts=40)


if __name__ == "__main__":
    main()
