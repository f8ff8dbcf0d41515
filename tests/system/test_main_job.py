#!/usr/bin/env python3
"""The main job, end to end: IDs in a Redis list become login links in Redis hashes."""

import json
import os
import subprocess
import time
import unittest

from harness import BUILD_DIR, World, main, wait_for

DISTINCT = [f"end_usr_{n:05d}" for n in range(2000)]
OPTIONED = [f"end_usr_json_{n:04d}" for n in range(200)]
BROKEN = ["", "two words", '"end_usr_quoted"', "{", "[]", "{}", '{"endUserId":5}', '{"endUserId":"a","other":1}',
          '{"endUserId":"a","endUserId":"b"}', '{"endUserId":"a","linkExpiryMins":14}',
          '{"endUserId":"a","linkExpiryMins":10081}', '{"endUserId":"a","linkExpiryMins":30.5}',
          '{"endUserId":"a","linkExpiryMins":"30"}', '{"endUserId":"a","redirectUrl":"ftp://a.example/"}',
          '{"endUserId":"a","redirectUrl":"https://u:p@a.example/"}', '{"endUserId":"a","ref":""}',
          '{"endUserId":"a","notAfterMs":1}', "x" * 129, b"\xff\xfe", "a\nb"]


def option_job(number):
    return json.dumps({"endUserId": OPTIONED[number], "linkExpiryMins": 15 + number, "ref": f"mail-{number}",
                       "redirectUrl": f"https://app.example.com/done/{number}",
                       "enqueuedAtMs": int(time.time() * 1000)})


class MainJob(unittest.TestCase):
    def check_sessions(self, world, users):
        for user in users:
            world.r.send("PTTL", f"authlink:session:{user}")
        ttls = [world.r.receive() for _ in users]
        now_sec, now_us = world.r("TIME")
        now_ms = int(now_sec) * 1000 + int(now_us) // 1000
        for user, ttl in zip(users, ttls):
            session = world.session(user)
            self.assertEqual(session.get("status"), "ready", user)
            self.assertTrue(session["authFlowUrl"].startswith("https://connect.conductor.is/qbd/"), user)
            self.assertEqual(session["endUserId"], user)
            self.assertAlmostEqual(now_ms + ttl, int(session["expiresAtMs"]), delta=2000)
            self.assertLessEqual(ttl, int(session["linkExpiryMins"]) * 60000)
            self.assertGreater(ttl, int(session["linkExpiryMins"]) * 60000 - 120000)

    def test_every_distinct_id_gets_one_session_and_every_broken_job_a_reason(self):
        settings = {"rate": {"per_sec": 500.0}, "conductor": {"redirect_hosts": ["app.example.com"]}}
        with World(settings=settings) as world:
            jobs = DISTINCT + DISTINCT[:200] + [option_job(n) for n in range(200)] + BROKEN
            world.push(*jobs)
            world.daemon()
            world.wait_idle(60)
            world.check_law()
            users = DISTINCT + OPTIONED
            self.assertEqual(world.statuses(users), {"ready": len(users)})
            self.check_sessions(world, users[::10] + OPTIONED)
            counts = world.fake.get("counts")
            self.assertEqual({user: counts.get(user, 0) for user in users}, {user: 1 for user in users})
            self.assertEqual(set(counts) - set(users), set())
            letters = world.dead()
            self.assertEqual(len(letters), len(BROKEN), [letter["reason"] for letter in letters])
            self.assertTrue(all(letter["detail"] for letter in letters), letters)
            session = world.session(OPTIONED[7])
            self.assertEqual((session["ref"], session["redirectUrl"], session["linkExpiryMins"]),
                             ("mail-7", "https://app.example.com/done/7", "22"))
            kinds = [event["type"] for event in world.events()]
            self.assertEqual((kinds.count("ready"), kinds.count("reused"), kinds.count("failed")), (2200, 200, 20))
            self.assertFalse(any("authFlowUrl" in event for event in world.events()))

    def test_a_pushed_id_is_served_before_ten_thousand_that_wait(self):
        with World(settings={"rate": {"per_sec": 20.0}}) as world:
            world.daemon()
            world.push(*[f"end_usr_wait_{n}" for n in range(10000)])
            wait_for(lambda: world.stats().get("ready", 0) > 5, "the first links")
            world.push("end_usr_click", left=True)
            in_hand = world.r("HLEN", "authlink:inflight")
            sent = world.fake.get("stats")["requests"]
            wait_for(lambda: world.session("end_usr_click").get("status") == "ready", "the link of the person who waits")
            requests = world.fake.get("requests?limit=100000")["requests"]
            order = [request["endUserId"] for request in requests if request.get("endUserId")]
            # slots are handed out 250 ms ahead, 5 at this rate; those and what was claimed meanwhile go first
            self.assertLessEqual(order.index("end_usr_click"), sent + in_hand + 6, "it was not served next")

    def test_life_of_a_link_does_not_depend_on_the_api_clock(self):
        lives = {}
        for name, offset_ms in (("ahead", 3 * 3600 * 1000), ("right", 0), ("behind", -3 * 3600 * 1000)):
            with World(fake_options=("--clock-offset-ms", str(offset_ms))) as world:
                world.daemon()
                world.push("end_usr_clock")
                wait_for(lambda: world.session("end_usr_clock"), "the link")
                ttl_ms = world.r("PTTL", "authlink:session:end_usr_clock")
                updated = int(world.session("end_usr_clock")["updatedAtMs"])
                expires = int(world.session("end_usr_clock")["expiresAtMs"])
                lives[name] = expires - updated
                self.assertGreater(ttl_ms, 0)
        for name, life_ms in lives.items():
            self.assertAlmostEqual(life_ms, 30 * 60000, delta=1000, msg=name)

    def test_the_old_form_of_the_answer_is_read(self):
        with World(fake_options=("--legacy",)) as world:
            world.daemon()
            world.push("end_usr_old")
            wait_for(lambda: world.session("end_usr_old"), "the link")
            session = world.session("end_usr_old")
            self.assertTrue(session["sessionId"].startswith("int_conn_auth_sess_"))
            self.assertAlmostEqual(int(session["expiresAtMs"]) - int(session["updatedAtMs"]), 30 * 60000, delta=2000)

    def test_the_daemon_starts_and_waits_while_redis_is_down(self):
        with World() as world:
            world.redis.kill()
            daemon = world.daemon()
            wait_for(lambda: "redis" in daemon.log_text(), "a line about Redis")
            self.assertIsNone(daemon.process.poll())
            world.redis.start()
            world.r = world.redis.client()
            world.push("end_usr_late")
            wait_for(lambda: world.session("end_usr_late"), "the link after Redis came up")

    def test_a_queue_key_of_another_type_is_a_state_that_names_the_key(self):
        with World() as world:
            world.r("SET", "authlink:queue", "not a list")
            daemon = world.daemon()
            wait_for(lambda: "authlink:queue" in daemon.log_text(), "a line that names the key")
            self.assertIsNone(daemon.process.poll())
            world.r("DEL", "authlink:queue")
            world.push("end_usr_after")
            wait_for(lambda: world.session("end_usr_after"), "the link after the key was mended")

    def test_terminate_drains_and_exits_zero(self):
        with World(fake_options=("--latency-ms", "300"), settings={"rate": {"per_sec": 100.0}}) as world:
            daemon = world.daemon()
            world.push(*[f"end_usr_{n}" for n in range(500)])
            wait_for(lambda: world.stats().get("ready", 0) > 20, "the first links")
            self.assertEqual(daemon.terminate(), 0, daemon.log_text()[-2000:])
            self.assertEqual(world.r("ZCARD", "authlink:leases"), 0)
            world.check_law()
            created = world.fake.get("stats")["created"]
            self.assertEqual(world.stats().get("ready", 0), created, "an answer was lost at the end")


class CommandLine(unittest.TestCase):
    def run_daemon(self, *words, **kwargs):
        return subprocess.run([os.path.join(BUILD_DIR, "authlinkd"), *words], capture_output=True, text=True,
                              timeout=60, **kwargs)

    def test_version_names_libraries(self):
        run = self.run_daemon("--version")
        self.assertEqual(run.returncode, 0)
        for name in ("authlinkd", "libcurl", "libevent", "hiredis"):
            self.assertIn(name, run.stdout)

    def test_unknown_option_is_usage(self):
        self.assertEqual(self.run_daemon("--no-such-option").returncode, 2)

    def test_a_wrong_file_exits_78_and_names_the_line(self):
        with World(fake=False) as world:
            path = os.path.join(world.folder, "wrong.conf")
            with open(path, "w", encoding="ascii") as file:
                file.write('conductor = { publishable_key = "pk_conductor_fake"; };\nrate = {\n  per_sec = -1.0;\n};\n')
            for words in (("--config", path), ("--check-config", "--config", path)):
                run = self.run_daemon(*words, env={**os.environ, "CONDUCTOR_SECRET_KEY": "sk_conductor_fake"})
                self.assertEqual(run.returncode, 78, run.stderr)
                self.assertIn(f"{path}:3: rate.per_sec", run.stderr)

    def test_a_key_that_only_the_unit_sees_is_no_fault_of_the_file(self):
        with World(fake=False) as world:
            path = os.path.join(world.folder, "keyless.conf")
            with open(path, "w", encoding="ascii") as file:
                file.write('conductor = { publishable_key = "pk_conductor_fake"; };\n')
            env = {name: value for name, value in os.environ.items() if name != "CONDUCTOR_SECRET_KEY"}
            check, dump, run = (self.run_daemon(*words, "--config", path, env=env)
                                for words in (("--check-config",), ("--dump-config",), ()))
            self.assertEqual(check.returncode, 0, check.stderr)
            self.assertIn("no secret key is seen from here", check.stdout)
            self.assertEqual(dump.returncode, 0, dump.stderr)
            self.assertIn("// secret key: unset", dump.stdout)
            self.assertEqual(run.returncode, 78, run.stderr)
            self.assertIn("no secret key is there", run.stderr)

    def test_output_that_cannot_be_written_is_a_failure(self):
        with World(fake=False) as world:
            config_path = world.daemon(start=False).config_path
            for words in (("--dump-config", "--config", config_path), ("--check-config", "--config", config_path), ("--version",),
                          ("--help",)):
                with open("/dev/full", "wb") as full:
                    run = subprocess.run([os.path.join(BUILD_DIR, "authlinkd"), *words], stdout=full, stderr=subprocess.PIPE,
                                         text=True, timeout=60, check=False)
                self.assertEqual((run.returncode, "cannot be written" in run.stderr), (1, True), f"{words}: {run.stderr}")

    def test_a_wish_for_a_reload_during_the_start_is_no_end(self):
        for name in ("SIGHUP", "SIGUSR1"):
            with World() as world:
                path = world.daemon(start=False).config_path
                at_its_configuration = ("strace", "-D", "-qq", "-o", "/dev/null", "-P", path, "-e", f"inject=openat:signal={name}")
                daemon = world.daemon(prefix_command=at_its_configuration)
                world.push("end_usr_start")
                wait_for(lambda: daemon.process.poll() is not None or world.statuses(["end_usr_start"]) == {"ready": 1}, "a link")
                self.assertIsNone(daemon.process.poll(), f"ended by {name}")

    def test_no_core_file_can_show_a_key(self):
        with World() as world:
            trace = os.path.join(world.folder, "trace")
            daemon = world.daemon(prefix_command=("strace", "-D", "-qq", "-o", trace, "-e", "trace=prctl,openat"))
            wait_for(lambda: "daemon.started" in daemon.log_text(), "the start")
            with open(trace, encoding="utf-8") as file:
                text = file.read()
            self.assertIn(daemon.key_path, text)
            self.assertIn("PR_SET_DUMPABLE, SUID_DUMP_DISABLE", text[:text.index(daemon.key_path)])

    def test_swapped_keys_are_refused(self):
        with World(fake=False) as world:
            path = os.path.join(world.folder, "swapped.conf")
            with open(path, "w", encoding="ascii") as file:
                file.write('conductor = { publishable_key = "pk_conductor_fake"; };\n')
            run = self.run_daemon("--config", path, env={**os.environ, "CONDUCTOR_SECRET_KEY": "pk_conductor_fake"})
            self.assertEqual(run.returncode, 78, run.stderr)

    def test_a_second_process_of_the_instance_exits_78_and_names_the_first(self):
        with World() as world:
            first = world.daemon("twin")
            wait_for(lambda: world.r("KEYS", "authlink:instance:*"), "the first to be at work")
            run = self.run_daemon("--config", first.config_path)
            self.assertEqual(run.returncode, 78, run.stderr)
            self.assertIn(str(first.process.pid), run.stderr)

    def test_dump_config_masks_secrets(self):
        with World() as world:
            daemon = world.daemon(start=False)
            run = self.run_daemon("--dump-config", "--config", daemon.config_path)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("per_sec", run.stdout)
            self.assertNotIn("sk_conductor_fake", run.stdout + run.stderr)


if __name__ == "__main__":
    main()
