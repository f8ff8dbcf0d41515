#!/usr/bin/env python3
"""Alive is what makes progress: systemd hears nothing more of a daemon in which a step hangs, and all of one that waits."""

import os
import signal
import socket
import time
import unittest

from faults import LONG, end_users, wait_in_flight
from harness import World, main, wait_for

# what is late by more than 15 s beyond its own deadline hangs; the deadlines themselves are short here
TIMES = "command_timeout=500,reconnect_max=500,peek=500"
WATCHDOG_USEC = 1000000
SETTINGS = {"rate": {"per_sec": 100.0}, "conductor": {"request_timeout_ms": 1000}, "log": {"level": "notice"}}


class Notify:
    """systemd's end of $NOTIFY_SOCKET."""

    def __init__(self, world):
        self.path = os.path.join(world.folder, "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.fed = time.monotonic()
        self.words = []

    def env(self, **more):
        return {"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": str(WATCHDOG_USEC), "AUTHLINKD_TIMING": TIMES, **more}

    def read(self):
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except BlockingIOError:
                return
            self.words.append(text)
            if "WATCHDOG=1" in text:
                self.fed = time.monotonic()

    def quiet_sec(self):
        self.read()
        return time.monotonic() - self.fed

    def close(self):
        self.socket.close()


class Watchdog(unittest.TestCase):
    def wedge(self, step):
        with World(settings=SETTINGS) as world:
            notify = Notify(world)
            try:
                daemon = world.daemon(hooked=True, env=notify.env(AUTHLINKD_WEDGE=step))
                wait_for(lambda: notify.quiet_sec() < 1 and "READY=1" in "".join(notify.words), "the first word")
                world.push(*end_users(5))
                wait_for(lambda: notify.quiet_sec() > 5, "systemd to hear nothing more", 40)
                self.assertIsNone(daemon.process.poll())
                self.assertIn("watchdog.unfed", daemon.log_text())
            finally:
                notify.close()

    def test_a_claim_that_hangs_ends_the_feeding(self):
        self.wedge("claim")

    def test_a_settle_that_hangs_ends_the_feeding(self):
        self.wedge("settle")

    def test_a_peek_that_hangs_ends_the_feeding(self):
        self.wedge("peek")

    def still_fed(self, fault, seconds=25 if LONG else 8):
        """While `fault` lasts, the daemon does what it can, and says so."""
        with World(settings=SETTINGS, redis_options=("--appendonly", "yes")) as world:
            notify = Notify(world)
            try:
                world.daemon(hooked=True, env=notify.env())
                world.push(*end_users(20))
                wait_for(lambda: world.stats().get("ready", 0) == 20, "the first links")
                end = fault(world)
                began = time.monotonic()
                while time.monotonic() - began < seconds:
                    self.assertLess(notify.quiet_sec(), 5, "it was not fed")
                    time.sleep(0.1)
                end()
            finally:
                notify.close()

    def test_it_is_fed_while_it_idles(self):
        self.still_fed(lambda world: lambda: None)

    def test_it_is_fed_while_redis_hangs(self):
        def hang(world):
            world.redis.process.send_signal(signal.SIGSTOP)
            return lambda: world.redis.process.send_signal(signal.SIGCONT)
        self.still_fed(hang)

    def test_it_is_fed_while_redis_is_gone(self):
        def kill(world):
            world.redis.kill()
            return lambda: None
        self.still_fed(kill)

    def test_it_is_fed_while_settles_are_refused(self):
        def refuse(world):
            world.fake.post("settings", {"latencyMs": 300})
            world.push(*end_users(20, "end_usr_more"))
            wait_in_flight(world, 5)
            world.r("ACL", "SETUSER", "default", "-evalsha")
            return lambda: None
        self.still_fed(refuse)

    def test_it_is_fed_while_the_api_is_gone(self):
        def stop(world):
            world.fake.stop()
            world.push(*end_users(20, "end_usr_more"))
            return lambda: None
        self.still_fed(stop)


if __name__ == "__main__":
    main()
