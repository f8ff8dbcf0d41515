#!/usr/bin/env python3
"""Memory and descriptors do not grow: not with jobs, not without Redis."""

import time
import unittest

from faults import LONG, check_law_now, cpu_sec, descriptors, end_users, memory_kb, wait_ready
from harness import World, main, wait_for

FIRST = 10000 if LONG else 2000
ALL = 1000000 if LONG else 20000
GONE_SEC = 600 if LONG else 5
SETTINGS = {"rate": {"per_sec": 50000.0, "burst": 64, "max_per_sec": 50000.0}, "log": {"level": "warn"},
            "results": {"events_keep_hours": 1}}


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
        return done

    def test_they_are_the_same_after_many_jobs(self):
        with World(settings=SETTINGS, fake_options=("--record-max", "1000")) as world:
            daemon = world.daemon()
            done = self.work(world, 0, FIRST)
            open_first, kb_first = descriptors(daemon.process), memory_kb(daemon.process)
            self.work(world, done, ALL)
            open_last, kb_last = descriptors(daemon.process), memory_kb(daemon.process)
            print(f"after {FIRST}: {open_first} open, {kb_first} KB; after {ALL}: {open_last} open, {kb_last} KB", flush=True)
            check_law_now(world)
            self.assertEqual(world.stats()["ready"], ALL)
            self.assertLessEqual(open_last, open_first + 2)
            # the short form sees the pools fill up, the long one must not
            self.assertLessEqual(kb_last, kb_first * 1.02 if LONG else kb_first * 1.50)

    def test_they_do_not_grow_while_redis_is_gone(self):
        users = end_users(2000)
        with World(redis_options=("--appendonly", "yes"), settings=SETTINGS,
                   fake_options=("--latency-ms", "300")) as world:
            daemon = world.daemon()
            world.push(*users)
            wait_ready(world, 200)
            world.redis.kill()
            wait_for(lambda: "redis.lost" in daemon.log_text(), "the daemon to notice")
            time.sleep(1)
            open_first, kb_first, cpu_first = descriptors(daemon.process), memory_kb(daemon.process), cpu_sec(daemon.process)
            time.sleep(GONE_SEC)
            self.assertLessEqual(descriptors(daemon.process), open_first + 2)
            self.assertLessEqual(memory_kb(daemon.process), kb_first * 1.02 + 64)
            self.assertLessEqual(cpu_sec(daemon.process) - cpu_first, 0.05 * GONE_SEC + 0.1)
            world.redis.start()
            world.r.close()
            world.r = world.redis.client()
            world.wait_idle()
            self.assertEqual(world.statuses(users), {"ready": len(users)})
            check_law_now(world)


if __name__ == "__main__":
    main()
