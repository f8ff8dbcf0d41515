#!/usr/bin/env python3
"""authlinkctl show, events, export and dead, against a real Redis and a real daemon."""

import csv
import io
import json
import signal
import time
import unittest

import ctl
import harness
from harness import World, wait_for

LINK = "https://connect.conductor.is/qbd/made-up"


def session(world, user, **fields):
    hash_ = {"status": "ready", "endUserId": user, "ref": "", "authFlowUrl": LINK, "expiresAt": "2026-11-24T13:30:00.000Z", **fields}
    world.r("HSET", f"authlink:session:{user}", *[word for pair in hash_.items() for word in pair])


def letter(world, user, reason, ref="", payload=None, size=None):
    payload = payload or user
    return world.r("XADD", "authlink:dead", "*", "jobKey", "7", "endUserId", user, "ref", ref, "payload", payload, "payloadBytes",
                   size or len(payload), "reason", reason, "detail", "why\x1b[31m", "attempts", "2", "lastMs", "1790000000000").decode()


def lines(ended):
    return [json.loads(line) for line in ended.lines]


class Show(unittest.TestCase):
    def test_a_link_is_masked_unless_revealed(self):
        with World() as world:
            world.daemon()
            world.push("end_usr_1")
            world.wait_idle()
            link = world.session("end_usr_1")["authFlowUrl"]
            for words in ((), ("--json",)):
                masked = ctl.run(world, "show", "end_usr_1", *words).out
                self.assertNotIn(link, masked)
                self.assertIn("https://connect.conductor.is/[masked: --reveal]", masked)
                self.assertIn(link, ctl.run(world, "show", "end_usr_1", "--reveal", *words).out)
            shown = ctl.run(world, "show", "end_usr_1", "--json").json
            self.assertEqual((shown["status"], shown["attempts"], shown["inFlight"]), ("ready", 1, False))
            self.assertIsInstance(shown["expiresAtMs"], int)

    def test_why_there_is_no_link(self):
        with World() as world:
            world.daemon()
            world.push("end_usr_missing_1")
            world.wait_idle()
            self.assertRegex(ctl.run(world, "show", "end_usr_missing_1").out, r"(?s)status +failed.*reason +rejected")

    def test_nothing_there_is_exit_3(self):
        with World(fake=False) as world:
            ended = ctl.run(world, "show", "end_usr_1", "--json", code=3)
            self.assertEqual(ended.json, {"endUserId": "end_usr_1", "inFlight": False})
            self.assertIn("authlinkctl enqueue", ended.err)
            world.r("HSET", "authlink:inflight", "end_usr_1", "a@b/c/1")
            self.assertIn("no link yet", ctl.run(world, "show", "end_usr_1", code=3).err)


class Export(unittest.TestCase):
    def test_csv_for_a_mail_merge(self):
        with World() as world:
            world.daemon()
            ctl.run(world, "enqueue", "u1", "u2", "--ref", "spring-1", "--wait")
            ctl.run(world, "enqueue", "u3", "--ref", "autumn", "--wait")
            ctl.run(world, "enqueue", "end_usr_missing_1", "--ref", "spring-2", "--wait", code=1)
            ended = ctl.run(world, "export", "--csv", "--ref", "spring", "--reveal")
            rows = sorted(csv.DictReader(io.StringIO(ended.out)), key=lambda row: row["endUserId"])
            self.assertEqual([(row["endUserId"], row["ref"]) for row in rows], [("u1", "spring-1"), ("u2", "spring-1")])
            for row in rows:
                self.assertEqual(row["authFlowUrl"], world.session(row["endUserId"])["authFlowUrl"])
                self.assertEqual(row["expiresAt"], world.session(row["endUserId"])["expiresAt"])
            self.assertIn("2 links", ended.err)

    def test_a_campaign_has_also_those_whose_link_was_there_before(self):
        with World() as world:
            world.daemon()
            ctl.run(world, "enqueue", "u1", "--wait")
            self.assertIn("1 reused", ctl.run(world, "enqueue", "u1", "--ref", "spring", "--wait").out)
            ended = ctl.run(world, "export", "--jsonl", "--ref", "spring")
            self.assertEqual([(row["endUserId"], row["ref"]) for row in lines(ended)], [("u1", "spring")])

    def test_links_are_masked_unless_revealed(self):
        with World(fake=False) as world:
            session(world, "u1")
            ended = ctl.run(world, "export", "--jsonl")
            self.assertEqual(lines(ended)[0]["authFlowUrl"], "https://connect.conductor.is/[masked: --reveal]")
            self.assertIn("What to do: --reveal", ended.err)
            self.assertEqual(lines(ctl.run(world, "export", "--jsonl", "--reveal"))[0]["authFlowUrl"], LINK)

    def test_a_cell_that_would_be_a_formula_is_guarded(self):
        rows = {"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", 'a,"b"\nc': 'a,"b"\nc', "plain": "plain"}
        with World(fake=False) as world:
            for number, ref in enumerate(rows):
                session(world, f"u{number}", ref=ref)
            out = ctl.run(world, "export", "--csv", "--reveal").out
            got = {row["endUserId"]: row["ref"] for row in csv.DictReader(io.StringIO(out, newline=""))}
            self.assertEqual(got, {f"u{number}": shown for number, shown in enumerate(rows.values())})

    def test_csv_steers_no_terminal_and_a_file_keeps_each_byte(self):
        ref = "\x1b[31mred\x9b2J\u202e\0end"
        with World(fake=False) as world:
            session(world, "u1", ref=ref.encode())
            self.assertIn(f'u1,"{ref}",', ctl.run(world, "export", "--csv").out)
            self.assertEqual(lines(ctl.run(world, "export", "--jsonl"))[0]["ref"], ref)
            self.assertIn(r"\u001b[31mred\u009b2J\u202e", ctl.run(world, "export", "--jsonl").out)
            with ctl.Terminal(world, " ".join((ctl.PROGRAM, "export", "--csv", *ctl.redis_words(world)))) as terminal:
                terminal.wait_for("status=0")
                self.assertIn(r"u1,\x1b[31mred\xc2\x9b2J\xe2\x80\xae\x00end,", terminal.screen())

    def test_a_field_of_any_name_is_a_member_of_json(self):
        with World(fake=False) as world:
            session(world, "u1", **{"n\x9b": "v"})
            world.r("HSET", "authlink:session:u1", b"\xff\xfe", "w")
            out = ctl.run(world, "show", "u1", "--json").out
            self.assertIn(r'"n\u009b":"v"', out)
            self.assertEqual(json.loads(out)["\ufffd\ufffd"], "w")

    def test_other_types_and_failures_are_passed_over(self):
        with World(fake=False) as world:
            world.r("SET", "authlink:session:foreign", "x")
            session(world, "u1")
            session(world, "u2", status="failed")
            world.r("HSET", "authlink2:session:u9", "status", "ready")
            self.assertEqual([row["endUserId"] for row in lines(ctl.run(world, "export", "--jsonl"))], ["u1"])

    def test_an_end_user_comes_once_whatever_the_scan_says(self):
        with World(fake=False) as world:
            session(world, "u1")
            world.r("HSET", "authlink:session:u1-again", "status", "ready", "endUserId", "u1", "authFlowUrl", LINK)
            self.assertEqual(len(lines(ctl.run(world, "export", "--jsonl"))), 1)

    def test_ten_thousand_links_come_once_each(self):
        with World(fake=False) as world:
            for number in range(10_000):
                world.r.send("HSET", f"authlink:session:u{number}", "status", "ready", "endUserId", f"u{number}", "authFlowUrl", LINK)
            for _ in range(10_000):
                world.r.receive()
            got = [row["endUserId"] for row in lines(ctl.run(world, "export", "--jsonl"))]
            self.assertEqual((len(got), len(set(got))), (10_000, 10_000))

    def test_a_user_who_may_not_read_gets_no_empty_file_for_an_answer(self):
        with World(fake=False, as_acl_user=False) as world:
            session(world, "u1")
            world.r("ACL", "SETUSER", "lister", "on", "nopass", "~authlink:*", "resetchannels", "-@all", "+scan", "+ping",
                    "+client|setname", "+select")
            url = f"redis://lister@127.0.0.1:{world.redis.port}/0"
            for form in ("--csv", "--jsonl"):
                ended = ctl.run(world, "export", form, "--redis", url, code=4, connect=False)
                self.assertIn("hmget", ended.err.lower())
                self.assertNotIn("links\n", ended.err)

    def test_a_line_that_would_not_be_whole_is_left_out_and_told(self):
        with World(fake=False) as world:
            session(world, "u1", ref="x" * 70000)
            session(world, "u2", authFlowUrl=LINK + "x" * 9000)
            session(world, "u3")
            for form in ("--csv", "--jsonl"):
                ended = ctl.run(world, "export", form, "--reveal", code=1)
                self.assertIn("left out", ended.err)
                self.assertEqual(len(ended.out.splitlines()), 3 if form == "--csv" else 2)
                self.assertIn("longer than any link", ended.out)
                self.assertNotIn("xxx", ended.out)
            ended = ctl.run(world, "show", "u1", "--json", code=1)
            self.assertEqual((ended.out, "left out" in ended.err), ("", True))
            world.r("XADD", "authlink:events", "*", "type", "x" * 70000)
            world.r("XADD", "authlink:events", "*", "type", "ready")
            self.assertEqual([row["type"] for row in lines(ctl.run(world, "events", "--json", code=1))], ["ready"])

    def test_the_form_must_be_said(self):
        with World(fake=False) as world:
            ctl.run(world, "export", code=2)
            ctl.run(world, "export", "--csv", "--jsonl", code=2)


class Events(unittest.TestCase):
    def test_events_tell_what_ended_and_never_the_link(self):
        with World() as world:
            world.daemon()
            ctl.run(world, "enqueue", "u1", "end_usr_missing_1", "--ref", "r", "--wait", code=1)
            events = {event["endUserId"]: event for event in lines(ctl.run(world, "events", "--json"))}
            self.assertEqual((events["u1"]["type"], events["u1"]["attempts"], events["u1"]["ref"]), ("ready", 1, "r"))
            self.assertEqual(events["end_usr_missing_1"]["reason"], "rejected")
            text = ctl.run(world, "events", "--since", "10m").out
            self.assertRegex(text, r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  ready  u1  ref=r")
            self.assertNotIn("https://", text)

    def test_follow_prints_what_comes_and_ends_with_ctrl_c(self):
        with World(fake=False) as world:
            world.r("XADD", "authlink:events", "*", "type", "ready", "endUserId", "before")
            process = ctl.start(world, "events", "--follow", "--json")
            try:
                wait_for(lambda: b"cmd=xread" in world.r("CLIENT", "LIST"), "the reader")
                world.r("XADD", "authlink:events", "*", "type", "ready", "endUserId", "after")
                self.assertEqual(json.loads(process.stdout.readline())["endUserId"], "after")
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(harness.PATIENCE_SEC), 0)
            finally:
                process.kill()
                process.communicate()

    def test_a_group_gets_each_event_once(self):
        with World(fake=False) as world:
            for number in range(150):
                world.r("XADD", "authlink:events", "*", "type", "ready", "endUserId", f"u{number}")
            first = lines(ctl.run(world, "events", "--group", "mailer", "--json"))
            self.assertEqual([event["endUserId"] for event in first], [f"u{number}" for number in range(150)])
            self.assertEqual(ctl.run(world, "events", "--group", "mailer").out, "")
            self.assertEqual(world.r("XPENDING", "authlink:events", "mailer")[0], 0, "all acknowledged")

    def test_a_group_begins_with_what_an_earlier_run_did_not_acknowledge(self):
        with World(fake=False) as world:
            world.r("XGROUP", "CREATE", "authlink:events", "mailer", "0", "MKSTREAM")
            for number in range(3):
                world.r("XADD", "authlink:events", "*", "type", "ready", "endUserId", f"u{number}")
            world.r("XREADGROUP", "GROUP", "mailer", "authlinkctl", "COUNT", 2, "STREAMS", "authlink:events", ">")
            world.r("XDEL", "authlink:events", world.r("XRANGE", "authlink:events", "-", "+")[0][0])
            got = lines(ctl.run(world, "events", "--group", "mailer", "--json"))
            self.assertEqual([event["endUserId"] for event in got], ["u1", "u2"])
            self.assertEqual(world.r("XPENDING", "authlink:events", "mailer")[0], 0)

    def test_nothing_happened_is_no_output(self):
        with World(fake=False) as world:
            self.assertEqual(ctl.run(world, "events").out, "")


class Dead(unittest.TestCase):
    def test_list_by_reason_and_ref(self):
        with World(fake=False) as world:
            letter(world, "u1", "rejected", "spring-1")
            letter(world, "u2", "gave_up", "spring-2")
            letter(world, "u3", "rejected", "autumn")
            rows = {(): ["u1", "u2", "u3"], ("--reason", "rejected"): ["u1", "u3"], ("--ref", "spring"): ["u1", "u2"],
                    ("--reason", "rejected", "--ref", "spring"): ["u1"], ("--max", "2"): ["u1", "u2"]}
            for words, expected in rows.items():
                with self.subTest(words=words):
                    got = lines(ctl.run(world, "dead", "list", "--json", *words))
                    self.assertEqual([item["endUserId"] for item in got], expected)
            self.assertEqual(got[0]["attempts"], 2)
            text = ctl.run(world, "dead", "list").out
            self.assertIn(r"rejected  endUserId=u1  ref=spring-1  attempts=2  why\x1b[31m", text)

    def test_retry_brings_a_job_to_its_link(self):
        with World() as world:
            world.daemon()
            world.fake.post("faults", {"endUserId": "end_usr_1", "status": 422})
            world.push("end_usr_1")
            wait_for(world.dead, "the letter")
            world.fake.post("faults", [])
            before = ctl.run(world, "dead", "retry", "--reason", "rejected", "--dry-run").out
            self.assertEqual(before, "1 letters match; nothing was done\n")
            self.assertEqual(ctl.run(world, "dead", "retry", "--reason", "rejected").out, "redriven 1\n")
            wait_for(lambda: world.session("end_usr_1").get("status") == "ready", "the link")
            self.assertEqual(ctl.run(world, "dead", "list").out, "")
            ctl.run(world, "audit")

    def test_retry_of_hundreds_by_ids_max_and_rate(self):
        with World(fake=False) as world:
            ids = [letter(world, f"u{number}", "rejected") for number in range(350)]
            world.r("HSET", "authlink:stats", "taken", 350, "dead", 350)
            self.assertEqual(ctl.run(world, "dead", "retry", ids[5], ids[7], "--json").json,
                             {"matched": 2, "redriven": 2, "missing": 0, "tooLong": 0})
            self.assertEqual(ctl.run(world, "dead", "retry", "--max", "3").out, "redriven 3\n")
            begin = time.monotonic()
            self.assertEqual(ctl.run(world, "dead", "retry", "--max", "5", "--rate", "5").out, "redriven 5\n")
            self.assertGreater(time.monotonic() - begin, 0.7, "the fifth one comes after 0.8 s")
            self.assertEqual(ctl.run(world, "dead", "retry").out, "redriven 340\n")
            self.assertEqual((world.r("ZCARD", "authlink:delayed"), world.r("XLEN", "authlink:dead")), (350, 0))
            ctl.run(world, "audit")

    def test_a_letter_that_is_not_whole_can_only_be_removed(self):
        with World(fake=False) as world:
            letter(world, "u1", "too_long", size=5000)
            ended = ctl.run(world, "dead", "retry", code=1)
            self.assertIn("can only be removed", ended.err)
            self.assertEqual(world.r("XLEN", "authlink:dead"), 1)

    def test_rm_off_a_terminal_needs_yes(self):
        with World(fake=False) as world:
            letter(world, "u1", "rejected")
            letter(world, "u2", "gave_up")
            world.r("HSET", "authlink:stats", "taken", 2, "dead", 2)
            self.assertIn("say --yes", ctl.run(world, "dead", "rm", code=1).err)
            self.assertEqual(world.r("XLEN", "authlink:dead"), 2)
            self.assertEqual(ctl.run(world, "dead", "rm", "--reason", "gave_up", "--yes").out, "removed 1\n")
            self.assertEqual([item["endUserId"] for item in world.dead()], ["u1"])
            ctl.run(world, "audit")

    def test_rm_on_a_terminal_asks(self):
        with World(fake=False) as world:
            letter(world, "u1", "rejected")
            words = " ".join((ctl.PROGRAM, "dead", "rm", *ctl.redis_words(world)))
            for answer, code, left in (("n", 1, 1), ("y", 0, 0)):
                with ctl.Terminal(world, words) as terminal:
                    terminal.wait_for("About to remove 1 dead letters for ever. Go on? [y/N]")
                    terminal.keys(answer, "Enter")
                    terminal.wait_for(f"status={code}")
                    self.assertEqual(world.r("XLEN", "authlink:dead"), left)

    def test_an_entry_that_is_too_long_is_no_question_of_the_address(self):
        with World(fake=False) as world:
            world.r("XADD", "authlink:dead", "*", "reason", "x" * 1200000)
            ended = ctl.run(world, "dead", "list", code=4)
            self.assertIn("a reply of Redis is too long", ended.err)
            self.assertNotIn("Is it running", ended.err)

    def test_nothing_to_do_is_exit_3_and_nonsense_exit_2(self):
        with World(fake=False) as world:
            self.assertIn("no letter matches", ctl.run(world, "dead", "retry", code=3).err)
            ctl.run(world, "dead", "rm", "1790000000000-0", code=3)
            ctl.run(world, "dead", "bury", code=2)
            ctl.run(world, "dead", code=2)
            self.assertIn("dead list", ctl.run(world, "dead", "retry", "end_usr_1", code=2).err)
            self.assertEqual(ctl.run(world, "dead", "list").out, "")


if __name__ == "__main__":
    harness.main()
