#!/usr/bin/env python3
"""Headers about the limit on accepted answers: honest ones stop the line before a 429, lies stop it once and shortly."""

import time
import unittest

from harness import World, main, wait_for
from pace_record import SEC_US, arrivals, between, end_users, learned, limiter_of, settings_for

PER_SEC = 40.0


class Honest(unittest.TestCase):
    WINDOW_SEC = 8
    QUOTA = 40

    def windows(self, found):
        """When each window was used up, and the requests after that, by the fake's own record."""
        used_up = {}
        for window in sorted({arrival.us // (self.WINDOW_SEC * SEC_US) for arrival in found}):
            end_us = (window + 1) * self.WINDOW_SEC * SEC_US
            inside = between(found, end_us - self.WINDOW_SEC * SEC_US, end_us)
            accepted = [arrival for arrival in inside if arrival.status in (200, 201)]
            if len(accepted) == self.QUOTA and end_us - accepted[-1].us > 4 * SEC_US:
                used_up[window] = [arrival for arrival in inside if arrival.us > accepted[-1].us]
        return used_up

    def window_is_young(self):
        """Used up in its last two seconds, it would not be worth a stop; 429s would then cut the pace, as they should."""
        return time.monotonic_ns() // 1000 % (self.WINDOW_SEC * SEC_US) < SEC_US

    def test_a_window_that_is_used_up_stops_the_fleet_and_cuts_no_pace(self):
        options = ("--limit", "window", "--window-ms", str(1000 * self.WINDOW_SEC), "--rate-headers", "--latency-ms", "40",
                   "--rate", str(self.QUOTA / self.WINDOW_SEC), "--retry-after", "none")
        with World(settings=settings_for(PER_SEC), fake_options=options) as world:
            world.push(*end_users(1000))
            wait_for(self.window_is_young, "a window of the server's, which has our clock")
            world.daemon("one")
            world.daemon("two")
            wait_for(lambda: learned(world, "claims") >= 1, "a window that is used up", 30)
            limiter = limiter_of(world)
            self.assertEqual(limiter["pace"], limiter["base"])
            self.assertAlmostEqual(float(limiter["pace"]), 0.995 * PER_SEC, places=6)
            wait_for(lambda: len(self.windows(arrivals(world))) >= 2, "two windows that are used up", 60)
            wait_for(lambda: learned(world, "claims") >= 2, "the second claim")
            self.assertEqual(learned(world, "lied_us"), 0)
            after = next(iter(self.windows(arrivals(world)).values()))
            print(f"{len(after)} requests after the first window was used up", flush=True)
            self.assertLess(len(after), self.QUOTA, "what was in hand, and single requests")


class Lies(unittest.TestCase):
    def check_used(self, headers):
        users = end_users(120)
        with World(settings=settings_for(PER_SEC)) as world:
            world.fake.post("faults", [{"endUserPrefix": "end_usr", "status": 200, "body": "real", "headers": headers}])
            world.push(*users)
            world.daemon("one")
            world.wait_idle()
            self.assertEqual(world.stats()["ready"], len(users))
            self.assertGreater(learned(world, "lied_us"), 0)
            found = arrivals(world)
            self.assertLess(found[-1].us - found[0].us, 60 * SEC_US, "three seconds of work and a test")

    def test_a_fleet_that_is_told_that_nothing_is_left_for_an_hour_works_on(self):
        self.check_used({"RateLimit-Remaining": "0", "RateLimit-Reset": "3600"})

    def test_an_instant_in_the_year_2100_is_no_better(self):
        self.check_used({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"})

    def test_nor_is_one_line(self):
        self.check_used({"RateLimit": '"default";r=0;t=3600'})


class Nonsense(unittest.TestCase):
    def test_headers_that_say_nothing_stop_nothing(self):
        rows = (
            {"RateLimit-Remaining": "0", "RateLimit-Reset": "2"},
            {"RateLimit-Remaining": "0", "RateLimit-Reset": "-5"},
            {"RateLimit-Remaining": "0", "RateLimit-Reset": "1e9"},
            {"RateLimit-Remaining": "0, 0", "RateLimit-Reset": "60"},
            {"RateLimit-Remaining": "none", "RateLimit-Reset": "60"},
            {"RateLimit-Reset": "60"},
            {"RateLimit": '"default";r=1;t=60'},
            {"RateLimit": ';;=,r=0;'},
        )
        with World(settings=settings_for(PER_SEC)) as world:
            world.fake.post("faults", [{"endUserPrefix": f"end_usr_{at}", "status": 200, "body": "real", "headers": row}
                                       for at, row in enumerate(rows)])
            world.daemon("one")
            for at in range(len(rows)):
                world.push(*end_users(10, f"end_usr_{at}"))
            world.wait_idle()
            self.assertEqual(world.stats()["ready"], 10 * len(rows))
            self.assertEqual((learned(world, "claims"), learned(world, "lied_us")), (0, 0))


if __name__ == "__main__":
    main()
