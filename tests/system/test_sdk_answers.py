#!/usr/bin/env python3
"""What Conductor's own SDKs return for an answer is what the daemon's own reader finds in it."""

import os
import shutil
import subprocess
import tempfile
import unittest

from harness import BUILD_DIR, PUBLISHABLE_KEY, SECRET_KEY, Fake, main
from sdk.client import Sdk

USER = "end_usr_both"
ASKED = {"publishableKey": PUBLISHABLE_KEY, "endUserId": USER}
LONG = {**ASKED, "linkExpiryMins": 120, "redirectUrl": "https://app.example.com/done"}
SHARED_FIELDS = ("id", "authFlowUrl", "createdAt", "expiresAt")


def read_answer(status, body, minutes):
    run = subprocess.run([os.path.join(BUILD_DIR, "read-answer"), str(status), USER, str(minutes)], input=body,
                         capture_output=True, text=True, check=True, timeout=60)
    return dict(line.split("\t", 1) for line in run.stdout.splitlines())


class BothReaders(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="authlinkd-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def fake(self, *options):
        fake = Fake(self.folder, "--record-answers", *options)
        self.addCleanup(fake.stop)
        return fake

    def check_sessions(self, version, *options):
        fake = self.fake(*options)
        outcomes = Sdk(version, fake).calls(["authSessions.create", ASKED], ["authSessions.create", LONG])
        requests = fake.get("requests")["requests"]
        for outcome, request, minutes in zip(outcomes, requests, (30, 120)):
            found = read_answer(request["status"], request["answerBody"], minutes)
            self.assertEqual(found["body"], "session")
            for field in SHARED_FIELDS:
                self.assertEqual(found[field], outcome["value"].get(field, ""), field)
            self.assertEqual(found["lifeMs"], str(minutes * 60000))

    def test_v11_and_the_daemon_read_the_same_session(self):
        self.check_sessions("v11")

    def test_v12_and_the_daemon_read_the_same_session(self):
        self.check_sessions("v12")

    def test_they_read_the_same_session_in_the_old_form(self):
        self.check_sessions("v11", "--legacy")

    def test_they_read_the_same_error(self):
        fake = self.fake()
        for call, key in ((ASKED, "sk_conductor_nobodys_key"), ({**ASKED, "linkExpiryMins": 5}, SECRET_KEY)):
            fake.post("reset", {})
            error = Sdk("v12", fake).call("authSessions.create", call, key=key)["error"]["envelope"]["error"]
            request = fake.get("requests")["requests"][0]
            found = read_answer(request["status"], request["answerBody"], 30)
            self.assertEqual((found["body"], found["type"], found["code"]), ("envelope", error["type"], error["code"]))


if __name__ == "__main__":
    main()
