#!/usr/bin/env python3
"""conductor-fake is faithful: Conductor's own SDKs work against it, unchanged, and read its errors as the API's."""

import json
import shutil
import tempfile
import unittest

from harness import PUBLISHABLE_KEY, SECRET_KEY, Fake, main
from sdk.client import SOURCE, Sdk

USER = "end_usr_sdk"
MINIMAL = {"publishableKey": PUBLISHABLE_KEY, "endUserId": USER}
FULL = {**MINIMAL, "linkExpiryMins": 120, "redirectUrl": "https://app.example.com/fertig?f%C3%BCr=1"}


class SdkCase:
    """What both versions must find; the subclasses say which it is and how it words an error."""

    version = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="authlinkd-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.fake = Fake(self.folder, "--record-answers")
        self.addCleanup(self.fake.stop)
        self.sdk = Sdk(self.version, self.fake)

    def requests(self):
        return self.fake.get("requests")["requests"]

    def test_a_session_with_and_without_options(self):
        minimal, full = self.sdk.calls(["authSessions.create", MINIMAL], ["authSessions.create", FULL])
        self.assertEqual(minimal["value"]["redirectUrl"], None)
        self.assertEqual(full["value"]["redirectUrl"], FULL["redirectUrl"])
        for outcome, request, sent in zip((minimal, full), self.requests(), (MINIMAL, FULL)):
            self.assertEqual(outcome["value"], json.loads(request["answerBody"]), "it returned something else")
            self.assertEqual(outcome["value"]["objectType"], "auth_session")
            self.assertEqual(outcome["value"]["endUserId"], USER)
            self.assertEqual((request["method"], request["path"]), ("POST", "/v1/auth-sessions"))
            self.assertEqual(json.loads(request["body"]), sent)
            headers = {name.lower(): value for name, value in request["headers"]}
            self.assertEqual(headers["authorization"], "Bearer " + SECRET_KEY)
            self.assertIn(self.user_agent, headers["user-agent"])
        self.assertEqual(self.fake.get("counts"), {USER: 2})
        self.assertEqual(len({request["connection"] for request in self.requests()}), 1, "not kept alive")

    def test_errors_are_read_as_the_api_s(self):
        for name, call, key, status, kind, code in (
                ("a bad key", ["authSessions.create", MINIMAL], "sk_conductor_nobodys_key", 401,
                 "AUTHENTICATION_ERROR", "API_KEY_INVALID"),
                ("an unknown end user", ["authSessions.create", {**MINIMAL, "endUserId": "end_usr_missing"}],
                 SECRET_KEY, 404, "INVALID_REQUEST_ERROR", "RESOURCE_MISSING"),
                ("a life too short", ["authSessions.create", {**MINIMAL, "linkExpiryMins": 5}], SECRET_KEY, 400,
                 "INVALID_REQUEST_ERROR", "INVALID_REQUEST"),
                ("an unknown member", ["authSessions.create", {**MINIMAL, "returnUrl": "https://a.example/"}],
                 SECRET_KEY, 400, "INVALID_REQUEST_ERROR", "INVALID_REQUEST"),
                ("a null", ["authSessions.create", {**MINIMAL, "redirectUrl": None}], SECRET_KEY, 400,
                 "INVALID_REQUEST_ERROR", "INVALID_REQUEST"),
                ("another project's publishable key",
                 ["authSessions.create", {**MINIMAL, "publishableKey": "pk_other"}], SECRET_KEY, 400,
                 "INVALID_REQUEST_ERROR", "INVALID_REQUEST"),
                ("an end user who is gone", ["endUsers.retrieve", "end_usr_missing"], SECRET_KEY, 404,
                 "INVALID_REQUEST_ERROR", "RESOURCE_MISSING")):
            with self.subTest(name):
                self.fake.post("reset", {})
                error = self.sdk.call(*call, key=key)["error"]
                self.assertEqual(self.read(error), (status, self.kinds.get(kind, kind), code))
                self.assertEqual(error["class"], self.classes[status])
                self.assertEqual(len(self.requests()), 1, "such an error is not retried")
                self.check_request_id(error)

    def test_server_errors_are_retried_as_the_version_does(self):
        tries = self.tries
        for name, rule, expected_tries, created in (
                ("500 for ever", {"status": 500}, tries, 0),
                ("500 once", {"status": 500, "times": 1}, min(tries, 2), tries > 1),
                ("429 with Retry-After", {"status": 429, "headers": {"retry-after-ms": "20"}}, tries, 0),
                ("x-should-retry: false", {"status": 500, "headers": {"x-should-retry": "false"}}, 1, 0),
                ("reset before an answer", {"drop": "rst"}, tries, 0),
                ("closed after the work", {"drop": "close", "commit": True}, tries, tries)):
            with self.subTest(name):
                self.fake.post("reset", {})
                self.fake.post("faults", rule)
                outcome = self.sdk.call("authSessions.create", MINIMAL)
                self.assertEqual(len(self.requests()), expected_tries)
                self.assertEqual(self.fake.get("counts").get(USER, 0), created)
                self.assertEqual("value" in outcome, name == "500 once" and tries > 1)
                retries = [dict(request["headers"]).get("x-stainless-retry-count") for request in self.requests()]
                self.assertEqual(retries, self.retry_counts(expected_tries))

    def test_answers_over_chunks_and_gzip_are_read(self):
        # The Node of Debian 13 (20.19.2+dfsg-1+deb13u3) says "Premature close" to node-fetch 2 of any chunked answer on a
        # kept connection, also of those that Node's own server gives: so it is Node's own fetch that reads them here.
        self.fake.post("settings", {"chunked": True, "gzip": True})
        outcome = self.sdk.call("authSessions.create", MINIMAL, builtin_fetch=True)
        self.assertIn("value", outcome)
        self.assertEqual(outcome["value"], json.loads(self.requests()[0]["answerBody"]))

    def test_a_page_of_a_proxy_is_an_internal_error(self):
        self.fake.post("faults", {"status": 502, "body": "html", "headers": {"x-should-retry": "false"}})
        error = self.sdk.call("authSessions.create", MINIMAL)["error"]
        self.assertEqual(error["class"], self.classes[500])

    def test_end_users_come_and_are_listed_and_read(self):
        body = {"companyName": "Ärzte & Co", "sourceId": "source-1", "email": "a@example.com"}
        created, again = self.sdk.calls(["endUsers.create", body], ["endUsers.create", {**body, "sourceId": "2"}])
        listed, read = self.sdk.calls(["endUsers.list"], ["endUsers.retrieve", created["value"]["id"]])
        self.assertEqual(read["value"], created["value"])
        self.assertEqual(listed["value"], {"objectType": "list", "url": "/v1/end-users",
                                           "data": [created["value"], again["value"]]})
        session = self.sdk.call("authSessions.create", {**MINIMAL, "endUserId": created["value"]["id"]})
        self.assertEqual(session["value"]["endUserId"], created["value"]["id"])


class Version11(SdkCase, unittest.TestCase):
    version = "v11"
    user_agent = "conductor-node/11.6.15 "
    tries = 1
    kinds = {"AUTHENTICATION_ERROR": "ConductorAuthenticationError",  # it puts its class in the place of the type
             "INVALID_REQUEST_ERROR": "ConductorInvalidRequestError"}
    classes = {400: "ConductorInvalidRequestError", 401: "ConductorAuthenticationError",
               404: "ConductorInvalidRequestError", 500: "ConductorInternalError"}

    def read(self, error):
        return error["httpStatusCode"], error["type"], error["code"]

    def check_request_id(self, error):
        self.assertRegex(error["requestId"], r"^req_\w+$")
        self.assertTrue(error["userFacingMessage"])

    def retry_counts(self, tries):
        return [None] * tries

    def test_what_was_withdrawn_later_is_served_by_the_old_api(self):
        self.fake.post("settings", {"legacy": True})
        created = self.sdk.call("authSessions.create", MINIMAL)["value"]
        self.fake.post("end-users", {"connected": [USER]})
        read, ping, connections = self.sdk.calls(
            ["authSessions.retrieve", created["id"]], ["endUsers.ping", USER, "quickbooks_desktop"],
            ["integrationConnections.list"])
        self.assertEqual(read["value"], created)
        self.assertGreater(ping["value"]["duration"], 0)
        self.assertEqual([entry["endUserId"] for entry in connections["value"]["data"]], [USER])


class Version12(SdkCase, unittest.TestCase):
    version = "v12"
    user_agent = "Conductor/JS 12.43.0"
    tries = 3
    kinds = {}
    classes = {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError", 500: "InternalServerError"}

    def read(self, error):
        inner = error["envelope"]["error"]
        self.assertEqual(inner["httpStatusCode"], error["status"])
        return error["status"], inner["type"], inner["code"]

    def check_request_id(self, error):
        self.assertRegex(error["envelope"]["error"]["requestId"], r"^req_\w+$")

    def retry_counts(self, tries):
        return [str(number) for number in range(tries)]

    def test_an_end_user_is_deleted(self):
        body = {"companyName": "a", "sourceId": "b", "email": "c@example.com"}
        user = self.sdk.call("endUsers.create", body)["value"]["id"]
        deleted, read = self.sdk.calls(["endUsers.delete", user], ["endUsers.retrieve", user])
        self.assertEqual(deleted["value"], {"id": user, "objectType": "end_user", "deleted": True})
        self.assertEqual(read["error"]["class"], "NotFoundError")

    def test_the_health_check_tells_what_is_missing(self):
        check = ["qbd.healthCheck", {"conductorEndUserId": USER}]
        for name, state, status, tries in (("never started", "notStarted", 409, 3), ("flow not finished", "started", 409, 3),
                                           ("computer off", "pcOff", 502, 3), ("well", "connected", 200, 1)):
            with self.subTest(name):
                self.fake.post("reset", {})
                self.fake.post("end-users", {state: [USER]})
                outcome = self.sdk.call(*check)
                self.assertEqual(outcome["error"]["status"] if "error" in outcome else 200, status)
                self.assertEqual(len(self.requests()), tries, "it takes 409 for a conflict and retries")
        self.assertEqual(outcome["value"]["status"], "ok")


class LockFile(unittest.TestCase):
    def test_it_names_no_registry(self):
        with open(SOURCE + "/package-lock.json", encoding="utf-8") as file:
            packages = json.load(file)["packages"]
        self.assertGreater(len(packages), 20)
        self.assertEqual([name for name, package in packages.items() if "resolved" in package], [])
        self.assertEqual([name for name, package in packages.items() if name and "integrity" not in package], [])


if __name__ == "__main__":
    main()
