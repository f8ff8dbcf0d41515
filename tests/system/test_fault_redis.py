#!/usr/bin/env python3
"""Redis dies, hangs, forgets, is cut off: the daemon lives, waits quietly, and goes on; nobody gets two sessions."""

import os
import shutil
import signal
import time
import unittest

from faults import (LONG, FaultProxy, Rule, Watch, check_all_ready, check_law_now, check_one_session_each, end_users,
                    extra_sessions, reconnect, wait_in_flight, wait_ready)
from harness import World, main, wait_for

# everysec would let Redis reply before it writes while an fsync lasts (up to two seconds): a kill then loses what was answered.
AOF = ("--appendonly", "yes", "--appendfsync", "always")
SETTINGS = {"rate": {"per_sec": 100.0}, "log": {"level": "notice"}}
SLOW = ("--latency-ms", "60")  # some requests are always in flight
IMPATIENT = {"AUTHLINKD_TIMING": "command_timeout=1000"}
LASTS_SEC = 30.0 if LONG else 3.0
BACK_AT_WORK_SEC = 5.0


class RedisFault(unittest.TestCase):
    """Half of the jobs before the fault, half afterwards."""

    def setUp(self):
        self.users = end_users(200)

    def begin(self, world, **arguments):
        daemon = world.daemon(**arguments)
        world.push(*self.users[:100])
        wait_ready(world, 20)
        return daemon

    def last(self, *watches):
        """The fault lasts for a while."""
        time.sleep(LASTS_SEC)
        for watch in watches:
            watch.check()

    def finish(self, world):
        ended = time.monotonic()
        world.push(*self.users[100:])
        before = world.fake.get("stats")["requests"]
        wait_for(lambda: world.fake.get("stats")["requests"] > before, "the first request after the fault")
        back_sec = time.monotonic() - ended
        if LONG:
            self.assertLess(back_sec, BACK_AT_WORK_SEC)
        world.wait_idle()

    def check(self, world, users=None):
        check_law_now(world)
        check_all_ready(world, users or self.users)
        check_one_session_each(world, users or self.users)
        self.assertEqual(world.dead(), [])

    def world(self, *redis_options, fake_options=SLOW, settings=None):
        return World(redis_options=redis_options or AOF, fake_options=fake_options, settings=settings or SETTINGS)

    def test_killed_and_restarted(self):
        with self.world() as world:
            daemon = self.begin(world)
            watch = Watch(daemon)
            world.redis.kill()
            self.last(watch)
            world.redis.start()
            reconnect(world)
            self.finish(world)
            self.check(world)
            self.assertIn("redis.lost", daemon.log_text())

    def test_killed_again_and_again(self):
        with self.world() as world:
            daemon = self.begin(world)
            for _ in range(8):
                world.redis.kill()
                world.redis.start()
                reconnect(world)
                wait_for(lambda: world.r("CLIENT", "LIST").count(b"name=authlinkd ") > 0, "the daemon to connect")
            self.finish(world)
            self.check(world)
            self.assertIsNone(daemon.process.poll())

    def test_restarted_empty(self):
        with self.world("--appendonly", "no") as world:
            daemon = self.begin(world)
            world.redis.kill()
            world.redis.start()
            reconnect(world)
            fresh = end_users(100, "end_usr_fresh")
            world.push(*fresh)
            wait_ready(world, len(fresh))
            world.wait_idle()
            check_law_now(world)
            check_all_ready(world, fresh)
            self.assertEqual(extra_sessions(world), {})
            self.assertIsNone(daemon.process.poll())

    def test_hangs(self):
        with self.world() as world:
            daemon = self.begin(world, hooked=True, env=IMPATIENT)
            watch = Watch(daemon)
            world.redis.process.send_signal(signal.SIGSTOP)
            self.last(watch)
            world.redis.process.send_signal(signal.SIGCONT)
            self.finish(world)
            self.check(world)
            self.assertIn("did not reply in time", daemon.log_text())

    def test_hangs_for_two_leases_with_answers_in_hand(self):
        timing = "command_timeout=1000,start_margin=500,lease_margin=1500,reap_interval=300,foreign_after=4000"
        settings = {**SETTINGS, "conductor": {"request_timeout_ms": 1000}}
        with self.world(fake_options=("--latency-ms", "500"), settings=settings) as world:
            daemons = [world.daemon(name, hooked=True, env={"AUTHLINKD_TIMING": timing}) for name in ("one", "two")]
            world.push(*self.users[:100])
            wait_in_flight(world, 20)
            world.redis.process.send_signal(signal.SIGSTOP)
            time.sleep(2 * 2.5)
            world.redis.process.send_signal(signal.SIGCONT)
            self.finish(world)
            self.check(world)
            self.assertTrue(all(daemon.process.poll() is None for daemon in daemons))

    def test_connections_killed_under_load(self):
        with self.world() as world:
            daemon = self.begin(world)
            for _ in range(100 if LONG else 15):
                world.r("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                time.sleep(0.05)
            self.finish(world)
            self.check(world)
            self.assertIsNone(daemon.process.poll())

    def test_clients_paused(self):
        with self.world() as world:
            daemon = self.begin(world)
            watch = Watch(daemon)
            world.r("CLIENT", "PAUSE", str(int(LASTS_SEC * 1000)), "ALL")
            self.last(watch)
            self.finish(world)
            self.check(world)

    def test_the_last_writes_are_lost(self):
        with self.world() as world:
            daemon = self.begin(world)
            folder = os.path.join(world.folder, "appendonlydir")
            older = os.path.join(world.folder, "older")
            shutil.copytree(folder, older)
            settled = world.stats().get("ready", 0)
            wait_ready(world, settled + 20)
            world.redis.process.send_signal(signal.SIGSTOP)  # so that what was done is known
            done = world.fake.get("stats")["created"]
            world.redis.kill()
            shutil.rmtree(folder)
            shutil.copytree(older, folder)
            world.redis.start()
            reconnect(world)
            self.finish(world)
            check_law_now(world)
            check_all_ready(world, self.users)
            doubled = extra_sessions(world)
            # what was settled or in flight in the lost time, once more at most
            self.assertLessEqual(sum(doubled.values()), done - settled + 64)
            self.assertTrue(all(extra == 1 for extra in doubled.values()), doubled)
            self.assertIsNone(daemon.process.poll())


class Connection(unittest.TestCase):
    """What a proxy between the two does to single commands."""

    def story(self, *rules, during=None, env=None):
        users = end_users(150)
        with World(fake_options=SLOW, settings=SETTINGS) as world:
            proxy = FaultProxy(world.redis.socket_path)
            try:
                daemon = world.daemon(settings={"redis": {"url": proxy.url}}, hooked=True, env=env or IMPATIENT)
                world.push(*users[:75])
                wait_ready(world, 10)
                for rule in rules:
                    proxy.add(rule)
                world.push(*users[75:])
                if during:
                    during(world, proxy, daemon)
                for rule in rules:
                    wait_for(lambda rule=rule: rule.applied == rule.times, f"{rule.action} of {rule.step}")
                world.wait_idle()
                check_law_now(world)
                check_all_ready(world, users)
                check_one_session_each(world, users)
                self.assertIsNone(daemon.process.poll())
                return world.stats(), daemon.log_text()
            finally:
                proxy.close()

    def test_the_reply_to_a_claim_is_lost(self):
        self.story(Rule("drop_reply", step="claim", times=5))

    def test_the_reply_to_a_settle_is_lost(self):
        stats, _ = self.story(Rule("drop_reply", step="settle", times=5))
        self.assertEqual(stats.get("fenced", 0), 0, "a repeated settle was not known by its number")

    def test_the_reply_to_a_reap_is_lost(self):
        self.story(Rule("drop_reply", step="reap", times=3))

    def test_commands_are_lost_before_they_arrive(self):
        self.story(Rule("drop_command", step="claim", times=3), Rule("drop_command", step="settle", times=3))

    def test_replies_stay_away_and_the_connection_stays_open(self):
        self.story(Rule("swallow_reply", step="claim"), Rule("swallow_reply", step="settle"))

    def test_replies_are_cut_in_the_middle(self):
        self.story(Rule("truncate_reply", step="claim", keep_bytes=40, times=3),
                   Rule("truncate_reply", step="settle", keep_bytes=3, times=3))

    def test_connections_are_reset(self):
        self.story(Rule("reset", step="claim", times=5), Rule("reset", step="settle", times=5))

    def test_replies_that_are_none(self):
        self.story(Rule("replace_reply", step="claim", reply=b"*2\r\n:1\r\n+what\r\n", times=2),
                   Rule("replace_reply", step="settle", reply=b"$3\r\nabc\r\n", times=2),
                   Rule("replace_reply", step="claim", reply=b"HTTP/1.1 400 Bad Request\r\n\r\n", times=2))

    def test_the_network_swallows_everything(self):
        def silence(_, proxy, daemon):
            watch = Watch(daemon)
            proxy.is_silent = True
            time.sleep(LASTS_SEC)
            watch.check()
            proxy.is_silent = False
        self.story(during=silence)

    def test_the_address_leads_nowhere_for_a_while_and_then_elsewhere(self):
        def move(world, proxy, _):
            proxy.to = os.path.join(world.folder, "nowhere.sock")
            proxy.cut()
            time.sleep(1)
            proxy.to = ("127.0.0.1", world.redis.port)
        self.story(during=move)


class Loading(unittest.TestCase):
    def test_redis_is_loading_its_data(self):
        users = end_users(100)
        with World(redis_options=("--save", "3600", "1", "--rdbcompression", "no"), fake_options=SLOW, settings=SETTINGS) as world:
            daemon = world.daemon()
            world.push(*users[:50])
            world.wait_idle()
            world.r("EVAL", "for i = 1, 300 do redis.call('SET', 'filler' .. i, string.rep('x', 2000)) end", 0)
            world.r("SAVE")
            watch = Watch(daemon)
            world.redis.kill()
            # 10 ms a key, and a word to clients after each; this waits until it is loaded
            world.redis.start("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
            watch.check()
            self.assertIn("LOADING", daemon.log_text())
            reconnect(world)
            world.push(*users[50:])
            wait_ready(world, 100)
            world.wait_idle()
            check_law_now(world)
            check_one_session_each(world, users)


if __name__ == "__main__":
    main()
