#!/usr/bin/env python3
"""TERM and HUP under load: nothing is left behind, nothing is lost, a wrong file changes nothing."""

import random
import signal
import time
import unittest

from faults import (LONG, check_all_ready, check_law_now, check_one_session_each, end_users, wait_in_flight, wait_ready)
from harness import World, main, seed, wait_for

SETTINGS = {"rate": {"per_sec": 500.0}, "log": {"level": "notice"}}
TERMS = 200 if LONG else 20
RELOADS = 1000 if LONG else 50


def has_leases(world, daemon):
    names = world.r("ZRANGE", "authlink:leases", 0, -1)
    return any(name.startswith(daemon.instance_name.encode() + b"@") for name in names)


class Shutdown(unittest.TestCase):
    def test_terminate_under_load_leaves_no_lease_and_counts_nothing_unsent(self):
        rng = random.Random(seed())
        users = end_users(TERMS * 60)
        with World(settings=SETTINGS, fake_options=("--latency-ms", "40", "--latency-sigma", "0.7")) as world:
            daemon = world.daemon()
            world.push(*users)
            for _ in range(TERMS):
                wait_in_flight(world)
                time.sleep(rng.uniform(0, 0.1))
                began = time.monotonic()
                self.assertEqual(daemon.terminate(), 0)
                took_sec = time.monotonic() - began
                self.assertFalse(has_leases(world, daemon), "a lease was left behind")
                stats = world.stats()
                self.assertEqual(stats["attempts"], world.fake.get("stats")["requests"], "counted what was not sent")
                self.assertEqual(stats["ready"], world.fake.get("stats")["created"], "an answer was lost")
                if LONG:  # the youngest request's deadline is 30 s away, its answer 40 ms
                    self.assertLess(took_sec, 2.0)
                check_law_now(world)
                if world.backlog() == (0, 0, 0, 0):
                    world.push(*(f"{user}_more" for user in users[:200]))
                daemon.start()
            world.wait_idle()
            check_all_ready(world, users)
            check_one_session_each(world, users)

    def test_it_waits_for_its_requests_but_not_beyond_their_deadline(self):
        users = end_users(10)
        with World(settings={**SETTINGS, "conductor": {"request_timeout_ms": 1500}}) as world:
            world.fake.post("faults", {"drop": "stall"})
            daemon = world.daemon()
            world.push(*users)
            wait_in_flight(world, len(users))
            began = time.monotonic()
            self.assertEqual(daemon.terminate(), 0)
            took_sec = time.monotonic() - began
            if LONG:
                self.assertLess(took_sec, 1.5 + 2.0)
            self.assertFalse(has_leases(world, daemon))
            self.assertEqual(world.backlog()[1], len(users), "they wait for their next attempt")
            check_law_now(world)

    def test_a_second_signal_ends_it_at_once(self):
        users = end_users(10)
        for number in (signal.SIGTERM, signal.SIGINT):
            with World(settings=SETTINGS) as world:
                world.fake.post("faults", {"drop": "stall"})  # for the 30 s of the time-out
                daemon = world.daemon()
                world.push(*users)
                wait_in_flight(world, len(users))
                daemon.signal(number)
                wait_for(lambda: "daemon.stopping" in daemon.log_text(), "the drain to begin")
                began = time.monotonic()
                daemon.signal(number)
                daemon.process.wait(20)
                if LONG:
                    self.assertLess(time.monotonic() - began, 1.0)
                # what it left is found by its next process, nothing is lost
                world.fake.post("faults", [])
                daemon.start()
                world.wait_idle()
                check_all_ready(world, users)
                check_law_now(world)

    def test_without_redis_it_ends_all_the_same(self):
        users = end_users(10)
        with World(redis_options=("--appendonly", "yes"), settings=SETTINGS,
                   fake_options=("--latency-ms", "200")) as world:
            daemon = world.daemon()
            world.push(*users)
            wait_in_flight(world, len(users))
            world.redis.kill()
            daemon.process.terminate()
            self.assertIn(daemon.process.wait(50), (0, 1))
            world.redis.start()
            world.r.close()
            world.r = world.redis.client()
            daemon.start()
            world.wait_idle()
            check_all_ready(world, users)
            check_law_now(world)


class Reload(unittest.TestCase):
    def test_reloads_under_load_lose_nothing(self):
        rng = random.Random(seed())
        users = end_users(RELOADS * 20)
        with World(settings=SETTINGS, fake_options=("--latency-ms", "20")) as world:
            daemon = world.daemon()
            world.push(*users)
            wait_ready(world, 10)
            for number in range(RELOADS):
                daemon.write_config(conductor={"max_in_flight": rng.randint(8, 64)}, rate={"per_sec": 500.0},
                                    retry={"max_attempts": rng.randint(3, 20)})
                daemon.signal(signal.SIGHUP)
                wait_for(lambda number=number: daemon.log_text().count("config.reloaded") > number, "the reload")
            world.wait_idle(120)
            check_law_now(world)
            check_all_ready(world, users)
            check_one_session_each(world, users)
            self.assertEqual(world.dead(), [])
            self.assertEqual(daemon.terminate(), 0)

    def test_a_wrong_file_changes_nothing_and_is_told(self):
        users = end_users(400)
        with World(settings=SETTINGS, fake_options=("--latency-ms", "20")) as world:
            daemon = world.daemon()
            world.push(*users)
            wait_ready(world, 10)
            wrong = ("rate = { per_sec = -1.0; };", "what = 1;", "conductor = { publishable_key = 7; };", "rate = {")
            for number, text in enumerate(wrong):
                with open(daemon.config_path, "w", encoding="ascii") as file:
                    file.write(text + "\n")
                daemon.signal(signal.SIGHUP)
                wait_for(lambda number=number: daemon.log_text().count("config.kept") == number + 1, f"a word on {text}")
                self.assertNotIn("\\u000a\"", daemon.log_text(), "a value ends with a line end")
            self.assertIn(daemon.config_path + ":1", daemon.log_text())
            world.wait_idle()
            check_all_ready(world, users)
            check_one_session_each(world, users)
            check_law_now(world)

    def test_a_key_file_that_is_gone_or_foreign_keeps_the_key(self):
        users = end_users(20)
        with World(settings=SETTINGS) as world:
            daemon = world.daemon()
            world.push(*users[:10])
            world.wait_idle()
            daemon.write_key("pk_conductor_fake")
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: "config.kept" in daemon.log_text(), "a word on the key")
            world.push(*users[10:])
            world.wait_idle()
            check_all_ready(world, users)


if __name__ == "__main__":
    main()
