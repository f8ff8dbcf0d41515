#!/usr/bin/env python3
"""authlinkctl status, audit, pause and resume, against a real Redis."""

import json
import os
import signal
import subprocess
import unittest

import ctl
import harness
from harness import World, wait_for


def has_unread_bytes(port):
    """True if something waits in a connection for whoever listens on this port: proc_net_tcp.txt of the kernel."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return any(int(row[1].split(":")[1], 16) == port and row[3] == "01" and row[4].split(":")[1] != "00000000" for row in rows)


class Status(unittest.TestCase):
    def test_an_empty_redis_has_a_status(self):
        with World(fake=False) as world:
            status = ctl.run(world, "status", "--json").json
            self.assertEqual(status["places"], {"queue": 0, "delayed": 0, "leases": 0, "inFlight": 0, "dead": 0})
            self.assertEqual((status["holds"], status["instances"], status["etaMs"]), ([], [], 0))
            text = ctl.run(world, "status").out
            self.assertIn("no instance is running", text)
            self.assertNotIn("\033", text)

    def test_status_shows_backlog_pace_instances_and_outcomes(self):
        with World() as world:
            daemon = world.daemon()
            world.push("end_usr_1", "end_usr_2", "no id!")
            world.wait_idle()
            wait_for(lambda: ctl.run(world, "status", "--json").json["instances"], "the instance to speak")
            status = ctl.run(world, "status", "--json").json
            instance = status["instances"][0]
            self.assertEqual(instance["instance"], daemon.instance_name)
            self.assertEqual(instance["pid"], daemon.process.pid)
            minute = status["lastMinute"]
            self.assertEqual((minute["ready"], minute["failed"], minute["requests"]), (2, 1, 2))
            self.assertEqual(status["pace"]["limitPerSec"], 500)
            self.assertEqual(status["meta"]["publishableKey"], harness.PUBLISHABLE_KEY)
            self.assertEqual(status["places"]["dead"], 1)
            text = ctl.run(world, "status").out
            self.assertIn(daemon.instance_name, text)
            self.assertIn("2 ready, 0 reused, 1 failed", text)

    def test_the_backlog_has_an_age_and_a_time_left(self):
        with World() as world:
            world.daemon()
            wait_for(lambda: ctl.run(world, "status", "--json").json["instances"], "the instance to speak")
            ctl.run(world, "pause")
            now_sec, _ = world.r("TIME")
            world.push('{"endUserId":"u","enqueuedAtMs":%d}' % (int(now_sec) * 1000 - 3600_000))
            status = ctl.run(world, "status", "--json").json
            self.assertGreaterEqual(status["oldestAgeMs"], 3600_000)
            self.assertIsNone(status["etaMs"], "a held fleet is not done at any time")
            self.assertIn("its head waits for 60 min", ctl.run(world, "status").out)

    def test_a_reused_link_cost_no_request(self):
        with World(fake=False) as world:
            for kind, attempts in (("ready", 2), ("failed", 3), ("reused", 7)):
                world.r("XADD", "authlink:events", "*", "type", kind, "endUserId", "u", "attempts", attempts)
            self.assertEqual(ctl.run(world, "status", "--json").json["lastMinute"]["requests"], 5)

    def test_a_job_too_long_for_any_reply_does_not_blind_status_and_doctor(self):
        with World(fake=False, as_acl_user=False) as world:
            world.push("x" * 2_000_000, "end_usr_1")
            world.r("ZADD", "authlink:delayed", 1, "y" * 2_000_000)
            status = ctl.run(world, "status", "--json").json
            self.assertEqual((status["places"]["queue"], status["oldestAgeMs"], status["oldestRetryAgeMs"]), (2, None, None))
            self.assertIn("data.law", ctl.run(world, "doctor").out)

    def test_a_delayed_record_of_a_stranger_has_no_age(self):
        with World(fake=False) as world:
            for first_seen in ("soon", "-5", "-9223372036854775808", "99999999999999999999"):
                world.r("DEL", "authlink:delayed")
                world.r("ZADD", "authlink:delayed", 1, f"0000000000000001 0 0 {first_seen} 0 u")
                self.assertIsNone(ctl.run(world, "status", "--json").json["oldestRetryAgeMs"], first_seen)

    def test_the_hold_of_a_key_that_no_instance_bears_holds_nobody(self):
        with World(fake=False) as world:
            world.r("HSET", "authlink:holds", "account:0123456789ab", "1 0 1 1000 - Invalid API key")
            self.assertEqual(len(ctl.run(world, "status", "--json").json["holds"]), 1, "nobody runs: it may be the key of all")
            for key_fp, count in (("ba9876543210", 0), ("0123456789ab", 1)):
                world.r("HSET", "authlink:instance:a@b", "instance", "a", "keyFp", key_fp)
                self.assertEqual(len(ctl.run(world, "status", "--json").json["holds"]), count)

    def test_what_stands_in_redis_cannot_steer_the_terminal(self):
        with World(fake=False) as world:
            world.r("HSET", "authlink:holds", "outage", "1 0 1 1000 - \x1b[31mred\x07\u202e \\x")
            world.r("HSET", "authlink:instance:a@b", "instance", "\x1b]0;t\x07", "hostId", "\x1b[2J", "state", b"\xff\x9b1m")
            for words in ((), ("--json",)):
                out = ctl.run(world, "status", *words).out
                self.assertFalse([c for c in out if c != "\n" and (ord(c) < 32 or 0x7f <= ord(c) < 0xa0)], out)
            text = ctl.run(world, "status").out
            self.assertIn(r"\x1b[31mred\x07\xe2\x80\xae \\x", text)
            self.assertIn(r"\xff\x9b1m", text)

    def test_a_redis_that_cannot_be_reached_is_exit_4_with_a_sentence(self):
        with World(fake=False) as world:
            for url in ("redis://127.0.0.1:%d" % harness.free_port(), "unix:///nowhere/redis.sock"):
                ended = ctl.run(world, "status", "--redis", url, code=4, connect=False)
                self.assertEqual(ended.out, "")
                self.assertRegex(ended.err, "cannot work with Redis at .*Is it running")

    def test_a_redis_that_refuses_is_exit_4_with_advice(self):
        with World(fake=False, as_acl_user=False) as world:
            world.r("CONFIG", "SET", "requirepass", "secret")
            self.assertIn("set redis.password_file", ctl.run(world, "status", code=4).err)
            world.r("CONFIG", "SET", "requirepass", "")
            world.r("SET", "authlink:stats", "foreign")
            self.assertIn("something else uses this key", ctl.run(world, "audit", code=4).err)

    def test_wrong_words_are_exit_2_and_name_the_help(self):
        with World(fake=False) as world:
            for words, piece in (
                    ((), "which command"), (("stauts",), "no command stauts"), (("status", "x"), "usage: authlinkctl status"),
                    (("status", "--nope"), "no option --nope"), (("pause", "--for", "10"), "30s, 10m, 2h or 1d"),
                    (("pause", "--for"), "wants a value"), (("status", "--json=1"), "takes no value"),
                    (("resume", "all"), "Only `account`"), (("status", "--config", "/a", "--redis", "redis://h"), "exclude")):
                with self.subTest(words=words):
                    ended = ctl.run(world, *words, code=2, connect=False)
                    self.assertEqual(ended.out, "")
                    self.assertIn(piece, ended.err)
                    self.assertIn("--help", ended.err)

    def test_a_missing_configuration_says_what_to_give(self):
        with World(fake=False) as world:
            path = os.path.join(world.folder, "none.conf")
            self.assertIn(path, ctl.run(world, "status", "--config", path, code=2, connect=False).err)

    def test_the_daemons_configuration_is_enough_and_needs_no_key(self):
        with World(as_acl_user=False) as world:
            daemon = world.daemon(start=False)
            os.remove(daemon.key_path)
            self.assertIn("queue", ctl.run(world, "status", "--config", daemon.config_path, connect=False).out)

    def test_a_closed_standard_output_is_a_failure(self):
        with World(fake=False) as world, open("/dev/full", "wb") as full:
            done = subprocess.run([ctl.PROGRAM, "status", *ctl.redis_words(world)], stdout=full, stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"cannot be written", done.stderr)


class Watch(unittest.TestCase):
    def test_watch_redraws_on_a_terminal_and_leaves_it_clean(self):
        with World(fake=False) as world:
            words = " ".join((ctl.PROGRAM, "status", "--watch", "--every", "1s", *ctl.redis_words(world)))
            with ctl.Terminal(world, words) as terminal:
                terminal.wait_for("ctrl-c ends this")
                terminal.wait_for("queue      0")
                world.push("a", "b", "c")
                screen = terminal.wait_for("queue      3")
                self.assertEqual(screen.count("queue "), 1, "redrawn, not scrolled")
                self.assertIn("\033[", terminal.screen("-e"), "colours on a terminal")
                terminal.keys("C-c")
                self.assertNotIn("queue", terminal.wait_for("status=0"))

    def test_who_interrupts_twice_while_redis_hangs_gets_his_screen_back(self):
        with World(fake=False, as_acl_user=False) as world:
            words = (ctl.PROGRAM, "status", "--watch", "--every", "1s", "--redis", f"redis://127.0.0.1:{world.redis.port}/0")
            with ctl.Terminal(world, " ".join(words)) as terminal:
                terminal.wait_for("queue      0")
                os.kill(world.redis.process.pid, signal.SIGSTOP)
                try:
                    wait_for(lambda: has_unread_bytes(world.redis.port), "the next picture to be asked for")
                    terminal.keys("C-c")
                    terminal.keys("C-c")
                    self.assertNotIn("queue", terminal.wait_for("status=130"))
                    self.assertEqual(terminal.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip(), "0 1")
                finally:
                    os.kill(world.redis.process.pid, signal.SIGCONT)

    def test_watch_does_not_walk_over_all_keys_each_time(self):
        with World(fake=False) as world:
            world.r("HSET", "authlink:instance:a@b", "instance", "a", "state", "working")
            process = ctl.start(world, "status", "--watch", "--json")
            try:
                pictures = 5
                seen = [json.loads(process.stdout.readline())["instances"] for _ in range(pictures)]
                self.assertEqual([len(instances) for instances in seen], [1] * pictures)
                world.r("DEL", "authlink:instance:a@b")
                wait_for(lambda: json.loads(process.stdout.readline())["instances"] == [], "the instance to go")
                walks = int(world.r("INFO", "commandstats").split(b"cmdstat_scan:calls=")[1].split(b",")[0])
                self.assertLess(walks, pictures)
            finally:
                process.kill()
                process.communicate()

    def test_no_color_is_respected(self):
        with World(fake=False) as world:
            world.r("HSET", "authlink:holds", "outage", "1 0 1 1000 - gone")
            words = " ".join((ctl.PROGRAM, "status", *ctl.redis_words(world)))
            for variable, is_coloured in (("NO_COLOR=1", False), ("A=b", True)):
                with ctl.Terminal(world, f"{variable} {words}") as terminal:
                    terminal.wait_for("no instance is running")
                    self.assertEqual("\033[31m" in terminal.screen("-e"), is_coloured)

    def test_watch_off_a_terminal_prints_one_after_the_other(self):
        with World(fake=False) as world:
            process = ctl.start(world, "status", "--watch", "--json")
            try:
                first, second = process.stdout.readline(), process.stdout.readline()
                self.assertTrue(first.startswith("{") and second.startswith("{"))
                process.terminate()
                self.assertEqual(process.wait(harness.PATIENCE_SEC), 0)
            finally:
                process.kill()
                process.communicate()


class Holds(unittest.TestCase):
    def test_pause_stops_the_fleet_and_resume_goes_on(self):
        with World() as world:
            world.daemon()
            self.assertIn("authlinkctl resume", ctl.run(world, "pause", "--reason", "deploy").out)
            world.push("end_usr_1")
            status = ctl.run(world, "status", "--json").json
            self.assertEqual([(hold["cause"], hold["detail"]) for hold in status["holds"]], [("pause", "deploy")])
            self.assertIn("what to do: authlinkctl resume", ctl.run(world, "status").out)
            self.assertEqual(ctl.run(world, "resume", "--json").json, {"lifted": ["pause"]})
            wait_for(lambda: world.session("end_usr_1").get("status") == "ready", "the link")

    def test_a_pause_with_an_end_is_over_then(self):
        with World(fake=False) as world:
            until = ctl.run(world, "pause", "--for", "1s", "--json").json["untilMs"]
            self.assertGreater(until, 0)
            wait_for(lambda: ctl.run(world, "status", "--json").json["holds"] == [], "the end of the pause")

    def test_nothing_to_resume_is_exit_3(self):
        with World(fake=False) as world:
            self.assertEqual(ctl.run(world, "resume", "account", "--json", code=3).json, {"lifted": []})

    def test_resume_account_lifts_what_a_wrong_project_raised(self):
        with World(fake=False) as world:
            world.r("HSET", "authlink:holds", "unknown_users:abc", "1 0 0 0 - twenty", "pause", "1 0 0 0 - x")
            self.assertEqual(ctl.run(world, "resume", "account", "--json").json, {"lifted": ["unknown_users:abc"]})
            self.assertEqual(world.r("HKEYS", "authlink:holds"), [b"pause"])


class Audit(unittest.TestCase):
    def test_the_law_holds_after_real_work(self):
        with World() as world:
            world.daemon()
            world.push(*[f"end_usr_{i}" for i in range(50)], "no id!")
            world.wait_idle()
            audit = ctl.run(world, "audit", "--json").json
            self.assertTrue(audit["holds"])
            self.assertEqual((audit["stats"]["taken"], audit["stats"]["ready"], audit["stats"]["dead"]), (51, 50, 1))
            self.assertIn("The law holds", ctl.run(world, "audit").out)

    def test_jobs_in_leases_and_delayed_are_counted(self):
        with World(fake=False) as world:
            world.r("HSET", "authlink:stats", "taken", 3)
            world.r("ZADD", "authlink:leases", 1, "a@b/c/1")
            world.r("HSET", "authlink:lease:a@b/c/1", "u1", "x", "u2", "x")
            world.r("ZADD", "authlink:delayed", 1, "x")
            audit = ctl.run(world, "audit", "--json").json
            self.assertEqual((audit["places"]["inFlight"], audit["places"]["delayed"]), (2, 1))

    def test_a_broken_law_is_exit_1_and_says_how_much_is_missing(self):
        with World(fake=False) as world:
            world.r("HSET", "authlink:stats", "taken", "5", "ready", "2", "dead", "1")
            audit = ctl.run(world, "audit", "--json", code=1).json
            self.assertEqual((audit["holds"], audit["missingJobs"], audit["missingLetters"]), (False, 2, 1))
            self.assertIn("unaccounted for: 2", ctl.run(world, "audit", code=1).out)


if __name__ == "__main__":
    harness.main()
