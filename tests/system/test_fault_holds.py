#!/usr/bin/env python3
"""Holds: the whole fleet stops for a cause, jobs unharmed, and goes on by that cause alone."""

import signal
import unittest

import ctl
from faults import (check_all_ready, check_law_now, check_one_session_each, end_pause, end_users, redis_now_ms,
                    set_pause, wait_ready)
from harness import PUBLISHABLE_KEY, SECRET_KEY, World, main, wait_for

SETTINGS = {"rate": {"per_sec": 100.0}, "log": {"level": "debug"}}
QUICK = {"AUTHLINKD_TIMING": "hold_backoff_min=200,hold_backoff_max=800,outage_quiet=200"}
OTHER_KEY = "sk_conductor_other"


def hold(world, kind):
    """The fields of a hold of this kind: since, until, next, back-off, probe; None: there is none."""
    flat = world.r("HGETALL", "authlink:holds")
    for cause, value in zip(flat[::2], flat[1::2]):
        if cause.decode().split(":")[0] == kind:
            return value.decode().split(" ", 5)
    return None


def requests(world, key=None):
    recorded = world.fake.get("requests?limit=100000")["requests"]
    return [request for request in recorded if key is None or key in str(request)]


class Holds(unittest.TestCase):
    def test_one_revoked_key_of_two_stops_those_who_bear_it(self):
        users = end_users(1100)
        with World(settings=SETTINGS) as world:
            world.fake.post("keys", {"add": [{"secretKey": OTHER_KEY, "publishableKey": PUBLISHABLE_KEY}]})
            daemons = [world.daemon(name, hooked=True, env=QUICK, start=False) for name in ("one", "two", "three")]
            daemons[2].write_key(OTHER_KEY)
            for daemon in daemons:
                daemon.start()
            world.push(*users[:50])
            world.wait_idle()
            world.fake.post("keys", {"revoke": [SECRET_KEY]})
            pushed = 50
            # The third may be quicker than both for a while, and who claims nothing learns of no hold.
            while not all("hold.began hold=account" in daemon.log_text() for daemon in daemons[:2]):
                self.assertLess(pushed, 1000, "one of the two goes on, or does not say what to do")
                world.push(*users[pushed:pushed + 50])
                pushed += 50
                world.wait_idle()  # the third goes on
            self.assertIsNotNone(hold(world, "account"))
            check_all_ready(world, users[:pushed])
            refused = world.fake.get("stats")["byStatus"].get("401", 0)
            self.assertLessEqual(refused, 40, "the fleet went on asking with a revoked key")
            self.assertNotIn("hold.began hold=account", daemons[2].log_text())
            # another key by SIGHUP: no probe is needed, the hold was the other key's
            for daemon in daemons[:2]:
                daemon.write_key(OTHER_KEY)
                daemon.signal(signal.SIGHUP)
            wait_for(lambda: hold(world, "account") is None, "the end of the hold: nobody bears that key any more")
            daemons[2].terminate()
            world.push(*users[pushed:pushed + 50])
            world.wait_idle()
            check_all_ready(world, users[:pushed + 50])
            check_one_session_each(world, users[:pushed + 50])
            check_law_now(world)
            self.assertEqual(world.dead(), [])

    def test_a_key_that_is_valid_again_is_found_by_one_probe_at_a_time(self):
        users = end_users(60)
        with World(settings=SETTINGS) as world:
            daemons = [world.daemon(name, hooked=True, env=QUICK) for name in ("one", "two", "three")]
            world.push(*users[:10])
            world.wait_idle()
            world.fake.post("keys", {"revoke": [SECRET_KEY]})
            world.push(*users[10:])
            wait_for(lambda: hold(world, "account"), "the hold")
            wait_for(lambda: world.backlog()[2:] == (0, 0) or hold(world, "account")[4] != "-", "jobs to be given back")
            before = world.fake.get("stats")["requests"]
            wait_for(lambda: world.fake.get("stats")["requests"] >= before + 4, "probes")
            self.assertLessEqual(world.fake.get("stats")["inFlight"], 1)
            self.assertEqual(world.stats()["attempts"], 10, "a refused key is an attempt of no job")
            world.fake.post("keys", {"add": [{"secretKey": SECRET_KEY, "publishableKey": PUBLISHABLE_KEY}]})
            world.wait_idle()
            check_all_ready(world, users)
            check_one_session_each(world, users)
            check_law_now(world)
            self.assertIsNone(hold(world, "account"))
            for daemon in daemons:
                self.assertLessEqual(daemon.log_text().count("hold.began hold=account"), 1)

    def test_a_pause_outlives_a_key_that_is_mended(self):
        users = end_users(40)
        with World(settings=SETTINGS) as world:
            world.daemon(hooked=True, env=QUICK)
            world.push(*users[:10])
            world.wait_idle()
            world.fake.post("keys", {"revoke": [SECRET_KEY]})
            world.push(*users[10:])
            wait_for(lambda: hold(world, "account"), "the hold")
            set_pause(world)
            wait_for(lambda: world.backlog()[2:] == (0, 0), "everything to be given back")
            world.fake.post("keys", {"add": [{"secretKey": SECRET_KEY, "publishableKey": PUBLISHABLE_KEY}]})
            before = world.fake.get("stats")["requests"]
            now_ms = redis_now_ms(world)
            wait_for(lambda: redis_now_ms(world) > now_ms + 2000, "two seconds of the pause")
            self.assertEqual(world.fake.get("stats")["requests"], before, "a request during a pause")
            self.assertIsNotNone(hold(world, "pause"))
            end_pause(world)
            world.wait_idle()
            check_all_ready(world, users)
            check_law_now(world)

    def test_a_pause_binds_within_one_claim_and_counts_nothing(self):
        users = end_users(500)
        with World(settings=SETTINGS, fake_options=("--latency-ms", "30")) as world:
            for name in ("one", "two", "three"):
                world.daemon(name, hooked=True, env=QUICK)
            world.push(*users)
            wait_ready(world, 50)
            set_pause(world)
            wait_for(lambda: world.backlog()[2:] == (0, 0), "everything in hand to be given back or done")
            done = world.stats()["ready"]
            before = world.fake.get("stats")["requests"]
            now_ms = redis_now_ms(world)
            wait_for(lambda: redis_now_ms(world) > now_ms + 1000, "a second of the pause")
            self.assertEqual(world.fake.get("stats")["requests"], before)
            self.assertEqual(world.stats()["attempts"], done)
            check_law_now(world)
            end_pause(world)
            world.wait_idle()
            check_all_ready(world, users)
            check_one_session_each(world, users)

    def test_a_wrong_project_stops_the_fleet_after_twenty_unknown_users(self):
        users = end_users(200)
        with World(settings=SETTINGS, fake_options=("--missing-prefix", "end_usr_")) as world:
            daemons = [world.daemon(name, hooked=True, env=QUICK) for name in ("one", "two")]
            world.push(*users)
            wait_for(lambda: hold(world, "unknown_users"), "the hold")
            wait_for(lambda: world.backlog()[2:] == (0, 0), "the rest to be given back")
            asked = world.fake.get("stats")["requests"]
            self.assertLessEqual(asked, 20 + 40, "it went on asking")
            wait_for(lambda: any("hold.began hold=unknown_users" in daemon.log_text() for daemon in daemons), "a line")
            now_ms = redis_now_ms(world)
            wait_for(lambda: redis_now_ms(world) > now_ms + 1500, "a second and a half of the hold")
            self.assertEqual(world.fake.get("stats")["requests"], asked, "this hold has no probe: each costs a job")
            world.fake.post("settings", {"missingPrefix": ""})
            ctl.run(world, "resume", "account")
            world.wait_idle()
            check_law_now(world)
            letters = {letter["endUserId"] for letter in world.dead()}
            self.assertEqual({letter["reason"] for letter in world.dead()}, {"rejected"})
            check_all_ready(world, [user for user in users if user not in letters])
            self.assertLessEqual(len(letters), asked)

    def test_with_a_key_that_has_worked_unknown_users_are_letters_and_no_hold(self):
        known, unknown = end_users(10, "end_usr_known"), end_users(100, "end_usr_nobody")
        with World(settings=SETTINGS, fake_options=("--missing-prefix", "end_usr_nobody")) as world:
            world.daemon(hooked=True, env=QUICK)
            world.push(*known)
            world.wait_idle()
            world.push(*unknown)
            world.wait_idle()
            self.assertEqual(sorted(letter["endUserId"] for letter in world.dead()), sorted(unknown))
            self.assertIsNone(hold(world, "unknown_users"))
            check_law_now(world)

    def test_the_death_of_the_probes_holder_does_not_keep_the_hold(self):
        users = end_users(30)
        settings = {**SETTINGS, "conductor": {"request_timeout_ms": 1000}}
        timing = {"AUTHLINKD_TIMING": QUICK["AUTHLINKD_TIMING"] +
                  ",lease_margin=3000,start_margin=500,foreign_after=1000,reap_interval=300"}
        with World(settings=settings) as world:
            holder = world.daemon("holder", hooked=True, env=timing)
            world.fake.post("faults", {"status": 503})
            world.push(*users)
            wait_for(lambda: hold(world, "outage"), "the hold")
            world.fake.post("faults", {"drop": "stall"})
            wait_for(lambda: (hold(world, "outage") or [""] * 5)[4] != "-", "a probe to be under way")
            holder.kill()
            world.fake.post("faults", [])
            world.daemon("other", hooked=True, env=timing)
            world.wait_idle()
            check_all_ready(world, users)
            check_law_now(world)
            self.assertIsNone(hold(world, "outage"))

    def test_a_hold_begun_with_an_empty_queue_ends_with_the_next_job(self):
        with World(settings=SETTINGS) as world:
            world.daemon(hooked=True, env=QUICK)
            now_ms = redis_now_ms(world)
            world.r("HSET", "authlink:holds", "outage", f"{now_ms} 0 {now_ms} 200 - test")
            world.push("end_usr_next")
            wait_for(lambda: world.session("end_usr_next"), "the probe to succeed")
            self.assertIsNone(hold(world, "outage"))


class Poison(unittest.TestCase):
    @staticmethod
    def let_time_pass(world, neighbours):
        """The poison waits longer each time, four minutes in all: what is left is over as soon as its neighbours are served."""
        waiting = [member for member in world.r("ZRANGE", "authlink:delayed", 0, -1) if b"end_usr_poison" in member]
        if waiting and world.statuses(neighbours) == {"ready": len(neighbours)}:
            world.r("ZADD", "authlink:delayed", "XX", "1", waiting[0])

    def test_a_job_that_ends_ten_processes_is_poison_and_its_neighbours_are_not(self):
        """The daemon dies whenever the answer for one end user comes; the others in its leases live."""
        users = end_users(12)
        with World(settings={"rate": {"per_sec": 200.0}}, fake_options=("--latency-ms", "20")) as world:
            world.fake.post("faults", {"endUserId": "end_usr_poison", "drop": "stall"})
            daemon = world.daemon()
            world.push(*users[:6], "end_usr_poison", *users[6:])
            deaths = 0
            while not world.dead():
                wait_for(lambda: self.let_time_pass(world, users) or world.dead() or world.fake.get("stats")["inFlight"] >= 1 and
                         world.r("HEXISTS", "authlink:inflight", "end_usr_poison"), "the poison to be under way")
                if not world.dead():
                    daemon.kill()
                    deaths += 1
                    daemon.start()
            self.assertGreaterEqual(deaths, 11)  # a death before its slot had come does not count
            world.wait_idle()
            letters = world.dead()
            self.assertEqual([(letter["endUserId"], letter["reason"]) for letter in letters],
                             [("end_usr_poison", "poison")])
            self.assertEqual(letters[0]["recoveries"], "11")
            check_all_ready(world, users)
            check_law_now(world)
            self.assertEqual(world.session("end_usr_poison")["status"], "failed")


if __name__ == "__main__":
    main()
