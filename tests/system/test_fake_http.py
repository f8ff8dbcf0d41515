#!/usr/bin/env python3
"""conductor-fake on the wire: what it answers, what it refuses, and each fault that it can do.

The clients here are plain sockets, so that a test sees bytes, ends and resets as they are.
"""

import datetime
import email.utils
import gzip
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from harness import BUILD_DIR, PATIENCE_SEC, PUBLISHABLE_KEY, SECRET_KEY, Fake, main, wait_for

MANUAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools", "conductor-fake", "conductor-fake.1")
MEMBERS = ["id", "objectType", "createdAt", "endUserId", "clientSecret", "authFlowUrl", "expiresAt", "redirectUrl"]
ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def wish(user="end_usr_1", **members):
    return {"publishableKey": PUBLISHABLE_KEY, "endUserId": user, **members}


def life_mins(session):
    created, expires = (datetime.datetime.fromisoformat(session[name].replace("Z", "+00:00"))
                        for name in ("createdAt", "expiresAt"))
    return (expires - created).total_seconds() / 60


class Answer:
    """One answer as it came: status, headers (names in small letters), body, and how the connection ended."""

    def __init__(self, head, body, ended):
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            self.headers[name.lower()] = value
        self.body = body
        self.ended = ended

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One connection. `received` holds what came and was not yet read as an answer."""

    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SEC)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, path, body=b"", key=SECRET_KEY, headers=()):
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
        if key is not None:
            lines.append(f"Authorization: Bearer {key}")
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += headers
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def post(self, body, path="/v1/auth-sessions", **rest):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.request("POST", path, body, **rest)

    def more(self):
        """Reads on; None, or how the connection ended: eof or reset."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return "reset"
        self.received += data
        return None if data else "eof"

    def end(self):
        """How the connection ends, after everything that still comes."""
        while True:
            ended = self.more()
            if ended:
                return ended

    def take(self, end_of_it):
        """What has come up to where end_of_it() says; with how the connection ended if it did before."""
        while True:
            size = end_of_it(self.received)
            if size is not None:
                taken, self.received = self.received[:size], self.received[size:]
                return taken, None
            ended = self.more()
            if ended:
                taken, self.received = self.received, b""
                return taken, ended

    def answer(self):
        def end_of_head(data):
            at = data.find(b"\r\n\r\n")
            return None if at < 0 else at + 4

        head, ended = self.take(end_of_head)
        if ended:
            raise AssertionError(f"no answer, {ended}: {head!r}")
        answer = Answer(head[:-4], b"", None)
        if answer.headers.get("transfer-encoding") == "chunked":
            return self.chunks(answer)
        size = int(answer.headers.get("content-length", 0))
        answer.body, answer.ended = self.take(lambda data: size if len(data) >= size else None)
        return answer

    def chunks(self, answer):
        while True:
            line, ended = self.take(lambda data: data.find(b"\r\n") + 2 if b"\r\n" in data else None)
            if ended:
                answer.ended = ended
                return answer
            size = int(line, 16)
            piece, answer.ended = self.take(lambda data: size + 2 if len(data) >= size + 2 else None)
            answer.body += piece[:-2]
            if answer.ended or size == 0:
                return answer


class FakeCase(unittest.TestCase):
    options = ()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="authlinkd-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.fake = self.start(*self.options)

    def start(self, *options):
        fake = Fake(self.folder, *options)
        self.addCleanup(fake.stop)
        return fake

    def client(self, fake=None, context=None):
        client = Client((fake or self.fake).port, context)
        self.addCleanup(client.socket.close)
        return client

    def ask(self, body, **rest):
        """One request on a connection of its own."""
        with Client(self.fake.port) as client:
            client.post(body, **rest)
            return client.answer()

    def get(self, path, method="GET", **rest):
        with Client(self.fake.port) as client:
            client.request(method, path, **rest)
            return client.answer()

    def check_error(self, answer, status, kind, code):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["content-type"], "application/json; charset=utf-8")
        self.assertEqual(list(answer.json), ["error"])
        error = answer.json["error"]
        self.assertEqual((error["type"], error["code"], error["httpStatusCode"]), (kind, code, status))
        self.assertEqual(error["requestId"], answer.headers["conductor-request-id"])
        self.assertTrue(error["message"] and error["userFacingMessage"])


class Sessions(FakeCase):
    def test_a_session_has_the_eight_members_in_their_order(self):
        answer = self.ask(wish("end_usr_a", linkExpiryMins=45, redirectUrl="https://app.example.com/%C3%A4?x=%22"))
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.headers["conductor-request-id"], r"^req_\w")
        self.assertEqual(answer.headers["content-type"], "application/json; charset=utf-8")
        session = answer.json
        self.assertEqual(list(session), MEMBERS)
        self.assertRegex(session["id"], r"^auth_sess_[\w-]+$")
        self.assertEqual(session["objectType"], "auth_session")
        self.assertEqual(session["endUserId"], "end_usr_a")
        self.assertRegex(session["clientSecret"], r"^auth_sess_client_secret_[\w-]+$")
        self.assertEqual(session["authFlowUrl"],
                         f"https://connect.conductor.is/qbd/{session['clientSecret']}?key={PUBLISHABLE_KEY}")
        self.assertEqual(session["redirectUrl"], "https://app.example.com/%C3%A4?x=%22")
        self.assertRegex(session["createdAt"], ISO)
        self.assertEqual(life_mins(session), 45)

    def test_without_options_it_lives_thirty_minutes_and_redirects_nowhere(self):
        session = self.ask(wish()).json
        self.assertEqual(life_mins(session), 30)
        self.assertIsNone(session["redirectUrl"])

    def test_the_same_body_twice_makes_two_sessions_whatever_the_idempotency_key(self):
        ids = {self.ask(wish("end_usr_twice"), headers=["Idempotency-Key: one"]).json["id"] for _ in range(2)}
        self.assertEqual(len(ids), 2)
        self.assertEqual(self.fake.get("counts"), {"end_usr_twice": 2})
        kept = self.fake.get("sessions")["sessions"]
        self.assertEqual({session["id"] for session in kept}, ids)

    def test_what_the_api_accepts(self):
        pretty = json.dumps(wish(), indent=2).encode()
        turned = json.dumps(dict(reversed(wish(redirectUrl="app:done").items()))).encode()
        for name, body, headers in (
                ("pretty-printed", pretty, []),
                ("another order, another scheme", turned, []),
                ("shortest life", json.dumps(wish(linkExpiryMins=15)).encode(), []),
                ("longest life", json.dumps(wish(linkExpiryMins=10080)).encode(), []),
                ("half a minute", json.dumps(wish(linkExpiryMins=20.5)).encode(), []),
                ("raw UTF-8", json.dumps(wish(), ensure_ascii=False).encode(), []),
                ("a header of tabs", json.dumps(wish()).encode(), ["X-Tabs:\t a\tb "])):
            with self.subTest(name):
                self.assertEqual(self.ask(body, headers=headers).status, 200)

    def test_what_the_api_refuses_is_400_and_names_the_member(self):
        for named, body in (
                ("JSON", b"{"), ("JSON", b"\xff"), ("JSON", b"{} {}"), ("JSON", b'{"a":"\\u0000"}'),
                ("object", b"[]"), ("object", b'"end_usr_1"'), ("object", b"null"),
                ("endUserId", {"publishableKey": PUBLISHABLE_KEY}), ("publishableKey", {"endUserId": "end_usr_1"}),
                ("endUserId", wish("")), ("endUserId", wish(5)), ("endUserId", wish(None)),
                ("publishableKey", {"publishableKey": "", "endUserId": "end_usr_1"}),
                ("linkExpiryMins", wish(linkExpiryMins=14.9)), ("linkExpiryMins", wish(linkExpiryMins=10081)),
                ("linkExpiryMins", wish(linkExpiryMins="30")), ("linkExpiryMins", wish(linkExpiryMins=None)),
                ("redirectUrl", wish(redirectUrl="")), ("redirectUrl", wish(redirectUrl=None)),
                ("redirectUrl", wish(redirectUrl="/relative")), ("redirectUrl", wish(redirectUrl="https://")),
                ("redirectUrl", wish(redirectUrl="https://a b/")), ("redirectUrl", wish(redirectUrl="https:/one")),
                ("returnUrl", wish(returnUrl="https://app.example.com/"))):
            with self.subTest(named, body=body):
                answer = self.ask(body)
                self.check_error(answer, 400, "INVALID_REQUEST_ERROR", "INVALID_REQUEST")
                self.assertIn(named, answer.json["error"]["message"])
        self.assertEqual(self.fake.get("stats")["created"], 0)

    def test_a_body_of_another_content_type_is_refused(self):
        body = json.dumps(wish()).encode()
        with Client(self.fake.port) as client:
            client.send(b"POST /v1/auth-sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + SECRET_KEY.encode() +
                        b"\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            self.assertEqual(client.answer().status, 400)

    def test_guesses_about_the_api_can_be_changed(self):
        self.fake.post("settings", {"validationStatus": 422, "validationCode": "BAD", "missingStatus": 400,
                                    "publishableKeyStatus": 403, "allowNull": True, "allowUnknownMembers": True,
                                    "wholeMinutes": True})
        self.check_error(self.ask(wish(linkExpiryMins=1)), 422, "INVALID_REQUEST_ERROR", "BAD")
        self.check_error(self.ask(wish(linkExpiryMins=20.5)), 422, "INVALID_REQUEST_ERROR", "BAD")
        self.assertEqual(self.ask(wish("end_usr_missing")).status, 400)
        self.assertEqual(self.ask({"publishableKey": "pk_other", "endUserId": "end_usr_1"}).status, 403)
        self.assertEqual(self.ask(wish(linkExpiryMins=None, redirectUrl=None, other=1)).status, 200)

    def test_an_end_user_of_no_project_is_404(self):
        self.check_error(self.ask(wish("end_usr_missing_7")), 404, "INVALID_REQUEST_ERROR", "RESOURCE_MISSING")
        self.check_error(self.ask(wish("no id!")), 404, "INVALID_REQUEST_ERROR", "RESOURCE_MISSING")
        self.fake.post("end-users", {"missing": ["end_usr_gone"]})
        self.assertEqual(self.ask(wish("end_usr_gone")).status, 404)
        self.fake.post("settings", {"knownUsersOnly": True})
        self.assertEqual(self.ask(wish("end_usr_1")).status, 404)
        self.fake.post("end-users", {"known": ["end_usr_1"]})
        self.assertEqual(self.ask(wish("end_usr_1")).status, 200)


class Keys(FakeCase):
    def test_a_bad_key_is_401_and_is_quoted_masked(self):
        for name, key in (("none", None), ("unknown", "sk_conductor_somebody_elses"), ("short", "sk"),
                          ("publishable", PUBLISHABLE_KEY), ("longer by one", SECRET_KEY + "x")):
            with self.subTest(name):
                answer = self.ask(wish(), key=key)
                self.check_error(answer, 401, "AUTHENTICATION_ERROR", "API_KEY_INVALID")
                self.assertNotIn(key or "?", answer.body.decode())
        self.assertEqual(self.ask(b"{", key="sk_conductor_wrong").status, 401, "the key comes before the body")
        self.assertEqual(self.get("/v1/anything", key="sk_conductor_wrong").status, 401)

    def test_another_scheme_is_401(self):
        self.assertEqual(self.ask(wish(), key=None, headers=["Authorization: Basic " + SECRET_KEY]).status, 401)
        self.assertEqual(self.ask(wish(), key=None, headers=["authorization: bearer " + SECRET_KEY]).status, 200)

    def test_keys_come_and_go_while_it_runs(self):
        self.fake.post("keys", {"add": [{"secretKey": "sk_live_second", "publishableKey": "pk_live_second"}]})
        other = {"publishableKey": "pk_live_second", "endUserId": "end_usr_1"}
        self.assertEqual(self.ask(other, key="sk_live_second").status, 200)
        answer = self.ask(other)
        self.check_error(answer, 400, "INVALID_REQUEST_ERROR", "INVALID_REQUEST")
        self.assertIn("publishableKey", answer.json["error"]["message"])
        self.fake.post("keys", {"revoke": [SECRET_KEY]})
        self.assertEqual(self.ask(wish()).status, 401)

    def test_keys_of_the_command_line_replace_the_usual_one(self):
        self.fake = self.start("--key", "sk_test_a:pk_a", "--key", "sk_test_b:pk_a")
        body = {"publishableKey": "pk_a", "endUserId": "end_usr_1"}
        self.assertEqual([self.ask(body, key=key).status for key in ("sk_test_a", "sk_test_b", SECRET_KEY)],
                         [200, 200, 401])


class EndUsers(FakeCase):
    def create(self, source, **rest):
        body = {"companyName": "Ärzte & Co", "sourceId": source, "email": "a@example.com"}
        return self.ask(body, path="/v1/end-users", **rest)

    def test_they_are_created_listed_read_and_deleted(self):
        first, second = self.create("one").json, self.create("two").json
        self.assertEqual(list(first), ["id", "objectType", "createdAt", "companyName", "sourceId", "email",
                                       "integrationConnections"])
        self.assertEqual((first["objectType"], first["companyName"], first["integrationConnections"]),
                         ("end_user", "Ärzte & Co", []))
        self.assertEqual(self.get("/v1/end-users").json,
                         {"objectType": "list", "url": "/v1/end-users", "data": [first, second]})
        self.assertEqual(self.get("/v1/end-users/" + second["id"]).json, second)
        self.assertEqual(self.get("/v1/end-users/" + first["id"], "DELETE").json,
                         {"id": first["id"], "objectType": "end_user", "deleted": True})
        self.check_error(self.get("/v1/end-users/" + first["id"]), 404, "INVALID_REQUEST_ERROR", "RESOURCE_MISSING")
        self.assertEqual(self.ask(wish(first["id"])).status, 404)
        self.assertEqual(self.ask(wish(second["id"])).status, 200)
        self.assertEqual(self.get("/v1/end-users").json["data"], [second])

    def test_they_belong_to_one_project(self):
        self.fake.post("keys", {"add": [{"secretKey": "sk_other", "publishableKey": "pk_other"}]})
        user = self.create("one").json["id"]
        self.assertEqual(self.get("/v1/end-users", key="sk_other").json["data"], [])
        self.assertEqual(self.get("/v1/end-users/" + user, key="sk_other").status, 404)
        self.assertEqual(self.create("one", key="sk_other").status, 200)

    def test_a_source_id_is_taken_once(self):
        user = self.create("one").json
        self.check_error(self.create("one"), 409, "INVALID_REQUEST_ERROR", "RESOURCE_ALREADY_EXISTS")
        self.fake.post("settings", {"duplicateStatus": 200})
        self.assertEqual(self.create("one").json, user)

    def test_a_wrong_body_is_refused(self):
        good = {"companyName": "a", "sourceId": "b", "email": "c"}
        for name in good:
            with self.subTest(name):
                answer = self.ask({**good, name: ""}, path="/v1/end-users")
                self.check_error(answer, 400, "INVALID_REQUEST_ERROR", "INVALID_REQUEST")
                self.assertIn(name, answer.json["error"]["message"])
        self.assertEqual(self.ask({**good, "name": "x"}, path="/v1/end-users").status, 400)

    def health(self, user):
        return self.get("/v1/quickbooks-desktop/health-check", headers=["conductor-end-user-id: " + user])

    def test_a_connection_has_three_states_and_a_pc_that_may_be_off(self):
        def seen():
            entries = self.get("/v1/end-users/end_usr_c").json["integrationConnections"]
            return [entry["lastSuccessfulRequestAt"] is not None for entry in entries]

        not_set_up = (409, "INTEGRATION_CONNECTION_ERROR", "INTEGRATION_CONNECTION_NOT_SET_UP")
        self.assertEqual(seen(), [])
        self.check_error(self.health("end_usr_c"), *not_set_up)
        self.fake.post("end-users", {"started": ["end_usr_c"]})
        self.assertEqual(seen(), [False])
        self.check_error(self.health("end_usr_c"), *not_set_up)
        self.fake.post("end-users", {"connected": ["end_usr_c"]})
        self.assertEqual(seen(), [True])
        self.assertEqual(self.health("end_usr_c").json["status"], "ok")
        self.fake.post("end-users", {"pcOff": ["end_usr_c"]})
        answer = self.health("end_usr_c")
        self.check_error(answer, 502, "INTEGRATION_CONNECTION_ERROR", "QBD_CONNECTION_ERROR")
        self.assertEqual(answer.json["error"]["integrationCode"], "0x80040420")
        self.assertEqual(self.health("end_usr_missing").status, 404)
        self.assertEqual(self.get("/v1/quickbooks-desktop/health-check").status, 400)


class Legacy(FakeCase):
    paths = ("/v1/auth_sessions", "/v1/end_users", "/v1/end-users/end_usr_1/ping/quickbooks_desktop",
             "/v1/integration-connections", "/v1/integration-connections/int_conn_end_usr_1")

    def test_what_was_withdrawn_is_404_today(self):
        for path in (*self.paths, "/v1/auth-sessions/auth_sess_1"):
            with self.subTest(path):
                self.check_error(self.get(path), 404, "INVALID_REQUEST_ERROR", "RESOURCE_MISSING")
        self.assertEqual(self.ask(wish(), path="/v1/auth_sessions").status, 404)
        self.assertEqual(self.get("/v1/auth-sessions").status, 404)

    def test_the_old_api_serves_it_in_the_old_form(self):
        self.fake.post("settings", {"legacy": True})
        session = self.ask(wish(), path="/v1/auth_sessions").json
        self.assertEqual(list(session), [name for name in MEMBERS if name != "createdAt"])
        self.assertTrue(session["id"].startswith("int_conn_auth_sess_"))
        self.assertRegex(session["expiresAt"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+00$")
        self.assertEqual(self.get("/v1/auth-sessions/" + session["id"]).json, session)
        self.assertEqual(self.get("/v1/auth-sessions/auth_sess_other").status, 404)
        self.fake.post("end-users", {"connected": ["end_usr_1"]})
        for path in self.paths[1:]:
            self.assertEqual(self.get(path).status, 200, path)
        self.assertEqual(self.get(self.paths[3]).json["data"], [self.get(self.paths[4]).json])


class Http(FakeCase):
    def test_malformed_requests_are_refused_and_the_connection_ends(self):
        auth = b"Authorization: Bearer " + SECRET_KEY.encode() + b"\r\n"
        start = b"POST /v1/auth-sessions HTTP/1.1\r\nHost: a\r\n" + auth
        for name, status, data in (
                ("no host", 400, b"GET /v1/end-users HTTP/1.1\r\n" + auth + b"\r\n"),
                ("two hosts", 400, start + b"Host: b\r\n\r\n"),
                ("bare LF", 400, b"GET /v1/end-users HTTP/1.1\nHost: a\r\n\r\n"),
                ("CR inside a value", 400, start + b"X: a\rb\r\n\r\n"),
                ("NUL inside a value", 400, start + b"X: a\x00b\r\n\r\n"),
                ("blank before the colon", 400, start + b"X : a\r\n\r\n"),
                ("folded line", 400, start + b"X: a\r\n b\r\n\r\n"),
                ("two lengths", 400, start + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
                ("signed length", 400, start + b"Content-Length: +1\r\n\r\na"),
                ("length and chunks", 400, start + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                ("bad chunk size", 400, start + b"Transfer-Encoding: chunked\r\n\r\nx\r\n"),
                ("chunk without its end", 400, start + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n"),
                ("chunk too large", 413, start + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n"),
                ("body too large", 413, start + b"Content-Length: 99999999\r\n\r\n"),
                ("another encoding", 501, start + b"Transfer-Encoding: gzip\r\n\r\n"),
                ("another expectation", 417, start + b"Expect: miracles\r\n\r\n"),
                ("HTTP/2 preface", 400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                ("another version", 505, b"GET /v1/end-users HTTP/2.0\r\nHost: a\r\n\r\n"),
                ("no version", 400, b"GET /\r\n\r\n"),
                ("not HTTP", 400, b"hello\r\n\r\n"),
                ("too many headers", 431, start + b"X: a\r\n" * 100 + b"\r\n"),
                ("head too large", 431, start + b"X: " + b"a" * 400000)):
            with self.subTest(name), Client(self.fake.port) as client:
                client.send(data)
                answer = client.answer()
                self.assertEqual(answer.status, status)
                self.assertEqual(answer.headers["connection"], "close")
                self.assertEqual(client.end(), "eof", "a reset could overtake the answer")
        self.assertEqual(self.fake.get("stats")["requests"], 0)
        self.assertEqual(self.ask(wish()).status, 200)

    def test_a_request_may_come_byte_by_byte(self):
        with Client(self.fake.port) as client:
            body = json.dumps(wish()).encode()
            head = (f"POST /v1/auth-sessions HTTP/1.1\r\nhost: a\r\nauthorization:Bearer {SECRET_KEY}\r\n"
                    "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
            for byte in head.encode() + b"5\r\n" + body[:5] + b"\r\n%X\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\n\r\n":
                client.send(bytes([byte]))
            self.assertEqual(client.answer().json["endUserId"], "end_usr_1")
        recorded = self.fake.get("requests")["requests"][0]
        self.assertEqual(recorded["body"], body.decode())

    def test_requests_sent_in_one_go_are_answered_in_order(self):
        self.fake.post("settings", {"latencyMs": 5})
        with Client(self.fake.port) as client:
            for number in range(5):
                client.post(wish(f"end_usr_{number}"))
            self.assertEqual([client.answer().json["endUserId"] for _ in range(5)],
                             [f"end_usr_{number}" for number in range(5)])

    def test_it_says_continue_to_whoever_waits_for_it(self):
        body = json.dumps(wish()).encode()
        with Client(self.fake.port) as client:
            client.send(b"POST /v1/auth-sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + SECRET_KEY.encode() +
                        b"\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                        b"Content-Length: %d\r\n\r\n" % len(body))
            self.assertEqual(client.answer().status, 100)
            client.send(body)
            self.assertEqual(client.answer().status, 200)

    def test_a_client_that_wants_to_close_is_closed(self):
        for line in ("Connection: close", None):
            with self.subTest(line), Client(self.fake.port) as client:
                if line:
                    client.request("GET", "/v1/end-users", headers=[line])
                else:
                    client.send(b"GET /v1/end-users HTTP/1.0\r\nHost: a\r\n\r\n")
                self.assertEqual(client.answer().headers["connection"], "close")
                self.assertEqual(client.end(), "eof")

    def test_idle_and_worn_out_connections_are_closed_without_notice(self):
        self.fake.post("settings", {"idleCloseMs": 30})
        with Client(self.fake.port) as client:
            client.post(wish())
            self.assertEqual(client.answer().headers["connection"], "keep-alive")
            self.assertEqual(client.end(), "eof")
        self.fake.post("settings", {"idleCloseMs": 0, "requestsPerConnection": 2})
        with Client(self.fake.port) as client:
            for _ in range(2):
                client.post(wish())
                self.assertEqual(client.answer().headers["connection"], "keep-alive")
            self.assertEqual(client.end(), "eof")

    def test_chunks_and_gzip_carry_the_same_answer(self):
        self.fake.post("settings", {"chunked": True})
        answer = self.ask(wish())
        self.assertEqual(answer.headers.get("transfer-encoding"), "chunked")
        self.assertNotIn("content-length", answer.headers)
        self.assertEqual(list(answer.json), MEMBERS)
        self.fake.post("settings", {"gzip": True})
        self.assertNotIn("content-encoding", self.ask(wish()).headers, "not offered")
        answer = self.ask(wish(), headers=["Accept-Encoding: br, gzip"])
        self.assertEqual(answer.headers["content-encoding"], "gzip")
        self.assertEqual(list(json.loads(gzip.decompress(answer.body))), MEMBERS)

    def test_an_unknown_path_outside_v1_is_html(self):
        answer = self.get("/v2/auth-sessions")
        self.assertEqual((answer.status, answer.headers["content-type"]), (404, "text/html"))

    def test_head_has_no_body(self):
        with Client(self.fake.port) as client:
            client.request("HEAD", "/v1/end-users")
            client.post(wish())
            raw, _ = client.take(lambda data: len(data) if data.endswith(b"}") else None)
            self.assertEqual(raw.count(b"\r\n\r\n"), 2)
            self.assertTrue(raw.split(b"\r\n\r\n")[1].startswith(b"HTTP/1.1 200"), raw)

    def test_the_request_id_may_be_left_out(self):
        self.fake.post("settings", {"noRequestId": True})
        self.assertNotIn("conductor-request-id", self.ask(wish()).headers)


# What a fault does, seen by the client: rows of a rule and a check.
class Faults(FakeCase):
    def meet(self, user="end_usr_1", **rule):
        self.fake.post("faults", rule)
        client = self.client()
        client.post(wish(user))
        return client

    def test_a_status_with_the_envelope(self):
        self.fake.post("faults", {"status": 500, "times": 1})
        self.check_error(self.ask(wish()), 500, "INTERNAL_ERROR", "INTERNAL_ERROR")
        self.assertEqual(self.ask(wish()).status, 200, "once")
        rule = {"status": 403, "type": "PERMISSION_ERROR", "code": "NO", "message": "m", "integrationCode": "3200"}
        answer = self.meet(**rule).answer()
        self.check_error(answer, 403, "PERMISSION_ERROR", "NO")
        self.assertEqual((answer.json["error"]["message"], answer.json["error"]["integrationCode"]), ("m", "3200"))

    def test_bodies_that_are_no_envelope(self):
        for name, rule, status, kind, body in (
                ("html", {"status": 502, "body": "html"}, 502, "text/html", b"<html>"),
                ("html with 200", {"status": 200, "body": "html"}, 200, "text/html", b"<html>"),
                ("nothing", {"status": 503, "body": "empty"}, 503, None, None),
                ("204", {"status": 204}, 204, None, None),
                ("201", {"status": 201}, 201, "application/json; charset=utf-8", b'{"id":"auth_sess_'),
                ("bad JSON", {"body": "badJson"}, 200, "application/json; charset=utf-8", b'{"id":'),
                ("own text", {"status": 200, "bodyText": "[1]"}, 200, "application/json; charset=utf-8", b"[1]"),
                ("own type", {"status": 200, "bodyText": "x", "contentType": "text/plain"}, 200, "text/plain", b"x")):
            with self.subTest(name):
                answer = self.meet(**rule).answer()
                self.assertEqual((answer.status, answer.headers.get("content-type")), (status, kind))
                self.assertTrue(answer.body.startswith(body) if body else answer.body == b"", answer.body)
        answer = self.meet(body="badJson").answer()
        with self.assertRaises(ValueError):
            json.loads(answer.body)

    def test_headers_of_every_kind(self):
        for name, value in (("Retry-After", "0"), ("Retry-After", "120"), ("Retry-After", "soon"),
                            ("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"), ("retry-after-ms", "150"),
                            ("x-should-retry", "false"), ("RateLimit-Reset", "7"), ("Date", "then")):
            with self.subTest(name, value=value):
                answer = self.meet(status=429, headers={name: value}).answer()
                self.assertEqual((answer.status, answer.headers[name.lower()]), (429, value))
        answer = self.meet(status=500, headers={"Conductor-Request-Id": None, "content-type": None}).answer()
        self.assertNotIn("conductor-request-id", answer.headers)
        self.assertNotIn("content-type", answer.headers)

    def test_redirects(self):
        for status in (302, 307):
            answer = self.meet(status=status, headers={"Location": "https://elsewhere.example/"}).answer()
            self.assertEqual((answer.status, answer.headers["location"], answer.body),
                             (status, "https://elsewhere.example/", b""))

    def test_answers_that_are_bent(self):
        session = self.meet(set={"endUserId": "end_usr_other", "redirectUrl": 5, "extra": [1]}, unset=["id"]).answer().json
        self.assertEqual((session["endUserId"], session["redirectUrl"], session["extra"]), ("end_usr_other", 5, [1]))
        self.assertNotIn("id", session)
        session = self.meet(linkHost="evil.example").answer().json
        self.assertEqual(session["authFlowUrl"],
                         f"https://evil.example/qbd/{session['clientSecret']}?key={PUBLISHABLE_KEY}")
        self.assertAlmostEqual(life_mins(self.meet(expiresInSec=-60).answer().json), -1, delta=0.1)
        answer = self.meet(padBytes=3000001).answer()
        self.assertGreater(len(answer.body), 3000001)
        self.assertEqual(list(answer.json), MEMBERS)

    def test_delays_before_the_head_and_before_the_body(self):
        for rule in ({"delayMs": 120}, {"bodyDelayMs": 120}, {"pieceBytes": 40, "pieceDelayMs": 15},
                     {"pieceBytes": 40, "pieceDelayMs": 15, "chunked": True}):
            with self.subTest(str(rule)):
                start = time.monotonic()
                client = self.meet(**rule)
                client.take(lambda data: 1 if data else None)
                head_sec = time.monotonic() - start
                client.received = b"H" + client.received
                self.assertEqual(list(client.answer().json), MEMBERS)
                self.assertGreaterEqual(time.monotonic() - start, 0.1)
                if "delayMs" in rule:
                    self.assertGreaterEqual(head_sec, 0.1)

    def test_connections_that_end_before_an_answer(self):
        for at in ("accept", "head", "request"):
            for drop, ends in (("close", ("eof", "reset")), ("rst", ("reset",))):
                with self.subTest(at, drop=drop):
                    self.fake.post("faults", {"at": at, "drop": drop})
                    ended = ""
                    try:
                        client = self.client()
                        client.post(wish())
                        ended = client.end()
                        self.assertEqual(client.received, b"")
                    except (ConnectionResetError, BrokenPipeError):
                        ended = "reset"  # while it was still sending
                    self.assertIn(ended, ends)
        self.assertEqual(self.fake.get("stats")["created"], 0)

    def test_a_drop_at_the_head_does_not_wait_for_the_body(self):
        self.fake.post("faults", {"at": "head", "drop": "close", "key": SECRET_KEY, "path": "/v1/auth-sessions"})
        client = self.client()
        client.send(b"POST /v1/auth-sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + SECRET_KEY.encode() +
                    b"\r\nContent-Length: 100\r\n\r\n")
        self.assertEqual(client.end(), "eof")

    def test_an_answer_cut_inside_its_body(self):
        for drop, ended in (("close", "eof"), ("rst", "reset")):
            with self.subTest(drop):
                client = self.meet(at="body", drop=drop, cutAfterBytes=20)
                answer = client.answer()
                self.assertEqual((answer.status, answer.ended), (200, ended))
                self.assertLessEqual(len(answer.body), 20)
                self.assertGreater(int(answer.headers["content-length"]), 300)
        self.assertEqual(self.fake.get("stats")["created"], 2)

    def test_chunks_that_lack_their_end(self):
        client = self.meet(at="body", drop="close", cutAfterBytes=100, chunked=True, pieceBytes=30)
        answer = client.answer()
        self.assertEqual(answer.ended, "eof")
        self.assertTrue(answer.body.startswith(b'{"id":'))

    def test_stalls_hold_the_connection_and_send_nothing_more(self):
        for at, received in (("accept", 0), ("head", 0), ("request", 0), ("body", 30)):
            with self.subTest(at):
                before = self.fake.get("stats")["dropped"]
                client = self.meet(at=at, drop="stall", cutAfterBytes=30)
                if at == "body":
                    client.take(lambda data: len(data) if b"\r\n\r\n" in data and
                                len(data) - data.index(b"\r\n\r\n") - 4 == received else None)
                client.socket.settimeout(0.15)
                with self.assertRaises(TimeoutError):
                    client.more()
                client.socket.close()
                if at in ("request", "body"):
                    wait_for(lambda: self.fake.get("stats")["dropped"] == before + 1, "the client to be missed")
        self.assertEqual(self.fake.get("stats")["inFlight"], 0)

    def test_a_session_may_be_created_and_its_answer_lost(self):
        self.fake.post("faults", {"drop": "close", "commit": True, "times": 1})
        client = self.client()
        client.post(wish("end_usr_lost"))
        self.assertEqual((client.end(), client.received), ("eof", b""))
        self.assertEqual(self.fake.get("counts"), {"end_usr_lost": 1})
        recorded = self.fake.get("requests")["requests"][0]
        self.assertEqual((recorded["created"], recorded["status"], recorded["fate"]), (True, 0, "dropped"))
        self.assertEqual(self.ask(wish("end_usr_lost")).status, 200)
        self.assertEqual(self.fake.get("counts"), {"end_usr_lost": 2})
        self.assertEqual(self.meet("end_usr_500", status=500, commit=True).answer().status, 500)
        self.assertEqual(self.fake.get("counts")["end_usr_500"], 1)

    def test_a_connection_may_end_after_a_whole_answer(self):
        client = self.meet(status=500, closeAfter=True)
        self.assertEqual(client.answer().headers["connection"], "close")
        self.assertEqual(client.end(), "eof")

    def statuses(self, *users):
        return [self.ask(wish(user)).status for user in users]

    def test_rules_choose_their_requests(self):
        a, b, c = "end_usr_a", "end_usr_b", "other_c"
        for name, rule, users, expected in (
                ("by end user", {"endUserId": a}, (a, b, a), [500, 200, 500]),
                ("by prefix", {"endUserPrefix": "other_"}, (a, c), [200, 500]),
                ("the nth", {"nth": 2}, (a, b, c), [200, 500, 200]),
                ("every so many", {"every": 2}, (a, b, c, a), [200, 500, 200, 500]),
                ("so many times", {"times": 2}, (a, b, c), [500, 500, 200]),
                ("a user's first two", {"attemptsUpTo": 2}, (a, a, a, b), [500, 500, 200, 500]),
                ("a user's second", {"attempt": 2}, (a, b, a, a, b), [200, 200, 500, 200, 500]),
                ("by method", {"method": "GET"}, (a,), [200]),
                ("by path", {"path": "/v1/auth-sessions"}, (a,), [500]),
                ("by key", {"key": "sk_other"}, (a,), [200]),
                ("never by chance", {"probability": 0}, (a, b), [200, 200])):
            with self.subTest(name):
                self.fake.post("reset", {})
                self.fake.post("faults", {"status": 500, **rule})
                self.assertEqual(self.statuses(*users), expected)

    def test_the_first_rule_that_applies_decides_and_tells_how_often(self):
        self.fake.post("faults", [{"endUserId": "end_usr_a", "times": 1, "status": 409}, {"status": 503}])
        self.assertEqual(self.statuses("end_usr_b", "end_usr_a", "end_usr_a"), [503, 409, 503])
        self.assertEqual([rule["applied"] for rule in self.fake.get("faults")], [1, 2])
        self.fake.post("faults/add", {"status": 500})
        self.assertEqual(len(self.fake.get("faults")), 3)
        self.fake.post("faults", [])
        self.assertEqual(self.statuses("end_usr_b"), [200])

    def test_chance_repeats_with_its_seed(self):
        seen = []
        for _ in range(2):
            self.fake.post("faults", {"status": 500, "probability": 0.4, "seed": 11})
            with Client(self.fake.port) as client:
                seen.append([])
                for _ in range(100):
                    client.post(wish())
                    seen[-1].append(client.answer().status)
        self.assertEqual(seen[0], seen[1])
        self.assertTrue(20 <= seen[0].count(500) <= 60, seen[0].count(500))

    def test_a_wrong_rule_is_refused_with_a_reason_and_leaves_the_old_ones(self):
        self.fake.post("faults", {"status": 500})
        for rule, reason in ((b'{"statsu":500}', "statsu"), (b'{"status":1000}', "status"), (b'[5]', "object"),
                             (b'{"drop":"gently"}', "drop"), (b'{"headers":{"a":"b\\nc: d"}}', "headers"),
                             (b'{"times":1.5}', "times"), (b'{"endUserId":5}', "endUserId")):
            with self.subTest(reason), Client(self.fake.control_port) as client:
                client.post(rule, path="/_fake/faults")
                answer = client.answer()
                self.assertEqual(answer.status, 400)
                self.assertIn(reason, answer.json["error"])
        self.assertEqual(len(self.fake.get("faults")), 1)


class Limits(FakeCase):
    def burst(self, number, user="end_usr_1"):
        with Client(self.fake.port) as client:
            for _ in range(number):
                client.post(wish(user))
            return [client.answer() for _ in range(number)]

    def test_each_form_lets_its_number_through(self):
        for name, settings, passed in (
                ("bucket", {"limit": "bucket", "rate": 0.01, "burst": 3}, 3),
                ("window", {"limit": "window", "rate": 4 / 86400, "windowMs": 86400000}, 4),
                ("log", {"limit": "log", "rate": 0.1, "windowMs": 50000}, 5)):
            with self.subTest(name):
                self.fake.post("reset", {})
                self.fake.post("settings", settings)
                statuses = [answer.status for answer in self.burst(10)]
                self.assertEqual(statuses, [200] * passed + [429] * (10 - passed))
                self.assertEqual(self.fake.get("stats")["throttled"], 10 - passed)

    def test_a_bucket_fills_again(self):
        self.fake.post("settings", {"rate": 20, "burst": 1})
        self.assertIn(429, [answer.status for answer in self.burst(50)])
        wait_for(lambda: self.burst(1)[0].status == 200, "a token")

    def test_throttled_answers_say_when_in_every_form(self):
        def throttled(**settings):
            self.fake.post("reset", {})
            self.fake.post("settings", {"rate": 0.01, "burst": 1, **settings})
            answer = self.burst(2)[1]
            self.check_error(answer, 429, "INVALID_REQUEST_ERROR", "RATE_LIMIT_EXCEEDED")
            return answer.headers

        self.assertIn(int(throttled()["retry-after"]), range(80, 101))
        self.assertIn(int(throttled(retryAfter="ms")["retry-after-ms"]), range(80000, 100001))
        headers = throttled(retryAfter="date", clockOffsetMs=3600000)
        then, now = (email.utils.parsedate_to_datetime(headers[name]).timestamp() for name in ("retry-after", "date"))
        self.assertAlmostEqual(then - now, 90, delta=11)
        self.assertEqual(throttled(retryAfter="zero")["retry-after"], "0")
        self.assertNotIn("retry-after", throttled(retryAfter="none"))
        self.assertEqual(throttled(retryAfterText="later")["retry-after"], "later")
        headers = throttled(rateHeaders=True)
        self.assertEqual((headers["ratelimit-limit"], headers["ratelimit-remaining"]), ("1", "0"))

    def test_an_accepted_answer_says_what_is_left(self):
        self.fake.post("settings", {"limit": "window", "windowMs": 86400000, "rate": 0.00002315, "rateHeaders": True})
        first, last = [answer.headers for answer in self.burst(2)]
        self.assertEqual((first["ratelimit-remaining"], last["ratelimit-remaining"]), ("1", "0"))
        self.assertIn(int(last["ratelimit-reset"]), range(1, 86401))

    def test_a_throttled_body_may_be_a_page(self):
        self.fake.post("settings", {"rate": 0.01, "throttleStatus": 503, "throttleBody": "html"})
        answer = self.burst(2)[1]
        self.assertEqual((answer.status, answer.headers["content-type"]), (503, "text/html"))

    def test_too_many_at_once_are_throttled(self):
        self.fake.post("settings", {"concurrency": 2})
        self.fake.post("faults", {"drop": "stall", "times": 2})
        clients = [self.client() for _ in range(2)]
        for client in clients:
            client.post(wish())
        wait_for(lambda: self.fake.get("stats")["inFlight"] == 2, "two at once")
        self.assertEqual(self.burst(1)[0].status, 429)
        for client in clients:
            client.socket.close()
        wait_for(lambda: self.fake.get("stats")["inFlight"] == 0, "the two to be missed")
        self.assertEqual(self.burst(1)[0].status, 200)
        stats = self.fake.get("stats")
        self.assertEqual((stats["maxInFlight"], stats["maxInFlightPerUser"]), (3, 3))

    def test_a_throttled_request_uses_no_fault_up(self):
        self.fake.post("faults", {"status": 500, "nth": 2})
        self.fake.post("settings", {"rate": 0.01, "burst": 1})
        self.assertEqual([answer.status for answer in self.burst(3)], [200, 429, 429])
        self.fake.post("settings", {"rate": 0})
        self.assertEqual(self.burst(1)[0].status, 500)


class Latency(FakeCase):
    def measure(self, number):
        waits = []
        with Client(self.fake.port) as client:
            for _ in range(number):
                start = time.monotonic()
                client.post(wish())
                client.answer()
                waits.append(time.monotonic() - start)
        return waits

    def test_fixed_latency_is_at_least_what_was_asked(self):
        self.fake.post("settings", {"latencyMs": 30})
        self.assertGreaterEqual(min(self.measure(5)), 0.0295)

    def test_log_normal_latency_varies_around_its_median_and_repeats_with_its_seed(self):
        self.fake = self.start("--latency-ms", "2", "--latency-sigma", "1", "--seed", "5")
        planned = []
        for _ in range(2):
            self.measure(100)
            requests = self.fake.get("requests")["requests"]
            planned.append([request["delayUs"] for request in requests])
            for request in requests:
                self.assertGreaterEqual(request["answeredUs"] - request["arrivedUs"], request["delayUs"] - 1000)
            self.fake.post("reset", {})
        self.assertEqual(planned[0], planned[1])
        delays_us = sorted(planned[0])
        self.assertTrue(1500 < delays_us[50] < 2700, delays_us[50])
        self.assertTrue(400 < delays_us[10] < 900, delays_us[10])  # a decile of it is 0.28 of the median
        self.assertTrue(4500 < delays_us[90] < 11000, delays_us[90])

    def test_its_seed_repeats_what_it_makes_up(self):
        self.fake = self.start("--seed", "5")
        first = self.ask(wish()).json["id"]
        self.fake.post("reset", {})
        self.assertEqual(self.ask(wish()).json["id"], first)
        self.fake = self.start("--seed", "6")
        self.assertNotEqual(self.ask(wish()).json["id"], first)

    def test_its_clock_may_be_off(self):
        self.fake = self.start("--clock-offset-ms", "-7200000")
        answer = self.ask(wish())
        date = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
        self.assertAlmostEqual(time.time() - date, 7200, delta=30)
        self.assertEqual(life_mins(answer.json), 30)
        created = datetime.datetime.fromisoformat(answer.json["createdAt"].replace("Z", "+00:00")).timestamp()
        self.assertAlmostEqual(created, date, delta=2)


class Record(FakeCase):
    options = ("--record-answers",)

    def test_every_request_is_kept_as_it_came(self):
        body = json.dumps(wish("end_usr_é"), ensure_ascii=False).encode()
        before_us = time.monotonic_ns() // 1000
        answer = self.ask(body, headers=["X-Odd-CASE: kept", "X-Odd-CASE: twice"])
        self.ask(wish("end_usr_2"))
        self.ask(b"\xfe{", path="/v1/auth-sessions?x=1")
        seen = self.fake.get("requests")
        self.assertEqual((seen["oldest"], seen["next"], len(seen["requests"])), (1, 4, 3))
        first, second, third = seen["requests"]
        self.assertEqual((first["number"], first["method"], first["path"]), (1, "POST", "/v1/auth-sessions"))
        self.assertEqual(first["body"], body.decode())
        self.assertEqual(first["headers"][-2:], [["X-Odd-CASE", "kept"], ["X-Odd-CASE", "twice"]])
        self.assertEqual((first["endUserId"], first["status"], first["created"]), ("end_usr_é", 404, False))
        self.assertEqual(first["answerBody"], answer.body.decode())
        self.assertEqual((second["status"], second["created"], second["fate"]), (200, True, "answered"))
        self.assertTrue(before_us <= first["arrivedUs"] <= first["answeredUs"] <= second["arrivedUs"])
        self.assertNotEqual(first["connection"], second["connection"])
        self.assertEqual((third["path"], third["body"]), ("/v1/auth-sessions?x=1", "\u00fe{"))
        self.assertEqual([r["number"] for r in self.fake.get("requests?since=2&limit=1")["requests"]], [2])

    def test_stats_add_up(self):
        for user in ("end_usr_1", "end_usr_1", "end_usr_missing"):
            self.ask(wish(user))
        self.ask(wish(), key="sk_wrong_key_value_xyz")
        stats = self.fake.get("stats")
        self.assertEqual((stats["requests"], stats["created"], stats["byStatus"], stats["maxInFlight"]),
                         (4, 2, {"200": 2, "401": 1, "404": 1}, 1))
        self.assertEqual(stats["connections"], 5, "four, and the one that asks")

    def test_a_bound_keeps_the_newest_and_off_keeps_none(self):
        self.fake = self.start("--record-max", "3")
        for number in range(5):
            self.ask(wish(f"end_usr_{number}"))
        seen = self.fake.get("requests")
        self.assertEqual([r["endUserId"] for r in seen["requests"]], ["end_usr_2", "end_usr_3", "end_usr_4"])
        self.assertEqual(seen["oldest"], 3)
        self.fake = self.start("--no-record")
        self.ask(wish())
        self.assertEqual((self.fake.get("requests")["requests"], self.fake.get("sessions")["sessions"]), ([], []))
        self.assertEqual(self.fake.get("counts"), {"end_usr_1": 1})

    def test_a_reset_returns_to_the_command_line_also_with_requests_under_way(self):
        self.fake = self.start("--latency-ms", "150", "--end-user", "end_usr_missing_but_named")
        client = self.client()
        client.post(wish("end_usr_late"))
        wait_for(lambda: self.fake.get("stats")["requests"] == 1, "the request")
        self.fake.post("faults", {"status": 500})
        self.fake.post("keys", {"revoke": [SECRET_KEY]})
        self.fake.post("reset", {})
        self.assertEqual(client.answer().json["endUserId"], "end_usr_late")
        self.assertEqual(self.fake.get("settings")["latencyMs"], 150)
        self.assertEqual(self.ask(wish("end_usr_missing_but_named")).status, 200)
        stats = self.fake.get("stats")
        self.assertEqual((stats["requests"], stats["inFlight"], self.fake.get("counts")),
                         (1, 0, {"end_usr_missing_but_named": 1}))

    def test_thousands_of_end_users_are_counted_each(self):
        with Client(self.fake.port) as client:
            for start in range(0, 5000, 100):
                for number in range(start, start + 100):
                    client.post(wish(f"end_usr_{number}"))
                for _ in range(100):
                    self.assertEqual(client.answer().status, 200)
        self.assertEqual(self.fake.get("counts"), {f"end_usr_{number}": 1 for number in range(5000)})


class Tls(FakeCase):
    def setUp(self):
        super().setUp()
        self.certificates = os.path.join(self.folder, "tls")

    def context(self):
        return ssl.create_default_context(cafile=os.path.join(self.certificates, "ca.pem"))

    def test_the_good_certificate_is_good(self):
        fake = self.start("--tls", self.certificates)
        client = self.client(fake, self.context())
        for user in ("end_usr_1", "end_usr_2"):
            client.post(wish(user))
            self.assertEqual(client.answer().json["endUserId"], user)
        self.assertEqual(fake.get("stats")["created"], 2)

    def test_bad_certificates_are_bad_each_in_its_way(self):
        for kind, reason in (("expired", "expired"), ("wrongname", "Hostname mismatch"),
                             ("unknown", "unable to get local issuer")):
            with self.subTest(kind):
                fake = self.start("--tls", self.certificates, "--certificate", kind)
                with self.assertRaisesRegex(ssl.SSLCertVerificationError, reason):
                    self.client(fake, self.context())

    def test_plain_http_gets_no_answer(self):
        fake = self.start("--tls", self.certificates)
        client = self.client(fake)
        client.post(wish())
        self.assertIn(client.end(), ("eof", "reset"))
        self.assertNotIn(b"HTTP/1.1 200", client.received)

    def test_the_certificates_are_made_once(self):
        self.start("--tls", self.certificates)
        names = sorted(os.listdir(self.certificates))
        self.assertEqual(names, ["ca.pem", "expired.pem", "server.key", "server.pem", "unknown.pem", "wrongname.pem"])
        with open(os.path.join(self.certificates, "server.pem"), "rb") as file:
            before = file.read()
        self.start("--tls", self.certificates)
        with open(os.path.join(self.certificates, "server.pem"), "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(os.stat(os.path.join(self.certificates, "server.key")).st_mode & 0o077, 0)

    def test_faults_work_over_tls_and_a_cut_is_an_end_without_notice(self):
        fake = self.start("--tls", self.certificates)
        fake.post("faults", [{"endUserId": "end_usr_cut", "at": "body", "drop": "rst", "cutAfterBytes": 10},
                             {"endUserId": "end_usr_slow", "pieceBytes": 50, "pieceDelayMs": 5}])
        client = self.client(fake, self.context())
        client.post(wish("end_usr_slow"))
        self.assertEqual(list(client.answer().json), MEMBERS)
        client.post(wish("end_usr_cut"))
        with self.assertRaises((ssl.SSLError, ConnectionResetError, AssertionError)):
            self.assertIsNone(client.answer().ended)
        fake.post("faults", {"at": "accept", "drop": "stall"})
        with self.assertRaises(TimeoutError):
            with socket.create_connection(("127.0.0.1", fake.port), timeout=0.15) as plain:
                self.context().wrap_socket(plain, server_hostname="localhost")


class CommandLine(FakeCase):
    def run_fake(self, *words):
        return subprocess.run([os.path.join(BUILD_DIR, "conductor-fake"), *words], capture_output=True, text=True,
                              timeout=PATIENCE_SEC)

    def test_what_is_wrong_exits_2_with_a_reason(self):
        for words, reason in ((("--no-such",), "--no-such"), (("--rate",), "--rate"), (("word",), "word"),
                              (("--port", "70000"), "port"), (("--burst", "0"), "burst"), (("--rate", "1x"), "rate"),
                              (("--limit", "leaky"), "bucket window log"), (("--key", "sk_only"), "--key"),
                              (("--fault", "{"), "--fault"), (("--fault", '{"a":1}'), "a: "),
                              (("--end-user", "no id"), "--end-user")):
            with self.subTest(" ".join(words)):
                run = self.run_fake(*words)
                self.assertEqual((run.returncode, run.stdout), (2, ""))
                self.assertIn(reason, run.stderr)

    def test_help_and_manual_name_every_setting_and_every_member_of_a_fault(self):
        run = self.run_fake("--help")
        self.assertEqual(run.returncode, 0)
        names = list(self.fake.get("settings"))
        self.assertGreater(len(names), 30)
        for name in names:
            self.assertIn("--" + re.sub(r"[A-Z]", lambda match: "-" + match[0].lower(), name), run.stdout)
        self.fake.post("faults", {"headers": {}, "set": {}, "unset": []})
        members = set(self.fake.get("faults")[0]) - {"seen", "applied"}
        self.assertGreater(len(members), 30)
        with open(MANUAL, encoding="utf-8") as file:
            manual = file.read()
        for name in members:
            self.assertIn(f"\n  {name}\n", run.stdout)
            self.assertIn(f"\n.It Sy {name}\n", manual)

    def test_a_port_that_is_taken_exits_1(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            run = self.run_fake("--port", str(taken.getsockname()[1]))
        self.assertEqual(run.returncode, 1)
        self.assertIn("in use", run.stderr)

    def test_terminate_ends_it_at_once_with_connections_open(self):
        fake = self.start("--fault", '{"drop":"stall"}')
        with Client(fake.port) as client:
            client.post(wish())
            wait_for(lambda: fake.get("stats")["faults"] == 1, "the stall")
            fake.process.terminate()
            self.assertEqual(fake.process.wait(PATIENCE_SEC), 0)


if __name__ == "__main__":
    main()
