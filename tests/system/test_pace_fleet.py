#!/usr/bin/env python3
"""The real fleet at the limit of conductor-fake: as near as promised, never over it, by the record of the fake."""

import random
import re
import signal
import statistics
import time
import unittest
from threading import Thread

from faults import end_pause, redis_now_ms, set_pause
from harness import World, main, seed, wait_for
from pace_record import (LONG, SEC_US, Use, arrivals, between, end_users, latest_arrivals, limiter_of, median_use,
                         most_in_a_second, most_within, sent, settings_for, stop_fleet, wait_sent)

LEAST_SHARE = 0.99 if LONG else 0.95
MEASURED_SEC = 60 if LONG else 4
RUNS = 3 if LONG else 1
HORIZON_US = 250000


def side_by_side(*stories):
    """Runs stories that load the machine little at once; the first error is told."""
    errors = []

    def tell(story):
        try:
            story()
        except BaseException as error:  # told in the test's own thread
            errors.append(error)

    threads = [Thread(target=tell, args=(story,)) for story in stories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class KnownLimit(unittest.TestCase):
    def run_at(self, limit, rate):
        """Three instances with work enough, at a limiter that allows a second at once."""
        jobs = int(rate * (MEASURED_SEC + 4))
        options = ("--limit", limit, "--rate", str(rate), "--burst", str(rate), "--latency-ms", "40")
        with World(settings=settings_for(rate), fake_options=options) as world:
            world.push(*end_users(2 * jobs))
            for name in ("one", "two", "three"):
                world.daemon(name)
            wait_for(lambda: sent(world) >= jobs, "the measured requests", 60 + 3 * MEASURED_SEC)
            stop_fleet(world)
            return Use(arrivals(world), rate)

    def check(self, limit, rate):
        use = median_use([self.run_at(limit, rate) for _ in range(RUNS)])
        print(f"{limit} of {rate}/s: {use}", flush=True)
        self.assertLess(use.refused, 0.01)
        self.assertGreaterEqual(use.share, LEAST_SHARE)

    def test_the_fleet_uses_a_limit_of_50_a_second(self):
        if LONG:
            self.check("bucket", 50)
            self.check("window", 50)
        else:
            side_by_side(lambda: self.check("bucket", 50), lambda: self.check("window", 50))

    def test_the_fleet_uses_a_bucket_of_400_a_second(self):
        self.check("bucket", 400)

    def test_the_fleet_uses_a_window_of_400_a_second(self):
        self.check("window", 400)


class NoBurst(unittest.TestCase):
    """By the record no second has more than its slots, `burst`, and one that was a little late."""

    RATE = 20

    def check_no_burst(self, found):
        most = most_in_a_second(found)
        print(f"most in a second: {most} at {self.RATE}/s", flush=True)
        self.assertLessEqual(most, self.RATE + 1 + 1)

    def test_nothing_bursts_after_idling(self):
        with World(settings=settings_for(self.RATE)) as world:
            world.daemon("one")
            world.daemon("two")
            world.push("end_usr_first")
            wait_sent(world, 1)
            time.sleep(2)  # idling is the point: 40 slots go by
            world.push(*end_users(60))
            wait_sent(world, 61)
            self.check_no_burst(arrivals(world))

    def test_nothing_bursts_after_a_hold_or_a_lost_connection(self):
        with World(settings=settings_for(self.RATE)) as world:
            world.push(*end_users(300))
            world.daemon("one")
            world.daemon("two")
            wait_sent(world, 10)
            set_pause(world)
            time.sleep(2)  # 40 slots go by
            end_pause(world)
            during = sent(world)
            wait_sent(world, during + 40)
            self.assertGreaterEqual(world.r("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"), 4)
            during = sent(world)
            wait_sent(world, during + 40)
            found = arrivals(world)
            gaps = [after.us - before.us for before, after in zip(found, found[1:])]
            self.assertGreater(max(gaps), SEC_US, "the hold held")
            self.check_no_burst(found)

    def test_a_restart_storm_bursts_not(self):
        rng = random.Random(seed())
        with World(settings=settings_for(self.RATE)) as world:
            world.push(*end_users(1000))
            daemons = [world.daemon(name) for name in ("one", "two", "three")]
            wait_sent(world, 5)
            for number in range(100 if LONG else 21):
                daemon = daemons[number % 3]
                daemon.kill()
                daemon.start()
                time.sleep(rng.uniform(0.1, 0.4))
            during = sent(world)
            wait_sent(world, during + 40)
            self.check_no_burst(arrivals(world))

    def test_half_the_fleet_killed_bursts_not_and_the_rest_uses_the_limit(self):
        with World(settings=settings_for(self.RATE)) as world:
            world.push(*end_users(1000))
            daemons = [world.daemon(name) for name in ("one", "two", "three", "four")]
            wait_sent(world, 40)
            for daemon in daemons[:2]:
                daemon.kill()
            killed = sent(world)
            wait_sent(world, killed + 4 * self.RATE)
            found = arrivals(world)
            self.check_no_burst(found)
            after = Use(found[killed:], self.RATE, SEC_US)  # the slots in the hands of the dead are lost
            print(f"after the kill: {after}", flush=True)
            self.assertGreaterEqual(after.share, 0.9)


class Stall(unittest.TestCase):
    RATE = 200
    STALL_SEC = 0.2
    WINDOW_US = 50000

    def test_what_is_late_after_a_stall_is_spaced(self):
        """Sent at once it were 40 requests in a few ms; spaced it is 16 in any 50 ms. Of five stalls the median counts."""
        with World(settings=settings_for(self.RATE)) as world:
            world.push(*end_users(2000))
            daemon = world.daemon("one")
            wait_sent(world, self.RATE)
            clumps = sorted(self.clump_of_a_stall(world, daemon) for _ in range(5))
            print(f"most within 50 ms after each stall: {clumps}", flush=True)
            self.assertLess(statistics.median(clumps), 25)

    def clump_of_a_stall(self, world, daemon):
        daemon.signal(signal.SIGSTOP)
        before = sent(world)
        time.sleep(self.STALL_SEC)  # the stall is the point
        daemon.signal(signal.SIGCONT)
        wait_sent(world, before + self.RATE)
        return most_within(self.WINDOW_US, arrivals(world)[before:before + self.RATE])


class UnknownLimit(unittest.TestCase):
    RATE = 50

    def best_share(self, world, window_us=3 * SEC_US):
        found = latest_arrivals(world, 10 * self.RATE)
        latest = between(found, found[-1].us - window_us, found[-1].us)
        return sum(arrival.status in (200, 201) for arrival in latest) / self.RATE / (window_us / SEC_US)

    def test_a_limit_that_nobody_told_is_found(self):
        options = ("--rate", str(self.RATE), "--burst", str(self.RATE), "--latency-ms", "40")
        with World(settings=settings_for(0), fake_options=options) as world:
            world.push(*end_users(10000))
            daemon = world.daemon("one")
            world.daemon("two")
            began = wait_for(lambda: arrivals(world), "the first request")[0].us
            wait_for(lambda: self.best_share(world) >= 0.8, "80 % of the limit", 60)
            found_sec = (arrivals(world)[-1].us - began) / SEC_US
            near = wait_for(lambda: self.near_pace(world), "a pace near the limit", 30)
            print(f"found after {found_sec:.0f} s; pace {near}", flush=True)
            self.assertLess(found_sec, 60)
            self.assertRegex(daemon.log_text(), "pace.changed")
            if LONG:
                self.measure_found(world, began)

    def near_pace(self, world):
        pace = float(limiter_of(world)["pace"])
        return pace if 0.8 * self.RATE <= pace <= 1.1 * self.RATE else None

    def measure_found(self, world, began):
        wait_for(lambda: latest_arrivals(world, self.RATE)[-1].us > began + 120 * SEC_US, "a minute after the first", 180)
        use = Use(arrivals(world), self.RATE, 60 * SEC_US)
        print(f"the minute after the first: {use}", flush=True)
        self.assertGreaterEqual(use.share, 0.95)
        self.assertLess(use.refused, 0.02)


class RetryAfter(unittest.TestCase):
    RATE = 40

    def refuse(self, world, user, **headers):
        world.fake.post("faults", [{"endUserId": user, "attemptsUpTo": 1, "status": 429,
                                    "headers": {name.replace("_", "-"): value for name, value in headers.items()}}])

    def run_refusal(self, world, user, jobs=200):
        """Two instances at work; `user` is refused once. The refusal, and every request until all have ended."""
        users = end_users(jobs)
        world.push(*users[:jobs // 4], user, *users[jobs // 4:])
        world.daemon("one")
        world.daemon("two")
        return wait_for(lambda: [arrival for arrival in arrivals(world) if arrival.status == 429], "the 429")[0]

    def test_a_long_one_stands_the_line_still_for_all_instances(self):
        with World(settings=settings_for(self.RATE)) as world:
            self.refuse(world, "end_usr_stop", Retry_After="4")
            refusal = self.run_refusal(world, "end_usr_stop")
            records = wait_for(lambda: world.r("ZRANGE", "authlink:delayed", 0, -1), "the refused job")
            self.assertRegex(records[0].decode(), r"^\d+ 0 0 ", "a 429 is no attempt")
            world.wait_idle()
            found = arrivals(world)
            end_us = refusal.answered_us + 4 * SEC_US
            late = between(found, refusal.answered_us + SEC_US, end_us)
            self.assertEqual([arrival.user for arrival in late], [], "sent while the line stood still")
            in_hand = between(found, refusal.answered_us, end_us)
            self.assertLessEqual(len(in_hand), 2 * self.RATE * HORIZON_US / SEC_US + 2, "more than was in hand")
            self.assertGreater(len(between(found, end_us, found[-1].us)), 50, "the line went on")
            self.check_no_attempt(world, "end_usr_stop", 201)

    def check_no_attempt(self, world, user, jobs):
        stats = world.stats()
        self.assertEqual((stats["throttled"], stats["attempts"], stats["ready"]), (1, jobs, jobs))
        self.assertEqual(world.session(user)["attempts"], "1")
        world.check_law()

    def test_a_short_one_delays_its_own_job_only(self):
        with World(settings=settings_for(self.RATE)) as world:
            self.refuse(world, "end_usr_short", Retry_After="1")
            refusal = self.run_refusal(world, "end_usr_short")
            world.wait_idle()
            found = arrivals(world)
            again = [arrival for arrival in found if arrival.user == "end_usr_short"][1]
            self.assertGreaterEqual(again.us - refusal.answered_us, SEC_US)
            meanwhile = between(found, refusal.answered_us, refusal.answered_us + SEC_US)
            self.assertGreaterEqual(len(meanwhile), self.RATE / 2, "the others waited")
            self.check_no_attempt(world, "end_usr_short", 201)

    def test_an_absurd_one_is_capped_at_ten_minutes(self):
        rows = (
            ("huge", {"Retry_After": "999999999"}),
            ("years", {"Retry_After": "Thu, 01 Jan 2099 00:00:00 GMT"}),
            ("huge_ms", {"retry_after_ms": "999999999999"}),
        )
        side_by_side(*[lambda row=row: self.check_cap(*row) for row in rows])

    def check_cap(self, name, headers):
        with World(settings=settings_for(self.RATE)) as world:
            self.refuse(world, "end_usr_" + name, **headers)
            self.run_refusal(world, "end_usr_" + name, 4)
            wait_for(lambda: world.stats().get("throttled"), "the 429 to be settled")
            ahead_ms = float(limiter_of(world)["nextUs"]) / 1000 - redis_now_ms(world)
            self.assertGreater(ahead_ms, 500000, name)
            self.assertLessEqual(ahead_ms, 601000, name)
            due = world.r("ZRANGE", "authlink:delayed", 0, -1, "WITHSCORES")
            self.assertLessEqual(max(map(float, due[1::2]), default=0) - redis_now_ms(world), 720000, name)

    def test_one_that_says_nothing_stops_nothing(self):
        values = ("-5", "soon", "NaN", "1e300", "0", "Thu, 01 Jan 1970 00:00:00 GMT")
        with World(settings=settings_for(self.RATE)) as world:
            world.fake.post("faults", [{"endUserId": f"end_usr_odd_{at}", "attemptsUpTo": 1, "status": 429,
                                        "headers": {"Retry-After": value}} for at, value in enumerate(values)])
            world.daemon("one")
            for at in range(len(values)):
                world.push(f"end_usr_odd_{at}", *end_users(12, f"end_usr_{at}"))
            world.wait_idle()
            self.assertEqual(world.stats()["ready"], 13 * len(values))
            found = arrivals(world)
            self.assertLess(found[-1].us - found[0].us, 20 * SEC_US, "78 requests at 40/s")


class Order(unittest.TestCase):
    def test_due_retries_and_fresh_jobs_take_turns(self):
        retries, fresh = end_users(20, "end_usr_again"), end_users(20, "end_usr_fresh")
        with World(settings=settings_for(20, retry={"base_delay_ms": 50})) as world:
            world.fake.post("faults", [{"endUserPrefix": "end_usr_again", "attemptsUpTo": 1, "status": 409}])
            set_pause(world)
            world.daemon("one")
            world.daemon("two")
            # refused all at once: no retry may come before the fresh jobs are there
            self.delay(world, retries)
            world.push(*fresh)
            end_pause(world)
            world.wait_idle()
            order = ["again" in arrival.user for arrival in arrivals(world)][:40]
            print("".join("r" if is_retry else "f" for is_retry in order), flush=True)
            for length in range(1, len(order)):
                ahead = 2 * sum(order[:length]) - length
                self.assertLessEqual(abs(ahead), 3, f"after {length} requests")

    def delay(self, world, users):
        """Makes them retries that are due: as settle leaves a job that failed once."""
        now_ms = redis_now_ms(world)
        for number, user in enumerate(users):
            record = f"{number + 1000:016d} 1 0 {now_ms} 0 {user}"
            world.r("ZADD", "authlink:delayed", now_ms - 1000 + number, record)
        world.r("HINCRBY", "authlink:stats", "taken", len(users))


class Concurrency(unittest.TestCase):
    def test_a_slow_api_is_asked_as_much_at_once_as_allowed_and_no_job_goes_back_and_forth(self):
        slow = settings_for(100, conductor={"max_in_flight": 16})
        with World(settings=slow, fake_options=("--latency-ms", "2000")) as world:
            world.push(*end_users(400))
            world.daemon("one")
            wait_sent(world, 60)
            stats = world.fake.get("stats")
            returned = world.stats().get("returned", 0)
            print(f"most at once {stats['maxInFlight']}, returned {returned} of {world.stats()['taken']}", flush=True)
            self.assertLessEqual(stats["maxInFlight"], 16)
            self.assertGreaterEqual(stats["maxInFlight"], 14)
            self.assertLessEqual(returned, 6)


class Differing(unittest.TestCase):
    def test_the_instance_started_last_sets_the_rate_and_the_other_warns_once(self):
        with World(settings=settings_for(50)) as world:
            first = world.daemon("one")
            world.push(*end_users(20, "end_usr_early"))
            wait_sent(world, 20)
            self.assertEqual(float(limiter_of(world)["perSec"]), 50)
            last = world.daemon("two", settings={"rate": {"per_sec": 80.0}})
            wait_for(lambda: float(limiter_of(world)["perSec"]) == 80, "the fleet's new rate")
            for batch in range(4):
                world.push(*end_users(30, f"end_usr_late_{batch}"))
                world.wait_idle()
            wait_for(lambda: "rate.differs" in first.log_text(), "the warning")
            warnings = re.findall(r"rate\.differs.*", first.log_text())
            self.assertEqual(len(warnings), 1, warnings)
            self.assertRegex(warnings[0], r"fleet_per_sec=80\b.*own_per_sec=50\b")
            self.assertNotIn("rate.differs", last.log_text())
            self.assertEqual(float(limiter_of(world)["perSec"]), 80)


if __name__ == "__main__":
    main()
