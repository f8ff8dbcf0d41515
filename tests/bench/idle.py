"""What one person waits for: from the push to the link with nothing else to do, and past a long line; and what an idle
daemon costs. The event that tells of the link is read as a mailer reads it: it waits before the push. What the API itself
takes is asked by one request at a time, as far apart, and taken off."""

import socket
import statistics
import time

import meter
from drain import Ground

PUSHES_APART_SEC = 0.02
WAITING = 10000
WAITING_RATE = 100.0
IDLE_COMMANDS = ("evalsha", "blmove", "hset", "pexpire", "info", "ping")


def wait_for_link(ground, user, last_event, reader, push):
    """(ms from the push to the event of this link, ID of that event)"""
    reader.send("XREAD", "BLOCK", 10000, "STREAMS", "authlink:events", last_event)
    began = time.perf_counter()
    ground.r(push, "authlink:queue", user)
    while True:
        for entry_id, fields in reader.receive()[0][1]:
            last_event = entry_id
            if user.encode() in fields:
                return 1000 * (time.perf_counter() - began), last_event
        reader.send("XREAD", "BLOCK", 10000, "STREAMS", "authlink:events", last_event)


def waits(ground, count, push, apart_sec=PUSHES_APART_SEC):
    reader = ground.redis.client()
    newest = ground.r("XREVRANGE", "authlink:events", "+", "-", "COUNT", 1)
    found, last_event = [], newest[0][0] if newest else "0"
    for number in range(count):
        wait_ms, last_event = wait_for_link(ground, f"end_usr_one_{number}", last_event, reader, push)
        found.append(wait_ms)
        time.sleep(apart_sec)
    reader.close()
    return found


def daemon_at(ground, rate):
    return ground.daemon("one", settings={"rate": {"per_sec": rate}, "redis": {"url": ground.redis_url()}})


def api_median_ms(ground, count):
    """Of the daemon's own request, sent whole by a connection that is kept, so that nothing but the way and the API is in it."""
    body = b'{"publishableKey":"pk_conductor_fake","endUserId":"end_usr_000001","linkExpiryMins":30}'
    request = (b"POST /v1/auth-sessions HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer sk_conductor_fake\r\n"
               b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    found = []
    with socket.create_connection(("127.0.0.1", ground.fake.port), timeout=10) as api:
        for _ in range(count):
            began = time.perf_counter()
            api.sendall(request)
            if not api.recv(65536).startswith(b"HTTP/1.1 200"):
                raise AssertionError("the API refused")
            found.append(1000 * (time.perf_counter() - began))
            time.sleep(PUSHES_APART_SEC)
    return statistics.median(found)


def measure_waits(report, plan):
    with Ground() as ground:
        daemon_at(ground, 500.0)
        api_ms = api_median_ms(ground, 20 + plan.waits // 10)
        found = sorted(wait_ms - api_ms for wait_ms in waits(ground, 20 + plan.waits, "RPUSH")[20:])
    report.add("idle_api_ms", api_ms)
    report.add("idle_median_ms", statistics.median(found))
    report.add("idle_p99_ms", found[int(0.99 * len(found))])
    report.add_series("idle_waits", [{"share": share, "ms": found[min(len(found) - 1, int(share * len(found)))]}
                                     for share in (0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)])


def measure_first(report, plan):
    """A click while 10,000 jobs wait at 100/s."""
    with Ground() as ground:
        ground.push(*[f"end_usr_{number:06d}" for number in range(WAITING + 100 * plan.clicks)])
        daemon_at(ground, WAITING_RATE)
        ground_is_busy(ground)
        found = waits(ground, plan.clicks, "LPUSH", 0.1)
        if ground.r("LLEN", "authlink:queue") < WAITING / 2:
            raise AssertionError("the line was not long enough")
    report.add("first_worst_ms", max(found))
    report.add_series("first_waits", [{"medianMs": statistics.median(found), "worstMs": max(found), "clicks": len(found)}])


def ground_is_busy(ground):
    while ground.stats().get("ready", 0) < WAITING_RATE:
        time.sleep(0.05)


def measure_rest(report, plan):
    with Ground() as ground:
        daemon = daemon_at(ground, 500.0)
        waits(ground, 5, "RPUSH")
        ground.r("CONFIG", "RESETSTAT")
        began, before_us = time.monotonic(), meter.cpu_us([daemon.process.pid])
        time.sleep(plan.idle_sec)
        took_sec, used_us = time.monotonic() - began, meter.cpu_us([daemon.process.pid]) - before_us
        calls = meter.redis_calls(ground.r)
    report.add("idle_commands", sum(calls.get(name, (0, 0))[0] for name in IDLE_COMMANDS) / took_sec)
    report.add("idle_cpu", used_us / took_sec / 1e4)
