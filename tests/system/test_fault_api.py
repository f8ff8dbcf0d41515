#!/usr/bin/env python3
"""Whatever the API, a proxy before it or the network does: no job is lost by it, and no wrong link is stored."""

import re
import signal
import time
import unittest

from faults import (LONG, Watch, check_all_ready, check_law_now, end_users, extra_sessions,
                    wait_in_flight, wait_ready)
from harness import World, main, wait_for

SETTINGS = {"rate": {"per_sec": 200.0}, "conductor": {"request_timeout_ms": 1500}, "retry": {"base_delay_ms": 50}}
QUICK = {"AUTHLINKD_TIMING": "hold_backoff_min=100,hold_backoff_max=400,outage_quiet=200"}

# What goes wrong at the first attempt. The second column: whether the API made a session all the same.
PASSING = (
    ("close_before_answer", False, {"drop": "close"}),
    ("reset_before_answer", False, {"drop": "rst"}),
    ("close_after_commit", True, {"drop": "close", "commit": True}),
    ("reset_after_commit", True, {"drop": "rst", "commit": True}),
    ("reset_in_the_body", True, {"at": "body", "drop": "rst", "cutAfterBytes": 30}),
    ("cut_in_the_body", True, {"at": "body", "drop": "close", "cutAfterBytes": 30}),
    ("no_answer", False, {"drop": "stall"}),
    ("stall_in_the_body", True, {"at": "body", "drop": "stall", "cutAfterBytes": 30}),
    ("slow_body", True, {"pieceBytes": 1, "pieceDelayMs": 100}),
    ("plain_html", False, {"status": 200, "body": "html"}),
    ("empty", False, {"status": 200, "body": "empty"}),
    ("bad_json", False, {"status": 200, "body": "badJson"}),
    ("foreign_user", True, {"set": {"endUserId": "end_usr_somebody_else"}}),
    ("foreign_host", True, {"linkHost": "connect.example.com"}),
    ("link_is_no_url", True, {"set": {"authFlowUrl": "javascript:alert(1)"}}),
    ("no_link", True, {"unset": ["authFlowUrl"]}),
    ("other_object", True, {"set": {"objectType": "end_user"}}),
    ("expired_at_birth", True, {"expiresInSec": -60}),
    ("too_long", True, {"padBytes": 300000}),
    ("no_content", False, {"status": 204, "body": "empty"}),
    ("found", False, {"status": 302, "headers": {"Location": "/v1/auth-sessions"}}),
    ("redirected", False, {"status": 307, "headers": {"Location": "/v1/auth-sessions"}}),
    ("html_of_a_firewall", False, {"status": 403, "body": "html"}),
    ("html_of_a_proxy", False, {"status": 502, "body": "html"}),
    ("wrong_route", False, {"status": 404, "body": "html"}),
    ("wrong_method", False, {"status": 405, "body": "html"}),
    ("conflict", False, {"status": 409}),
    ("timeout_of_theirs", False, {"status": 408}),
)
ACCOUNT = (401, 402, 403)


class Answers(unittest.TestCase):
    def test_a_fault_that_passes_costs_one_attempt_and_no_wrong_link(self):
        users = {name: end_users(3, f"end_usr_{name}_") for name, _, _ in PASSING}
        with World(settings=SETTINGS) as world:
            world.fake.post("faults", [{"endUserPrefix": f"end_usr_{name}_", "attemptsUpTo": 1, **fault}
                                       for name, _, fault in PASSING])
            world.daemon(hooked=True, env=QUICK)
            well = end_users(300, "end_usr_well")
            everybody = [user for group in users.values() for user in group]
            # those that are well keep the API from looking dead
            for start in range(0, 300, 10):
                world.push(*well[start:start + 10], *everybody[start * len(everybody) // 300:
                                                               (start + 10) * len(everybody) // 300])
            world.wait_idle()
            check_law_now(world)
            check_all_ready(world, everybody + well)
            doubled = extra_sessions(world)
            for name, made, _ in PASSING:
                for user in users[name]:
                    session = world.session(user)
                    self.assertTrue(session["authFlowUrl"].startswith("https://connect.conductor.is/"), user)
                    self.assertEqual(doubled.get(user, 0), int(made), user)

    def test_every_status_leads_where_it_must(self):
        with World(settings=SETTINGS) as world:
            statuses = [status for status in range(400, 600) if status not in ACCOUNT]
            world.fake.post("faults", [{"endUserId": f"end_usr_status_{status}", "attemptsUpTo": 1, "status": status}
                                       for status in statuses])
            world.daemon(hooked=True, env=QUICK)
            for status in statuses:
                world.push(f"end_usr_status_{status}", f"end_usr_well_{status}")
            world.wait_idle()
            check_law_now(world)
            reasons = {int(letter["httpStatus"]): letter["reason"] for letter in world.dead()}
            final = [status for status in statuses if status < 500 and status not in (408, 409, 429)]
            self.assertEqual(reasons, {status: "rejected" for status in final})
            others = [f"end_usr_status_{status}" for status in statuses if status not in final]
            check_all_ready(world, others + [f"end_usr_well_{status}" for status in statuses])
            self.assertEqual(extra_sessions(world), {})

    def test_tls_that_cannot_be_trusted_is_no_connection(self):
        for certificate in ("expired", "wrongname", "unknown"):
            with self.subTest(certificate=certificate), World(fake=False) as world:
                self.refuse_certificate(world, certificate)

    def refuse_certificate(self, world, certificate):
        from harness import Fake  # pylint: disable=import-outside-toplevel
        folder = world.folder + "/tls"
        world.fake = Fake(world.folder, "--tls", folder, "--certificate", certificate)
        daemon = world.daemon(settings={"conductor": {"ca_file": folder + "/ca.pem"}}, hooked=True, env=QUICK)
        world.push("end_usr_a")
        wait_for(lambda: world.stats().get("unsent", 0) > 0, "the attempt")
        self.assertRegex(daemon.log_text(), "no trusted TLS connection")
        self.assertEqual(world.fake.get("stats")["requests"], 0, "a request was sent to a stranger")
        world.fake.stop()
        world.fake = Fake(world.folder, "--tls", folder, name="good")
        daemon.write_config()
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: world.session("end_usr_a"), "the link over a good connection")
        self.assertEqual(world.session("end_usr_a")["attempts"], "1", "a connection that never was is no attempt")


class Outage(unittest.TestCase):
    def test_a_closed_port_is_not_hammered(self):
        seconds = 60 if LONG else 12
        with World() as world:
            world.fake.stop()
            trace = world.folder + "/connects"
            daemon = world.daemon(settings={"rate": {"per_sec": 10.0}, "log": {"level": "notice"}},
                                  prefix_command=("strace", "-D", "-f", "-qq", "-e", "trace=connect", "-o", trace))
            wait_for(lambda: "redis.connected" in daemon.log_text(), "the daemon to be at work")
            world.push(*end_users(100))
            began = time.monotonic()
            time.sleep(seconds)
            with open(trace, encoding="ascii") as file:
                attempts = sum(1 for line in file if f"htons({world.fake.port})" in line)
            print(f"{attempts} attempts in {time.monotonic() - began:.0f} s", flush=True)
            self.assertGreater(attempts, 0)
            self.assertLessEqual(attempts, 10)
            self.assertEqual(world.stats().get("attempts", 0), 0)
            check_law_now(world)

    def test_an_outage_costs_no_job_its_attempts(self):
        """Each of a few jobs is the probe many times: two hours in small."""
        users = end_users(4)
        with World(settings={**SETTINGS, "retry": {"base_delay_ms": 10, "max_delay_ms": 1000, "max_attempts": 5}}) as world:
            world.fake.post("faults", {"status": 503})
            daemon = world.daemon(hooked=True, env=QUICK)
            world.push(*users)
            wait_for(lambda: world.r("HEXISTS", "authlink:holds", "outage"), "the hold")
            wait_for(lambda: world.fake.get("stats")["requests"] >= 26, "more probes than these jobs have attempts")
            self.assertEqual(world.dead(), [], "an outage ended a job")
            world.fake.post("faults", [])
            world.wait_idle()
            check_law_now(world)
            check_all_ready(world, users)
            self.assertEqual(len(re.findall("hold.began", daemon.log_text())), 1, "the hold was not told once")

    def test_after_an_outage_everything_goes_through_without_a_stampede(self):
        users = end_users(300)
        rate = 50.0
        settings = {**SETTINGS, "rate": {"per_sec": rate}, "log": {"level": "notice"}}
        with World(settings=settings) as world:
            daemons = [world.daemon(name, hooked=True, env=QUICK) for name in ("one", "two")]
            world.push(*users)
            wait_ready(world, 20)
            world.fake.stop()
            watches = [Watch(daemon) for daemon in daemons]
            time.sleep(4)
            for watch in watches:
                watch.check()
            self.assertEqual(world.stats().get("dead", 0), 0)
            world.fake.__init__(world.folder, *world.fake.options, name="again")
            for daemon in daemons:
                daemon.write_config()
                daemon.signal(signal.SIGHUP)
            world.wait_idle()
            check_law_now(world)
            check_all_ready(world, users)
            requests = world.fake.get("requests?limit=100000")["requests"]
            times = sorted(request["arrivedUs"] / 1000 for request in requests if request.get("endUserId"))
            most = max(sum(1 for other in times if start <= other < start + 1000) for start in times)
            self.assertLessEqual(most, rate * 1.1 + 2, "more than the rate in one second")


class Refused(unittest.TestCase):
    def test_the_api_dies_with_requests_in_hand(self):
        users = end_users(100)
        with World(settings=SETTINGS, fake_options=("--latency-ms", "300")) as world:
            daemon = world.daemon(hooked=True, env=QUICK)
            world.push(*users)
            wait_in_flight(world, 10)
            port = world.fake.port
            world.fake.process.kill()
            world.fake.process.wait()
            wait_for(lambda: world.backlog()[2] == 0, "the broken requests to be settled")
            self.assertIsNone(daemon.process.poll())
            world.fake.process.stdout.close()
            world.fake.port = port
            world.fake.start()
            world.wait_idle()
            check_law_now(world)
            check_all_ready(world, users)
            self.assertEqual(world.dead(), [])


if __name__ == "__main__":
    main()
