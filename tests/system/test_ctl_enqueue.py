#!/usr/bin/env python3
"""authlinkctl enqueue, against a real Redis and a real daemon."""

import json
import os
import re
import signal
import time
import unittest

import ctl
import harness
from harness import World, wait_for

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cases", "jobs.tsv")


def queue(world):
    return [json.loads(job) for job in world.r("LRANGE", "authlink:queue", 0, -1)]


def ids(world):
    return [job["endUserId"] for job in queue(world)]


def decode(text):
    """A payload of jobs.tsv."""
    def one(match):
        word = match.group(0)
        if word.startswith("{{"):
            piece = decode(match.group(2))
            return piece.decode("latin-1") * int(match.group(3))
        return {"t": "\t", "n": "\n", "\\": "\\"}.get(word[1]) or chr(int(word[2:], 16))
    return re.sub(r"(\{\{(.*?)\*(\d+)\}\}|\\x[0-9a-fA-F]{2}|\\[tn\\])", one, text).encode("latin-1")


def cases():
    with open(CASES, encoding="latin-1", newline="\n") as file:
        for line in file:
            if line.startswith("#") or line.count("\t") < 3:
                continue
            name, payload, verdict, _ = line.rstrip("\n").split("\t", 3)
            yield name, decode(payload), verdict


def write(world, name, text):
    path = os.path.join(world.folder, name)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


def blocked_client(world):
    """Number of the client that waits in CLIENT PAUSE with its push."""
    for line in world.r("CLIENT", "LIST").decode().splitlines():
        fields = dict(field.split("=", 1) for field in line.split(" "))
        if fields["name"] == "authlinkctl" and "b" in fields["flags"]:
            return fields["id"]
    return None


def is_release_build():
    """Debug and sanitized builds are slower than what is installed."""
    with open(os.path.join(harness.BUILD_DIR, "CMakeCache.txt"), encoding="utf-8") as file:
        return "CMAKE_BUILD_TYPE:STRING=RelWithDebInfo" in file.read()


class Sources(unittest.TestCase):
    def test_words_are_pushed_in_order_with_the_time(self):
        with World(fake=False) as world:
            before = time.time() * 1000 - 1
            self.assertEqual(ctl.run(world, "enqueue", "end_usr_1", "end_usr_2").out, "pushed 2\n")
            self.assertEqual(ids(world), ["end_usr_1", "end_usr_2"])
            self.assertTrue(all(before <= job["enqueuedAtMs"] <= time.time() * 1000 for job in queue(world)))

    def test_standard_input_takes_ids_and_objects(self):
        with World(fake=False) as world:
            lines = 'end_usr_1\r\n\n{"endUserId":"end_usr_2","ref":"own"}\nend_usr_3'
            self.assertEqual(ctl.run(world, "enqueue", "-", "--json", stdin=lines).json, {"right": 3, "wrong": 0, "pushed": 3})
            self.assertEqual([(job["endUserId"], job.get("ref")) for job in queue(world)],
                             [("end_usr_1", None), ("end_usr_2", "own"), ("end_usr_3", None)])

    def test_csv_of_every_kind(self):
        rows = {
            "plain": ("endUserId,name\nu1,A\nu2,B\n", ()),
            "no line end at the end": ("id\nu1\nu2", ()),
            "CR LF, byte order mark, quotes": ('\ufeff"name","End User ID"\r\n"Smith, ""Joe""\nJr.","u1"\r\nx,u2\r\n', ()),
            "semicolons, as a spreadsheet in Europe writes": ("name;endUserId\na,b;u1\nc;u2\n", ()),
            "tabs": ("x\tid\n1\tu1\n2\tu2\n", ()),
            "another column": ("user,endUserId\nu1,no\nu2,no\n", ("--column", "user")),
            "empty lines": ("id\n\nu1\n\nu2\n\n", ()),
            "blanks around cells, and rows without text below": ("id;name\n u1 ;A\nu2\t;B\n;\n;\n", ()),
        }
        for name, (text, words) in rows.items():
            with self.subTest(name=name), World(fake=False) as world:
                ctl.run(world, "enqueue", "--csv", write(world, "a.csv", text), *words)
                self.assertEqual(ids(world), ["u1", "u2"])

    def test_csv_from_standard_input_with_a_column_of_refs(self):
        with World(fake=False) as world:
            ctl.run(world, "enqueue", "--csv", "-", "--ref-column", "mail", "--ref", "rest", stdin="id,mail\nu1,m-1\nu2,\n")
            self.assertEqual([job["ref"] for job in queue(world)], ["m-1", "rest"])

    def test_csv_faults_name_file_and_line(self):
        rows = {
            "no such column": ("a,b\nu1,x\n", "names no column endUserId; it has: \"a\", \"b\""),
            "empty": ("", "the file is empty"),
            "IDs alone": ("u1\nu2\n", "authlinkctl enqueue - <FILE"),
            "no ID in a row with a name": ("id,name\nu1,A\n,B\n", "a.csv:3: bad_id: the end-user ID is empty"),
            "UTF-16": ("id\nu1\n".encode("utf-16"), "save it as CSV UTF-8"),
            "quote without end": ('id\n"u1\n', "a.csv:2: a quoted cell has no end"),
            "something behind a quote": ('id\n"u1"x\n', "a.csv:2: something follows a closing quote"),
            "bad job in a row after one with line ends": ('id,n\nu1,"a\nb"\nu 2,x\n', "a.csv:4: bad_id:"),
        }
        for name, (text, piece) in rows.items():
            with self.subTest(name=name), World(fake=False) as world:
                ended = ctl.run(world, "enqueue", "--csv", write(world, "a.csv", text), code=1)
                self.assertIn(piece, ended.err)
                self.assertEqual(ids(world), [])

    def test_a_file_that_is_not_there_is_told(self):
        with World(fake=False) as world:
            self.assertIn("cannot be opened", ctl.run(world, "enqueue", "--csv", "/nowhere.csv", code=1).err)

    def test_options_stand_in_every_job(self):
        with World(settings={"conductor": {"redirect_hosts": ["app.example.com"]}}, as_acl_user=False) as world:
            daemon = world.daemon(start=False)
            ctl.run(world, "enqueue", "u1", "--ref", 'a "b"', "--force", "--link-expiry-mins", "60", "--redirect-url",
                    "https://app.example.com/x", "--config", daemon.config_path, connect=False)
            job = queue(world)[0]
            del job["enqueuedAtMs"]
            self.assertEqual(job, {"endUserId": "u1", "ref": 'a "b"', "force": True, "linkExpiryMins": 60,
                                   "redirectUrl": "https://app.example.com/x"})

    def test_first_goes_to_the_head_in_the_order_given(self):
        with World(fake=False) as world:
            ctl.run(world, "enqueue", "u3")
            ctl.run(world, "enqueue", "--first", "u1", "u2")
            self.assertEqual(ids(world), ["u1", "u2", "u3"])
            many = "\n".join(f"u{i}" for i in range(5000))
            self.assertIn("at most 4096", ctl.run(world, "enqueue", "--first", "-", stdin=many, code=2).err)

    def test_a_job_object_has_its_own_options(self):
        with World(fake=False) as world:
            for option in (("--force",), ("--ref", "r"), ("--link-expiry-mins", "60"), ("--redirect-url", "https://a.example/")):
                with self.subTest(option=option):
                    ended = ctl.run(world, "enqueue", "-", *option, stdin='u1\n{"endUserId":"u2"}\n', code=1)
                    self.assertIn("2: bad_member: a job in JSON says its options itself", ended.err)
            self.assertEqual(world.r("EXISTS", "authlink:queue"), 0)
            ctl.run(world, "enqueue", "-", stdin='u1\n{"endUserId":"u2"}\n')
            self.assertEqual(world.r("LLEN", "authlink:queue"), 2)

    def test_misuse_is_exit_2(self):
        with World(fake=False) as world:
            for words in ((), ("u1", "--csv", "x"), ("u1", "--column", "x"), ("u1", "--link-expiry-mins", "14"),
                          ("u1", "--skip", "2"), ("-", "u1"), ("u1", "-")):
                with self.subTest(words=words):
                    self.assertIn("--help", ctl.run(world, "enqueue", *words, code=2).err)


class Checks(unittest.TestCase):
    def test_every_case_of_the_daemons_table_gets_the_same_verdict(self):
        seen = 0
        with World(settings={"conductor": {"redirect_hosts": ["app.example.com", "localhost", "127.0.0.1"]}}) as world:
            config = world.daemon(start=False).config_path
            for name, payload, verdict in cases():
                if b"\n" in payload or b"\0" in payload or payload in (b"", b"-") or payload.endswith(b"\r"):
                    continue  # no line, or none that can be told from its end
                with self.subTest(name=name):
                    ended = ctl.run(world, "enqueue", "--dry-run", "-", "--config", config, stdin=payload, code=None, connect=False)
                    self.assertEqual(ended.code, 0 if verdict == "ok" else 1)
                    if verdict != "ok":
                        self.assertIn(f"standard input:1: {verdict}: ", ended.err)
                    seen += 1
            self.assertGreater(seen, 100)
            self.assertEqual(ids(world), [])

    def test_one_wrong_job_stops_all_and_skip_bad_pushes_the_others(self):
        with World(fake=False) as world:
            ended = ctl.run(world, "enqueue", "-", stdin="u1\nno id\nu2\n", code=1)
            self.assertIn("standard input:2: bad_id", ended.err)
            self.assertIn("nothing was pushed", ended.err)
            self.assertEqual(ids(world), [])
            self.assertEqual(ctl.run(world, "enqueue", "--skip-bad", "-", "--json", stdin="u1\nno id\nu2\n").json,
                             {"right": 2, "wrong": 1, "pushed": 2})
            self.assertEqual(ids(world), ["u1", "u2"])

    def test_many_faults_are_counted_not_listed(self):
        with World(fake=False) as world:
            err = ctl.run(world, "enqueue", "-", stdin="no id\n" * 100, code=1).err
            self.assertEqual(err.count("bad_id"), 20)
            self.assertIn("and 80 more", err)

    def test_what_is_wrong_is_escaped(self):
        with World(fake=False) as world:
            ended = ctl.run(world, "enqueue", "--csv", write(world, "a.csv", "\x1b[2J\n1\n"), code=1)
            self.assertNotIn("\x1b", ended.err)

    def test_dry_run_needs_no_redis(self):
        with World(fake=False) as world:
            ended = ctl.run(world, "enqueue", "u1", "--dry-run", "--redis", "redis://127.0.0.1:1", connect=False)
            self.assertEqual(ended.out, "1 right, 0 wrong; nothing was pushed\n")


class Pushing(unittest.TestCase):
    def test_a_million_ids_take_less_than_ten_seconds(self):
        with World(fake=False) as world:
            path = write(world, "m.csv", "id\n" + "".join(f"end_usr_{i:07}\n" for i in range(1_000_000)))
            begin = time.monotonic()
            ended = ctl.run(world, "enqueue", "--csv", path)
            took = time.monotonic() - begin
            print(f"a million took {took:.1f} s", flush=True)
            self.assertEqual((ended.out, world.r("LLEN", "authlink:queue")), ("pushed 1000000\n", 1_000_000))
            if is_release_build():
                self.assertLess(took, 10)
            self.assertEqual(json.loads(world.r("LINDEX", "authlink:queue", -1))["endUserId"], "end_usr_0999999")

    def test_interrupted_it_says_what_is_pushed_and_skip_goes_on(self):
        with World(fake=False) as world:
            text = "id\n" + "".join(f"u{i}\n" for i in range(40_000))
            path = write(world, "a.csv", text)
            world.r("CLIENT", "PAUSE", 60_000, "WRITE")
            process = ctl.start(world, "enqueue", "--csv", path)
            wait_for(lambda: blocked_client(world), "the push to wait")
            process.send_signal(signal.SIGINT)
            world.r("CLIENT", "UNPAUSE")
            out, err = process.communicate(timeout=harness.PATIENCE_SEC)
            self.assertEqual(process.returncode, 1)
            pushed = int(re.fullmatch(r"pushed (\d+)\n", out).group(1))
            self.assertEqual(world.r("LLEN", "authlink:queue"), pushed)
            self.assertLess(pushed, 40_000)
            self.assertIn(f"{pushed} of 40000 are pushed, the others are not", err)
            self.assertIn(f"--skip {pushed}", err)
            self.assertEqual(ctl.run(world, "enqueue", "--csv", path, "--skip", str(pushed)).out, f"pushed {40_000 - pushed}\n")
            self.assertEqual(ids(world), [f"u{i}" for i in range(40_000)])

    def test_a_lost_connection_is_exit_4_and_says_what_is_certain(self):
        with World(fake=False) as world:
            world.r("CLIENT", "PAUSE", 60_000, "WRITE")
            process = ctl.start(world, "enqueue", "u1", "u2", "u3")
            client = wait_for(lambda: blocked_client(world), "the push to wait")
            world.r("CLIENT", "KILL", "ID", client)
            out, err = process.communicate(timeout=harness.PATIENCE_SEC)
            self.assertEqual((process.returncode, out), (4, "pushed 0\n"))
            self.assertIn("0 of 3 are pushed; of the next 3 it is not known", err)

    def test_a_full_redis_is_exit_4_with_advice(self):
        with World(fake=False) as world:
            world.r("CONFIG", "SET", "maxmemory", "1")
            ended = ctl.run(world, "enqueue", "u1", code=4)
            self.assertIn("raise maxmemory", ended.err)
            self.assertIn("nothing was pushed", ended.err)

    def test_a_terminal_sees_a_progress_bar_and_a_file_does_not(self):
        with World(fake=False) as world:
            path = write(world, "a.csv", "id\n" + "".join(f"u{i}\n" for i in range(300_000)))
            words = " ".join((ctl.PROGRAM, "enqueue", "--csv", path, *ctl.redis_words(world)))
            with ctl.Terminal(world, words) as terminal:
                screen = terminal.wait_for("status=0")
                self.assertRegex(screen, r"pushed \[#+\] 100 % 300000  \d+/s  ETA 0 s")
                self.assertEqual(screen.count("ETA"), 1, "one line, drawn again")
            ended = ctl.run(world, "enqueue", "--csv", path)
            self.assertEqual(ended.err, "")


class Waiting(unittest.TestCase):
    def test_wait_follows_the_jobs_to_their_links(self):
        with World() as world:
            world.daemon()
            ctl.run(world, "enqueue", "old", "--wait")
            users = [f"end_usr_{i}" for i in range(100)]
            ended = ctl.run(world, "enqueue", *users, "old", "--wait", "--json").json
            self.assertEqual(ended, {"right": 101, "wrong": 0, "pushed": 101, "ready": 100, "reused": 1, "failed": 0})
            self.assertEqual(world.statuses(users), {"ready": 100})

    def test_wait_is_exit_1_when_a_job_failed_and_names_it(self):
        with World() as world:
            world.daemon()
            ended = ctl.run(world, "enqueue", "end_usr_missing_1", "--wait", code=1)
            self.assertIn("0 ready, 0 reused, 1 failed", ended.out)
            self.assertIn("failed: end_usr_missing_1: rejected", ended.err)

    def test_wait_ends_with_its_timeout_and_leaves_the_jobs(self):
        with World(fake=False) as world:
            ended = ctl.run(world, "enqueue", "u1", "--wait", "--timeout", "1s", code=1)
            self.assertIn("--timeout has passed: the jobs stay in Redis", ended.err)
            self.assertEqual(ids(world), ["u1"])

    def test_an_interrupted_wait_leaves_the_jobs(self):
        with World(fake=False) as world:
            process = ctl.start(world, "enqueue", "u1", "--wait")
            wait_for(lambda: world.r("LLEN", "authlink:queue"), "the push")
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=harness.PATIENCE_SEC)
            self.assertEqual(process.returncode, 1)
            self.assertIn("interrupted: the jobs stay in Redis", err)


if __name__ == "__main__":
    harness.main()
