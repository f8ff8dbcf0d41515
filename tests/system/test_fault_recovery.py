#!/usr/bin/env python3
"""Jobs of a process that is gone, or stopped: found again in time, and never taken from one that lives."""

import signal
import time
import unittest

from faults import (LONG, check_all_ready, check_law_now, check_one_session_each, end_pause, end_users, extra_sessions,
                    redis_now_ms, set_pause, wait_in_flight, wait_leases_over)
from harness import World, main, wait_for

# a lease of 4.5 s; the margins stay those of the release in proportion
SHORT_LEASE = {"AUTHLINKD_TIMING": "lease_margin=3500,start_margin=1000,foreign_after=1000,reap_interval=300"}
SETTINGS = {"rate": {"per_sec": 200.0}, "conductor": {"request_timeout_ms": 1000, "max_in_flight": 32}}
STALL = {"drop": "stall"}


def stop_at(point):
    return {**SHORT_LEASE, "AUTHLINKD_STOP_AT": point}


def is_stopped(daemon):
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


class Recovery(unittest.TestCase):
    def test_a_restart_on_the_same_host_does_not_wait_for_old_leases(self):
        users = end_users(20)
        # requests would last 25 s, so that the leases stand for 35 s more
        with World(settings={"conductor": {"request_timeout_ms": 25000}}) as world:
            world.fake.post("faults", STALL)
            daemon = world.daemon()
            world.push(*users)
            wait_in_flight(world, len(users))
            daemon.kill()
            world.fake.post("faults", [])
            began = time.monotonic()
            daemon.start()
            wait_for(lambda: world.stats().get("ready", 0) == len(users), "the old jobs", 20)
            took_sec = time.monotonic() - began
            print(f"restart to the last of the old jobs: {took_sec:.2f} s", flush=True)
            if LONG:
                self.assertLess(took_sec, 2.0)
            check_law_now(world)
            check_one_session_each(world, users)

    def test_jobs_of_a_lost_host_are_done_by_another(self):
        users = end_users(20)
        with World(settings=SETTINGS) as world:
            world.fake.post("faults", STALL)
            lost = world.daemon("lost", hooked=True, env=SHORT_LEASE)
            world.push(*users)
            wait_in_flight(world, len(users))
            lost.kill()
            began = time.monotonic()
            world.fake.post("faults", [])
            world.daemon("other", hooked=True, env=SHORT_LEASE)
            world.wait_idle()
            took_sec = time.monotonic() - began
            print(f"loss to the last of the jobs: {took_sec:.2f} s", flush=True)
            self.assertGreaterEqual(world.stats()["recovered"], len(users))
            if LONG:
                self.assertLess(took_sec, 1.0 + 15.0)
            check_law_now(world)
            check_all_ready(world, users)
            self.assertEqual(world.dead(), [])

    def test_jobs_of_a_live_instance_are_never_taken(self):
        users = end_users(200)
        # every answer comes just in time, so each lease is used to its end
        with World(settings=SETTINGS, fake_options=("--latency-ms", "800")) as world:
            daemons = [world.daemon(name, hooked=True, env=SHORT_LEASE) for name in ("one", "two", "three")]
            world.push(*users)
            world.wait_idle()
            stats = world.stats()
            self.assertEqual((stats.get("recovered", 0), stats.get("fenced", 0)), (0, 0))
            check_one_session_each(world, users)
            self.assertFalse(any("lease.lost" in daemon.log_text() for daemon in daemons))

    def stop_with_answer(self, world, user):
        """An instance that stands still, its answer in hand, until its lease is over."""
        stopped = world.daemon("stopped", hooked=True, env=stop_at("answer.received"))
        world.push(user)
        wait_for(lambda: is_stopped(stopped), "the answer to come")
        return stopped

    def test_a_stopped_instance_overwrites_nothing_when_it_goes_on(self):
        with World(settings=SETTINGS) as world:
            stopped = self.stop_with_answer(world, "end_usr_a")
            world.daemon("other", hooked=True, env=SHORT_LEASE)
            wait_for(lambda: world.session("end_usr_a"), "the other one's link")
            newer = world.session("end_usr_a")
            stopped.signal(signal.SIGCONT)
            wait_for(lambda: world.stats().get("fenced", 0) == 1, "its settle to be fenced")
            self.assertEqual(world.session("end_usr_a"), newer)
            self.assertEqual(world.stats().get("late", 0), 0)
            world.wait_idle()
            check_law_now(world)
            self.assertEqual(extra_sessions(world), {"end_usr_a": 1})
            wait_for(lambda: "job.fenced" in stopped.log_text(), "a line about it")

    def test_a_late_link_is_kept_where_nobody_else_has_the_job(self):
        with World(settings=SETTINGS) as world:
            stopped = self.stop_with_answer(world, "end_usr_a")
            set_pause(world)
            other = world.daemon("other", hooked=True, env=SHORT_LEASE)
            wait_for(lambda: world.stats().get("recovered", 0) == 1, "the job to be given back")
            self.assertEqual(world.session("end_usr_a"), {})
            stopped.signal(signal.SIGCONT)
            wait_for(lambda: world.session("end_usr_a").get("status") == "ready", "the late link")
            stats = world.stats()
            self.assertEqual((stats.get("fenced"), stats.get("late"), stats.get("ready", 0)), (1, 1, 0))
            check_law_now(world)
            end_pause(world)
            world.wait_idle()
            self.assertEqual(world.stats().get("reused"), 1, "the job itself ends by the link that is there")
            self.assertEqual(extra_sessions(world), {})
            check_law_now(world)
            self.assertIsNone(other.process.poll())

    def test_a_stopped_instance_starts_no_request_that_could_outlive_its_lease(self):
        users = end_users(10)
        with World(settings=SETTINGS) as world:
            # the slots' own grace would hide what the lease's margin does
            env = stop_at("claim.received")
            env["AUTHLINKD_TIMING"] += ",slot_grace=60000"
            stopped = world.daemon("stopped", hooked=True, env=env, start=False)
            world.push(*users)
            stopped.start()
            wait_for(lambda: is_stopped(stopped), "the claim to be answered")
            wait_leases_over(world)
            stopped.signal(signal.SIGCONT)
            world.wait_idle()
            self.assertGreaterEqual(world.stats().get("returned", 0) + world.stats().get("recovered", 0), len(users))
            self.assertIn("could outlive its lease", stopped.log_text())
            check_one_session_each(world, users)
            check_law_now(world)

    def test_slots_that_were_missed_are_not_made_up_for_in_one_burst(self):
        users = end_users(40)
        with World(settings=SETTINGS) as world:
            stopped = world.daemon("stopped", hooked=True, env=stop_at("claim.received"), start=False)
            world.push(*users)
            stopped.start()
            wait_for(lambda: is_stopped(stopped), "the claim to be answered")
            in_hand = world.backlog()[3]
            now_ms = redis_now_ms(world)
            wait_for(lambda: redis_now_ms(world) > now_ms + 1000, "the slots to pass")
            stopped.signal(signal.SIGCONT)
            world.wait_idle()
            self.assertGreaterEqual(world.stats().get("returned", 0), in_hand)
            check_one_session_each(world, users)
            check_law_now(world)

    def test_what_was_claimed_and_given_to_another_is_not_sent(self):
        users = end_users(10)
        with World(settings=SETTINGS) as world:
            env = stop_at("claim.received")
            env["AUTHLINKD_TIMING"] += ",slot_grace=60000"
            stopped = world.daemon("stopped", hooked=True, env=env, start=False)
            world.push(*users)
            stopped.start()
            wait_for(lambda: is_stopped(stopped), "the claim to be answered")
            world.daemon("other", hooked=True, env=SHORT_LEASE)
            world.wait_idle()
            stopped.signal(signal.SIGCONT)
            wait_for(lambda: "could outlive its lease" in stopped.log_text() or "lease.lost" in stopped.log_text(),
                     "it to see that its lease is over")
            check_one_session_each(world, users)
            check_law_now(world)

    if LONG:  # it measures the times of the release
        def test_with_the_times_of_the_release_a_lost_host_is_made_up_for_in_time(self):
            users = end_users(20)
            with World(settings=SETTINGS) as world:
                other = world.daemon("other")
                wait_for(lambda: "redis.connected" in other.log_text(), "the other one to be at work")
                other.signal(signal.SIGSTOP)
                world.fake.post("faults", STALL)
                lost = world.daemon("lost")
                world.push(*users)
                wait_in_flight(world, len(users))
                other.signal(signal.SIGCONT)
                lost.kill()
                world.fake.post("faults", [])
                began = time.monotonic()
                world.wait_idle()
                took_sec = time.monotonic() - began
                print(f"loss to the last of the jobs: {took_sec:.2f} s", flush=True)
                self.assertLess(took_sec, 1.0 + 15.0)
                check_all_ready(world, users)


if __name__ == "__main__":
    main()
