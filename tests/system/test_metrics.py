#!/usr/bin/env python3
"""What a monitor sees of a real daemon: true numbers, honest readiness, and no way to slow it down."""

import http.client
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

import harness
from faults import cpu_sec, descriptors, end_pause, redis_now_ms, set_pause, wait_ready
from harness import SECRETS, World, free_port, main, wait_for

# Readings of the fleet come five times a second instead of every five seconds.
QUICK = {"AUTHLINKD_TIMING": "survey_interval=200"}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=harness.PATIENCE_SEC)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(listen, path="/metrics", method="GET"):
    """(status, body, headers) of a page at metrics.listen."""
    if listen.startswith("unix://"):
        connection = UnixConnection(listen[len("unix://"):])
    else:
        host, port = listen.rsplit(":", 1)
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=harness.PATIENCE_SEC)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def is_there(listen):
    try:
        return get(listen, "/healthz")[0] == 200
    except OSError:
        return False


def series(text):
    """Series -> value."""
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}


class Watched(World):
    """A world whose daemons are watched at `listen`."""

    def __init__(self, listen=None, **arguments):
        self.listen = listen or f"127.0.0.1:{free_port()}"
        arguments.setdefault("settings", {}).setdefault("metrics", {})["listen"] = self.listen
        super().__init__(**arguments)

    def daemon(self, instance="one", **arguments):
        daemon = super().daemon(instance, hooked=True, env=QUICK, **arguments)
        if arguments.get("start", True):
            wait_for(lambda: is_there(self.listen), "metrics.listen to answer")
        return daemon

    def metrics(self):
        return series(get(self.listen)[1])

    def wait_metrics(self, **expected):
        """Until these series have these values; names without the prefix."""
        named = {"authlinkd_" + name: value for name, value in expected.items()}
        try:
            wait_for(lambda: named.items() <= self.metrics().items(), f"{named}")
        except AssertionError as error:
            found = self.metrics()
            raise AssertionError(f"{error}; found {[(name, found.get(name)) for name in named]}") from None

    def wait_readiness(self, status, word):
        wait_for(lambda: get(self.listen, "/readyz")[:2] == (status, word + "\n"), f"/readyz to say {word}")


class Numbers(unittest.TestCase):
    def test_promtool_finds_nothing_to_say_about_the_metrics(self):
        with Watched() as world:
            world.daemon()
            world.push("end_usr_1")
            wait_ready(world, 1)
            world.wait_metrics(fleet_jobs_ready_total=1)
            text = get(world.listen)[1]
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
            self.assertGreater(text.count("\n# TYPE "), 40, "not all was there")
            self.assertIsNone(SECRETS.search(text))

    def test_numbers_are_those_of_what_happened(self):
        with Watched(settings={"retry": {"base_delay_ms": 10, "max_delay_ms": 20}}) as world:
            world.fake.post("end-users", {"missing": ["end_usr_gone"]})
            world.fake.post("faults", [
                {"endUserId": "end_usr_slow", "times": 1, "status": 429},
                {"endUserId": "end_usr_broken", "times": 1, "status": 503},
                {"endUserId": "end_usr_lost", "times": 1, "drop": "close"}])
            world.daemon()
            # one first: twenty unknown ones in a row would be a hold
            world.push("end_usr_0", "end_usr_slow", "end_usr_broken", "end_usr_lost", "end_usr_gone", "no job!")
            wait_for(lambda: sum(world.stats().get(name, 0) for name in ("ready", "dead")) == 6, "all jobs to end")
            world.push("end_usr_0")
            wait_for(lambda: world.stats().get("reused", 0) == 1, "the link to be reused")
            world.wait_metrics(fleet_jobs_taken_total=7, fleet_jobs_ready_total=4, fleet_jobs_dead_total=2,
                               fleet_jobs_reused_total=1, fleet_dead_letters=2, fleet_queue_length=0, fleet_delayed_jobs=0,
                               fleet_leases=0, fleet_inflight_jobs=0, fleet_throttled_total=1)
            found = world.metrics()
            counts = {name: found[f'authlinkd_api_requests_total{{status="{name}"}}']
                      for name in ("1xx", "2xx", "3xx", "4xx", "429", "5xx", "other", "ambiguous", "unsent")}
            self.assertEqual(counts, {"1xx": 0, "2xx": 4, "3xx": 0, "4xx": 1, "429": 1, "5xx": 1, "other": 0, "ambiguous": 1,
                                      "unsent": 0})
            self.assertEqual(sum(counts.values()), world.fake.get("stats")["requests"])
            outcomes = {name: found[f'authlinkd_jobs_total{{outcome="{name}"}}']
                        for name in ("created", "retry", "throttled", "rejected", "gave_up", "account_error", "unsent")}
            self.assertEqual(outcomes, {"created": 4, "retry": 2, "throttled": 1, "rejected": 1, "gave_up": 0,
                                        "account_error": 0, "unsent": 0})
            self.assertEqual(found["authlinkd_api_request_duration_seconds_count"], 7)  # the whole answers
            self.assertEqual(found["authlinkd_fleet_last_link_timestamp_seconds"], world.stats()["lastReadyMs"] / 1000)
            self.assertLess(abs(found["authlinkd_last_link_timestamp_seconds"] - world.stats()["lastReadyMs"] / 1000), 60)
            limiter = world.r("HMGET", "authlink:limiter", "perSec", "pace")
            self.assertEqual(found["authlinkd_fleet_rate_requests_per_second"], float(limiter[0]))
            self.assertAlmostEqual(found["authlinkd_fleet_pace_requests_per_second"], float(limiter[1]), delta=1e-9)

    def test_two_instances_tell_the_same_of_the_fleet_and_each_its_own(self):
        with Watched() as world:
            world.daemon()
            other = f"[::1]:{free_port()}"
            world.daemon("two", settings={"metrics": {"listen": other}})
            world.push(*[f"end_usr_{n}" for n in range(200)])
            wait_ready(world, 200)
            world.wait_metrics(fleet_jobs_ready_total=200)
            wait_for(lambda: series(get(other)[1]).get("authlinkd_fleet_jobs_ready_total") == 200, "the same at the other")
            created = 'authlinkd_jobs_total{outcome="created"}'
            self.assertEqual(world.metrics()[created] + series(get(other)[1])[created], 200)

    def test_what_waits_is_counted_and_its_age_told(self):
        with Watched() as world:
            set_pause(world)
            world.daemon()
            now_ms = redis_now_ms(world)
            world.push('{"endUserId":"end_usr_1","enqueuedAtMs":%d}' % (now_ms - 3_600_000), "end_usr_2")
            world.wait_metrics(fleet_queue_length=2)
            age = world.metrics()["authlinkd_fleet_queue_oldest_age_seconds"]
            self.assertGreaterEqual(age, 3600)
            self.assertLessEqual(age, 3600 + (redis_now_ms(world) - now_ms) / 1000)
            world.r("LPUSH", "authlink:queue", "end_usr_0")  # says nothing of its age
            wait_for(lambda: "authlinkd_fleet_queue_oldest_age_seconds" not in world.metrics(), "no age")

    def test_memory_of_redis_is_told(self):
        with Watched() as world:
            world.daemon()
            world.r("CONFIG", "SET", "maxmemory", "100mb")
            world.wait_metrics(redis_memory_max_bytes=100 * 1024 * 1024)
            self.assertGreater(world.metrics()["authlinkd_redis_memory_used_bytes"], 100_000)


class Readiness(unittest.TestCase):
    def test_a_hold_and_its_end_show_although_nothing_waits(self):
        with Watched() as world:
            world.daemon()
            world.wait_readiness(200, "ready")
            set_pause(world)
            world.wait_readiness(503, "pause")
            found = world.metrics()
            self.assertEqual(found["authlinkd_ready"], 0)
            self.assertEqual([found[f'authlinkd_hold{{hold="{kind}"}}'] for kind in ("pause", "outage", "account", "unknown_users")],
                             [1, 0, 0, 0])
            end_pause(world)
            world.wait_readiness(200, "ready")
            self.assertEqual(world.metrics()["authlinkd_ready"], 1)

    def test_without_redis_it_is_alive_and_not_ready_and_tells_nothing_of_the_fleet(self):
        with Watched() as world:
            world.daemon()
            world.wait_metrics(fleet_queue_length=0, redis_connected=1, redis_reconnects_total=0)
            world.redis.kill()
            world.wait_readiness(503, "redis")
            self.assertEqual(get(world.listen, "/healthz")[:2], (200, "ok\n"))
            wait_for(lambda: "authlinkd_fleet_queue_length" not in world.metrics(), "old numbers to go")
            self.assertEqual(world.metrics()["authlinkd_redis_connected"], 0)
            world.redis.start()
            world.wait_readiness(200, "ready")
            world.wait_metrics(fleet_queue_length=0, redis_connected=1, redis_reconnects_total=1)

    def test_data_of_another_project_is_not_ready(self):
        with Watched() as world:
            world.r("HSET", "authlink:meta", "schema", "1", "publishableKey", "pk_other")
            world.daemon()
            world.push("end_usr_1")
            world.wait_readiness(503, "foreign")

    def test_while_it_drains_it_says_so_and_the_socket_goes_at_the_end(self):
        with Watched(fake_options=("--latency-ms", "3000")) as world:
            daemon = world.daemon()
            world.push("end_usr_1")
            wait_for(lambda: world.metrics()["authlinkd_api_requests_in_flight"] == 1, "a request")
            daemon.signal(signal.SIGTERM)
            world.wait_readiness(503, "stopping")
            self.assertEqual(daemon.process.wait(harness.PATIENCE_SEC), 0)
            self.assertFalse(is_there(world.listen))

    def test_a_right_that_is_missing_is_said_once_and_costs_the_numbers_of_the_fleet_only(self):
        with Watched() as world:
            # HGETALL of :stats is what only the survey needs.
            world.r("ACL", "SETUSER", "narrow", "on", "nopass", "~*", "+@all", "-hgetall",
                    "(+hgetall ~authlink:holds ~authlink:lease:*)")
            daemon = world.daemon(settings={"redis": {"url": f"redis://narrow@127.0.0.1:{world.redis.port}/0", "password_file": ""}})
            wait_for(lambda: "what=survey" in daemon.log_text(), "the refusal")
            world.push("end_usr_1")
            wait_ready(world, 1)
            before = redis_now_ms(world)
            wait_for(lambda: redis_now_ms(world) - before > 2000, "ten more readings")
            self.assertEqual(daemon.log_text().count("what=survey"), 1)
            self.assertIn("+hgetall ~authlink:stats", daemon.log_text())
            self.assertNotIn("authlinkd_fleet_queue_length", world.metrics())
            world.r("ACL", "SETUSER", "narrow", "+hgetall")
            world.wait_metrics(fleet_queue_length=0)


class Pages(unittest.TestCase):
    def test_pages_are_GET_and_HEAD_of_three_paths(self):
        with Watched() as world:
            world.daemon()
            world.wait_readiness(200, "ready")
            for path in ("/metrics", "/healthz", "/readyz", "/metrics?x=1"):
                status, body, headers = get(world.listen, path)
                self.assertEqual((status, int(headers["Content-Length"])), (200, len(body.encode())), path)
                self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
                head_status, nothing, head_headers = get(world.listen, path, "HEAD")
                self.assertEqual((head_status, nothing), (200, ""))
                self.assertGreater(int(head_headers["Content-Length"]), 0)
            for path in ("/", "/metrics/", "/Metrics", "//metrics", "/../metrics", "/" + "x" * 1000):
                self.assertEqual(get(world.listen, path)[0], 404, path)
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"):
                status, _, headers = get(world.listen, "/metrics", method)
                self.assertEqual((status, headers.get("Allow")), (405, "GET, HEAD"), method)

    def talk(self, listen, *parts, ends=False):
        """What is answered to these bytes."""
        host, port = listen.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=harness.PATIENCE_SEC) as peer:
            try:
                for part in parts:
                    peer.sendall(part)
                if ends:
                    peer.shutdown(socket.SHUT_WR)
                answer = b""
                while part := peer.recv(65536):
                    answer += part
                return answer
            except ConnectionError:
                return b""

    def test_whatever_comes_is_answered_or_cut_off_and_the_next_one_is_served(self):
        with Watched() as world:
            daemon = world.daemon()
            before = descriptors(daemon.process)
            for text, status in (
                    (b"GET /healthz HTTP/1.1\r\n\r\n", 200), (b"GET /healthz HTTP/1.0\n\n", 200),
                    (b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 4000 + b"\r\n\r\n", 200),
                    (b"GET /healthz HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n", 200),
                    (b"\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", 400),
                    (b"GET /healthz\r\n\r\n", 400), (b"GET http://x/healthz HTTP/1.1\r\n\r\n", 400),
                    (b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 9000, 431), (b"z" * 8192, 431),
                    (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405)):
                with self.subTest(text=text[:40]):
                    answer = self.talk(world.listen, text)
                    self.assertEqual(answer[:13], b"HTTP/1.1 %d " % status)
                    self.assertEqual(answer.count(b"HTTP/1.1"), 1)
            self.assertTrue(self.talk(world.listen, b"GET /healthz HTTP/1.1\r\n\r\n", ends=True).endswith(b"ok\n"))
            self.assertEqual(self.talk(world.listen, b"GET /healthz HT", ends=True), b"")
            self.talk(world.listen, *[b"POST / HTTP/1.1\r\n\r\n" + b"x" * 100_000] * 20)  # cut off, whatever it got
            self.assertTrue(is_there(world.listen))
            wait_for(lambda: descriptors(daemon.process) <= before, "every connection to be closed")


class Hostile(unittest.TestCase):
    def test_those_who_dawdle_do_not_keep_a_scrape_out(self):
        with Watched() as world:
            daemon = world.daemon()
            host, port = world.listen.rsplit(":", 1)
            dawdlers = [socket.create_connection((host, int(port))) for _ in range(40)]
            try:
                for peer in dawdlers:
                    peer.sendall(b"GET /met")
                self.assertEqual(get(world.listen)[0], 200)
                wait_for(lambda: descriptors(daemon.process) < 40, "few of them to be let in")
                # each is cut off, also one that drips: the deadline is for the whole request
                last = dawdlers[-1]
                last.settimeout(0.2)

                def is_cut_off():
                    try:
                        last.sendall(b"r")
                        return last.recv(100) == b""
                    except TimeoutError:
                        return False
                    except ConnectionError:
                        return True

                wait_for(is_cut_off, "the one that drips to be cut off")
            finally:
                for peer in dawdlers:
                    peer.close()

    def test_a_flood_of_scrapes_costs_a_bounded_share_of_the_loop(self):
        with Watched(settings={"log": {"level": "notice"}}) as world:
            daemon = world.daemon()
            world.push("end_usr_0")
            wait_ready(world, 1)
            is_over = threading.Event()
            served = []

            def flood():
                while not is_over.is_set():
                    try:
                        served.append(get(world.listen)[0])
                    except (OSError, http.client.HTTPException):
                        pass

            threads = [threading.Thread(target=flood) for _ in range(16)]
            began, cpu_began = time.monotonic(), cpu_sec(daemon.process)
            for thread in threads:
                thread.start()
            try:
                world.push(*[f"end_usr_{n:06d}" for n in range(300)])
                wait_ready(world, 301)
                wait_for(lambda: time.monotonic() - began > 3, "three seconds of it")
            finally:
                is_over.set()
                for thread in threads:
                    thread.join()
            seconds = time.monotonic() - began
            print(f"{len(served)} scrapes in {seconds:.1f} s, {cpu_sec(daemon.process) - cpu_began:.2f} s of CPU")
            self.assertGreater(len(served), 0)
            self.assertLessEqual(len(served), 20 * (seconds + 2))
            world.wait_idle()


class Listening(unittest.TestCase):
    def test_a_unix_socket_is_for_the_group_and_goes_with_the_daemon(self):
        with World() as world:
            path = os.path.join(world.folder, "metrics.sock")
            daemon = world.daemon(settings={"metrics": {"listen": "unix://" + path}})
            wait_for(lambda: is_there("unix://" + path), "the socket to answer")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
            daemon.kill()
            self.assertTrue(os.path.exists(path), "a killed one tidies nothing up")
            daemon.start()
            wait_for(lambda: is_there("unix://" + path), "the socket file to be replaced")
            self.assertEqual(daemon.terminate(), 0)
            self.assertFalse(os.path.exists(path))

    def test_an_address_in_use_is_said_once_and_had_when_it_is_free(self):
        with World() as world, socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            listen = f"127.0.0.1:{other.getsockname()[1]}"
            daemon = world.daemon(settings={"metrics": {"listen": listen}})
            world.push("end_usr_1")
            wait_ready(world, 1)  # work goes on without
            wait_for(lambda: "metrics.unbound" in daemon.log_text(), "a word about it")
            self.assertRegex(daemon.log_text(), re.escape(listen) + r".*Address already in use.*choose another metrics\.listen")
            before = redis_now_ms(world)
            wait_for(lambda: redis_now_ms(world) - before > 4500, "two more tries, one every two seconds")
            self.assertEqual(daemon.log_text().count("metrics.unbound"), 1)
            other.close()
            wait_for(lambda: is_there(listen), "the address to be had")

    def test_a_reload_moves_takes_and_closes_it(self):
        with Watched() as world:
            daemon = world.daemon()
            elsewhere = f"[::1]:{free_port()}"
            daemon.write_config(metrics={"listen": elsewhere})
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: is_there(elsewhere), "the new address")
            self.assertFalse(is_there(world.listen))
            wait_for(lambda: "authlinkd_fleet_queue_length" in series(get(elsewhere)[1]), "the fleet")
            self.assertEqual(series(get(elsewhere)[1])["authlinkd_config_last_reload_successful"], 1)
            daemon.write_config(metrics={"listen": "0.0.0.0:80"})
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: series(get(elsewhere)[1])["authlinkd_config_last_reload_successful"] == 0, "the refusal to show")
            self.assertRegex(daemon.log_text(), r"one\.conf:\d+: metrics\.listen: must be 127\.0\.0\.1:PORT")
            daemon.write_config(metrics={"listen": ""})
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: not is_there(elsewhere), "it to be closed")
            self.assertIsNone(daemon.process.poll())

    def test_without_the_setting_nothing_listens_and_nothing_is_read(self):
        with World() as world:
            daemon = world.daemon(hooked=True, env=QUICK)
            world.push("end_usr_1")
            wait_ready(world, 1)
            inodes = {os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{daemon.process.pid}/fd")}
            with open("/proc/net/tcp", encoding="ascii") as file:
                listening = [line.split()[9] for line in file if line.split()[3] == "0A"]
            self.assertFalse(inodes & {f"socket:[{inode}]" for inode in listening})
            self.assertNotIn("metrics.", daemon.log_text())
            before = redis_now_ms(world)
            wait_for(lambda: redis_now_ms(world) - before > 1000, "time for five readings")
            self.assertIn("step=claim", daemon.log_text())
            self.assertNotIn("step=survey", daemon.log_text())

    def test_an_address_beyond_this_host_is_an_error_of_the_configuration(self):
        with World(fake=False) as world:
            daemon = world.daemon(settings={"metrics": {"listen": "0.0.0.0:9469"}})
            self.assertEqual(daemon.process.wait(harness.PATIENCE_SEC), 78)
            self.assertRegex(daemon.log_text(), r"one\.conf:\d+: metrics\.listen: must be 127\.0\.0\.1:PORT, \[::1\]:PORT, localhost:PORT "
                             r"or unix:///path")


if __name__ == "__main__":
    main()
