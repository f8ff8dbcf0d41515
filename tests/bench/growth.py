"""How cost grows: with the queue, the fleet, the requests in flight, the API's time, and TLS."""

import os
import statistics
import time

import meter
from api import libcurl_alone
from drain import LOOK_SEC, Drain, Ground, Look, median_of, run_daemons, stored, watch
from harness import free_port
from test_redis_tls import Authority


SPAN = 20000  # jobs that a cost is taken of, at the least: a short queue is filled again and again, the daemon being warm


def drain_queue(length):
    """All of a queue of this length; links are counted by Redis and requests by the API, for a million are too many to read."""
    rounds = max(1, SPAN // length)
    jobs = length * (rounds + 1 if rounds > 1 else 1)
    with Ground() as ground:
        fill(ground, 0, length)
        ground.r("CONFIG", "RESETSTAT")
        daemon = ground.daemon("one", settings={"conductor": {"max_in_flight": 128}, "redis": {"url": ground.redis_url()}})
        drain = watch(ground, lambda: [daemon.process.pid], length, "pexpireat")
        if rounds > 1:
            drain = refill(ground, daemon, length, rounds)
        ready = ground.stats()["ready"]
        if (ready, ground.backlog(), ground.fake.count()) != (jobs, (0, 0, 0, 0), jobs):
            raise AssertionError(f"{ready} of {jobs} links, {ground.backlog()} left, {ground.fake.count()} requests")
        return drain, meter.redis_memory_mb(ground.r)


def refill(ground, daemon, length, rounds):
    first = Look(ground, [daemon.process.pid], length)
    for number in range(1, rounds + 1):
        fill(ground, length * number, length)
        while stored(ground, "pexpireat") < length * (number + 1):
            time.sleep(LOOK_SEC)
    last = Look(ground, [daemon.process.pid], length * (rounds + 1))
    return Drain(first, last, 0, meter.peak_mb([daemon.process.pid]))


def fill(ground, start, length):
    """End users by the million, in Redis itself: the bench is no producer."""
    script = """for at = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
      redis.call('RPUSH', 'authlink:queue', string.format('end_usr_%07d', at)) end"""
    for at in range(start, start + length, 10000):
        ground.r("EVAL", script, 0, at, min(start + length, at + 10000))


def measure_queue(report, plan):
    rows = []
    for length in plan.queues:
        runs = [drain_queue(length) for _ in range(1 if length > 200000 else plan.rounds)]
        drains = [drain for drain, _ in runs]
        rows.append({"queue": length, "jobsPerSec": median_of(drains, "jobs_per_sec"), "cpuUs": median_of(drains, "cpu_us"),
                     "redisUs": median_of(drains, "redis_us"), "peakMb": median_of(drains, "peak_mb"),
                     "redisMbAfter": runs[-1][1]})
    report.add_series("queue", rows)
    first, last = rows[0], rows[-1]
    report.add("cost_of_length", (last["cpuUs"] + last["redisUs"]) / (first["cpuUs"] + first["redisUs"]))


def measure_fleet(report, plan):
    rows = []
    for instances in plan.fleets:
        drains = [run_daemons(plan.jobs, instances=instances) for _ in range(plan.rounds)]
        rows.append({"instances": instances, "jobsPerSec": median_of(drains, "jobs_per_sec"),
                     "redisUs": median_of(drains, "redis_us"), "roundTrips": median_of(drains, "round_trips"),
                     "redisFullAtPerSec": 1e6 / median_of(drains, "redis_us")})
    report.add_series("fleet", rows)


def measure_in_flight(report, plan):
    rows = []
    for in_flight in plan.in_flights:
        jobs = plan.jobs if in_flight > 4 else plan.jobs // 4
        drains = [run_daemons(jobs, in_flight=in_flight) for _ in range(plan.rounds)]
        rows.append({"inFlight": in_flight, "jobsPerSec": median_of(drains, "jobs_per_sec"),
                     "cpuUs": median_of(drains, "cpu_us"), "peakMb": median_of(drains, "peak_mb")})
    report.add_series("in_flight", rows)


def measure_latency(report, plan):
    """What the API's time leaves: in flight / latency is the ceiling that nobody can pass."""
    rows = []
    for latency_sec in plan.latencies_sec:
        ceiling = 512 / latency_sec if latency_sec else 0
        # ten full rounds at least, since the first and the last are seen in part only
        jobs = min(plan.jobs, max(10 * 512, int(6 * ceiling))) if latency_sec else plan.jobs
        drain = run_daemons(jobs, in_flight=512, ground_options={"latency_sec": latency_sec})
        rows.append({"latencySec": latency_sec, "jobsPerSec": drain.jobs_per_sec, "ceilingPerSec": ceiling,
                     "cpuUs": drain.cpu_us, "peakMb": drain.peak_mb})
    report.add_series("latency", rows)


def authority_in(folder):
    return Authority(folder, "bench")


def redis_over_tls(ground):
    """Redis shows a certificate, and the daemon comes in by that port."""
    authority = authority_in(ground.folder)
    certificate, key = authority.issue("redis")
    ground.r("CONFIG", "SET", "tls-ca-cert-file", authority.certificate, "tls-auth-clients", "no",
             "tls-cert-file", certificate, "tls-key-file", key)
    port = free_port()
    ground.r("CONFIG", "SET", "tls-port", port)
    return {"redis": {"url": f"rediss://127.0.0.1:{port}/0", "ca_file": authority.certificate}}


def api_over_tls(ground):
    return {"conductor": {"ca_file": os.path.join(ground.folder, "bench.pem")}}


def measure_http_versions(report, plan):
    """Why the daemon speaks HTTP/1.1: libcurl with the daemon's options, each version in turn on one server that speaks both."""
    rows = []
    with Ground(authority=authority_in) as ground:
        ca_file = os.path.join(ground.folder, "bench.pem")
        for in_flight in (16, 128):
            runs = {"1.1": [], "2": []}
            for _ in range(max(3, plan.rounds)):
                for version, found in runs.items():
                    found.append(libcurl_alone(ground.fake, ca_file, version, in_flight, plan.jobs))
            rows += [{"version": "HTTP/" + version, "inFlight": in_flight,
                      "requestsPerSec": statistics.median(per_sec for per_sec, _ in found),
                      "cpuUs": statistics.median(cpu_us for _, cpu_us in found)} for version, found in runs.items()]
    report.add_series("http_versions", rows)


def measure_tls(report, plan):
    measure_http_versions(report, plan)
    ways = {"plain": {}, "rediss": {"more_settings": redis_over_tls},
            "https": {"ground_options": {"authority": authority_in}, "more_settings": api_over_tls}}
    runs = {name: [] for name in ways}
    for _ in range(max(3, plan.rounds)):
        for name, how in ways.items():
            runs[name].append(run_daemons(plan.jobs, **how))
    report.add_series("tls", [{"way": name, "jobsPerSec": median_of(drains, "jobs_per_sec"),
                               "cpuUs": median_of(drains, "cpu_us")} for name, drains in runs.items()])
    report.add("redis_tls", [100 * (1 - tls.jobs_per_sec / plain.jobs_per_sec)
                             for plain, tls in zip(runs["plain"], runs["rediss"])])
