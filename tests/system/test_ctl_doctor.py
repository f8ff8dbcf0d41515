#!/usr/bin/env python3
"""authlinkctl doctor and adopt, and all commands with the rights of the operator in conf/authlinkd.acl."""

import os
import subprocess
import unittest

import ctl
import harness
from harness import World, wait_for

ACL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "conf", "authlinkd.acl")


def findings(ended):
    return {finding["check"]: finding for finding in ended.json["findings"]}


def doctor(world, *words, code=0, **arguments):
    return findings(ctl.run(world, "doctor", "--json", *words, code=code, **arguments))


class Doctor(unittest.TestCase):
    def test_a_sound_house_is_ok_in_every_line(self):
        with World(redis_options=("--appendonly", "yes"), as_acl_user=False) as world:
            daemon = world.daemon()
            wait_for(lambda: ctl.run(world, "status", "--json").json["instances"], "the instance to speak")
            ended = ctl.run(world, "doctor", "--json", "--config", daemon.config_path, connect=False)
            self.assertEqual((ended.json["warnings"], ended.json["failures"]), (0, 0), ended.out)
            found = findings(ended)
            self.assertEqual({finding["verdict"] for finding in found.values()}, {"ok"})
            for check in ("redis.version", "redis.clock", "redis.step.audit", "data.project", "data.law", "file.secret_key", "api.connection"):
                self.assertIn(check, found)
            self.assertEqual(world.fake.get("stats")["requests"], 0, "nothing is sent to the API")
            self.assertEqual(world.r("EXISTS", "authlink:doctor"), 0, "its own key is gone")

    def test_what_is_wrong_has_a_line_with_what_to_do(self):
        with World(as_acl_user=False) as world:
            daemon = world.daemon(start=False)
            config = ("--config", daemon.config_path)
            rows = (
                ("eviction", lambda: world.r("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"), "redis.eviction", "fail", "noeviction"),
                ("eviction of links", lambda: world.r("CONFIG", "SET", "maxmemory-policy", "volatile-lru"), "redis.eviction", "warn", "noeviction"),
                ("persistence", lambda: None, "redis.persistence", "warn", "appendonly yes"),
                ("memory", lambda: world.r("CONFIG", "SET", "maxmemory", "1mb"), "redis.memory", "warn", "raise maxmemory"),
                ("another project", lambda: world.r("HSET", "authlink:meta", "publishableKey", "pk_other"), "data.project", "fail", "adopt"),
                ("newer schema", lambda: world.r("HSET", "authlink:meta", "schema", "99"), "data.schema", "fail", "newer authlinkd"),
                ("hold", lambda: ctl.run(world, "pause"), "data.hold", "warn", "authlinkctl resume"),
                ("nobody works", lambda: None, "data.instances", "warn", "systemctl start authlinkd"),
                ("lost jobs", lambda: world.r("HSET", "authlink:stats", "taken", "3"), "data.law", "warn", "authlinkctl audit"),
                ("letters", lambda: world.r("XADD", "authlink:dead", "*", "endUserId", "u"), "data.dead", "warn", "authlinkctl dead list"),
                ("open key", lambda: os.chmod(daemon.key_path, 0o644), "file.secret_key", "warn", "runuser"),
                ("open configuration", lambda: os.chmod(daemon.config_path, 0o664), "file.config", "warn", "chmod"),
                ("no API", world.fake.stop, "api.connection", "fail", "firewall"),
                ("foreign type", lambda: world.r("SET", "authlink:holds", "x"), "redis.step.hold", "fail", "acl"),
            )
            for name, break_it, check, verdict, advice in rows:
                with self.subTest(name=name):
                    break_it()
                    found = doctor(world, *config, code=None, connect=False)
                    self.assertEqual(found[check]["verdict"], verdict)
                    self.assertIn(advice, found[check]["advice"])
                    world.r("CONFIG", "SET", "maxmemory", "0")
            text = ctl.run(world, "doctor", *config, code=1, connect=False).out
            self.assertRegex(text, r"(?m)^fail  api.connection .*\n +what to do: ")

    def test_how_to_save_memory_is_told_and_no_warning(self):
        with World(redis_options=("--appendonly", "yes"), fake=False, as_acl_user=False) as world:
            before = doctor(world)["redis.packing"]
            self.assertEqual(before["verdict"], "ok")
            self.assertIn("hash-max-listpack-value 512", before["advice"])
            world.r("CONFIG", "SET", "hash-max-listpack-value", "512")
            self.assertEqual(doctor(world)["redis.packing"]["advice"], "")

    def test_a_certificate_that_is_not_trusted_is_told(self):
        with World(fake=False, as_acl_user=False) as world:
            tls = os.path.join(world.folder, "tls")
            os.mkdir(tls)
            world.fake = harness.Fake(world.folder, "--tls", tls)
            daemon = world.daemon(start=False)
            found = doctor(world, "--config", daemon.config_path, code=1, connect=False)
            self.assertIn("not trusted", found["api.connection"]["advice"])
            daemon.write_config(conductor={"ca_file": os.path.join(tls, "ca.pem")})
            found = doctor(world, "--config", daemon.config_path, connect=False)
            self.assertEqual(found["api.connection"]["verdict"], "ok", found["api.connection"])

    def test_with_a_ca_file_no_other_authority_is_looked_for(self):
        with World(fake=False, as_acl_user=False) as world:
            tls, other = os.path.join(world.folder, "tls"), os.path.join(world.folder, "other")
            os.mkdir(tls)
            os.mkdir(other)
            harness.Fake(other, "--tls", other).stop()
            world.fake = harness.Fake(world.folder, "--tls", tls)
            daemon = world.daemon(start=False)
            daemon.write_config(conductor={"ca_file": os.path.join(other, "ca.pem")})
            trace = os.path.join(world.folder, "trace")
            subprocess.run(["strace", "-f", "-qq", "-o", trace, "-e", "trace=%file", ctl.PROGRAM, "doctor", "--config", daemon.config_path],
                           capture_output=True, timeout=harness.PATIENCE_SEC, check=False)
            with open(trace, encoding="utf-8", errors="replace") as file:
                text = file.read()
            self.assertIn(os.path.join(other, "ca.pem"), text)
            self.assertNotIn("/etc/ssl/certs/", text)

    def test_without_redis_the_rest_is_looked_at_and_exit_is_4(self):
        with World(as_acl_user=False) as world:
            daemon = world.daemon(start=False)
            daemon.write_config(redis={"url": "unix:///nowhere/redis.sock"})
            found = doctor(world, "--config", daemon.config_path, code=4, connect=False)
            self.assertEqual((found["redis.connection"]["verdict"], found["api.connection"]["verdict"]), ("fail", "ok"))

    def test_with_redis_alone_it_says_what_it_did_not_look_at(self):
        with World(fake=False, as_acl_user=False) as world:
            self.assertIn("--config FILE", doctor(world)["config"]["advice"])


class Operator(unittest.TestCase):
    """The user authlink-operator of conf/authlinkd.acl."""

    def setUp(self):
        self.world = World(fake=False, as_acl_user=False)
        self.addCleanup(self.world.close)
        with open(ACL, encoding="utf-8") as file:
            for line in file:
                if line.startswith("user "):
                    self.world.r("ACL", "SETUSER", *line.split()[1:])
        with open(os.path.join(self.world.folder, "redis-password"), "w", encoding="ascii") as file:
            file.write("change-me-operator\n")
        os.chmod(file.name, 0o600)

    def run_as(self, user, *words, **arguments):
        return ctl.run(self.world, *words, "--redis", f"redis://{user}@127.0.0.1:{self.world.redis.port}", connect=False,
                       env={"CREDENTIALS_DIRECTORY": self.world.folder}, **arguments)

    def test_every_command_works_with_the_rights_of_an_operator(self):
        r = self.world.r
        r("XADD", "authlink:dead", "*", "jobKey", "1", "endUserId", "u1", "payload", "u1", "payloadBytes", "2", "reason", "rejected")
        r("XADD", "authlink:dead", "*", "jobKey", "2", "endUserId", "u2", "payload", "u2", "payloadBytes", "2", "reason", "gave_up")
        r("XADD", "authlink:events", "*", "type", "ready", "endUserId", "u3")
        r("HSET", "authlink:session:u3", "status", "ready", "endUserId", "u3", "authFlowUrl", "https://connect.conductor.is/x")
        r("HSET", "authlink:stats", "taken", "3", "ready", "1", "dead", "2")
        for words in (("status",), ("audit",), ("enqueue", "u4"), ("enqueue", "--first", "u5"), ("show", "u3"), ("export", "--csv"),
                      ("events",), ("events", "--group", "g"), ("dead", "list"), ("dead", "retry", "--reason", "rejected"),
                      ("dead", "rm", "--yes"), ("pause",), ("resume",), ("adopt", "pk_x", "--yes"), ("doctor",)):
            with self.subTest(words=words):
                self.run_as("authlink-operator", *words)
        wait = self.run_as("authlink-operator", "enqueue", "u6", "--wait", "--timeout", "1s", code=1)
        self.assertIn("--timeout has passed", wait.err)

    def test_a_right_that_is_missing_is_named_by_doctor(self):
        self.world.r("ACL", "SETUSER", "authlink-operator", "-xdel")
        found = findings(self.run_as("authlink-operator", "doctor", "--json", code=1))
        self.assertEqual((found["redis.step.remove"]["verdict"], found["redis.step.audit"]["verdict"]), ("fail", "ok"))
        self.assertIn("+xdel", found["redis.step.remove"]["detail"])

    def test_a_wrong_password_is_exit_4(self):
        with open(os.path.join(self.world.folder, "redis-password"), "w", encoding="ascii") as file:
            file.write("wrong\n")
        self.assertIn("WRONGPASS", self.run_as("authlink-operator", "status", code=4).err)


class RedisOverTls(unittest.TestCase):
    def test_the_connection_is_that_of_the_daemon_with_its_trust(self):
        with World(fake=False, as_acl_user=False) as world:
            tls = os.path.join(world.folder, "tls")
            os.mkdir(tls)
            fake = harness.Fake(world.folder, "--tls", tls)  # makes certificates for 127.0.0.1
            fake.stop()
            port = harness.free_port()
            for name, value in (("tls-ca-cert-file", "ca.pem"), ("tls-cert-file", "server.pem"), ("tls-key-file", "server.key")):
                world.r("CONFIG", "SET", name, os.path.join(tls, value))
            world.r("CONFIG", "SET", "tls-auth-clients", "no", "tls-port", port)
            daemon = world.daemon(start=False)
            daemon.write_config(redis={"url": f"rediss://127.0.0.1:{port}"})
            config = ("--config", daemon.config_path)
            self.assertRegex(ctl.run(world, "status", *config, code=4, connect=False).err, "(?i)certificate")
            daemon.write_config(redis={"url": f"rediss://127.0.0.1:{port}", "ca_file": os.path.join(tls, "ca.pem")})
            self.assertIn("queue", ctl.run(world, "status", *config, connect=False).out)


class Adopt(unittest.TestCase):
    def test_a_daemon_of_another_project_works_after_adopt(self):
        with World(as_acl_user=False) as world:
            world.r("HSET", "authlink:meta", "schema", "1", "publishableKey", "pk_conductor_old")
            daemon = world.daemon()
            world.push("end_usr_1")
            wait_for(lambda: "pk_conductor_old" in daemon.log_text() or "foreign" in daemon.log_text(), "the daemon to refuse")
            config = ("--config", daemon.config_path)
            ended = ctl.run(world, "adopt", *config, code=1, connect=False)
            self.assertIn("say --yes", ended.err)
            self.assertIn("until now: pk_conductor_old", ended.err)
            self.assertEqual(ctl.run(world, "adopt", "--yes", "--json", *config, connect=False).json,
                             {"changed": True, "publishableKey": harness.PUBLISHABLE_KEY, "schema": 1, "publishableKeyBefore": "pk_conductor_old"})
            wait_for(lambda: world.session("end_usr_1").get("status") == "ready", "the link")
            self.assertIn("belongs already", ctl.run(world, "adopt", *config, connect=False).out)

    def test_data_of_a_newer_schema_is_left_alone(self):
        with World(fake=False, as_acl_user=False) as world:
            world.r("HSET", "authlink:meta", "schema", "99", "publishableKey", "pk_x")
            self.assertIn("install that one", ctl.run(world, "adopt", "pk_x", "--yes", code=1).err)
            self.assertEqual(world.r("HGET", "authlink:meta", "schema"), b"99")

    def test_the_key_must_be_known_and_look_like_one(self):
        with World(fake=False, as_acl_user=False) as world:
            self.assertIn("which project", ctl.run(world, "adopt", "--yes", code=2).err)
            self.assertIn("begins with pk_", ctl.run(world, "adopt", "sk_x", "--yes", code=2).err)
            self.assertIn("one word", ctl.run(world, "adopt", "pk_a b", "--yes", code=2).err)


if __name__ == "__main__":
    harness.main()
