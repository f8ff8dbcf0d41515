"""Jobs a second, CPU, memory and round trips, in rounds: wrk, libcurl alone, the daemon and every peer, one after the other, so that
a minute in which the machine is slow is everybody's. The daemon's run is over in a second or two, a peer's in ten: so it runs before
and after each of them, and is compared by the mean of both."""

import os
import statistics

import peers
from api import client_alone, wrk
from drain import Ground, median_of, run_daemons


def ceilings(plan):
    with Ground() as ground:
        return {"wrk": wrk(ground.fake.base_url), "client": client_alone(ground.fake.base_url, plan.jobs)}


def run_rounds(plan, folder, concurrencies):
    rounds = []
    for _ in range(plan.rounds):
        one = {**ceilings(plan), "daemons": [run_daemons(plan.jobs)], "times": {}}
        for peer in peers.PEERS:
            one[peer.name] = peers.run_peer(peer, plan.jobs, concurrencies[peer.name], folder)
            one["daemons"].append(run_daemons(plan.jobs))
            beside = statistics.mean(drain.jobs_per_sec for drain in one["daemons"][-2:])
            one["times"][peer.name] = beside / one[peer.name].jobs_per_sec
        rounds.append(one)
    return rounds


def measure(report, plan):
    folder = peers.install()
    concurrencies = {peer.name: peers.best_concurrency(peer, plan.trial_jobs, folder) if plan.is_thorough
                     else peer.usual for peer in peers.PEERS}
    rounds = run_rounds(plan, folder, concurrencies)
    daemons = [drain for one in rounds for drain in one["daemons"]]
    report.add("wrk_per_sec", [one["wrk"] for one in rounds])
    report.add("client_per_sec", [one["client"] for one in rounds])
    report.add("client_share_of_wrk", [one["client"] / one["wrk"] for one in rounds])
    report.add("jobs_per_sec", [drain.jobs_per_sec for drain in daemons])
    report.add("share_of_wrk", [one["daemons"][0].jobs_per_sec / one["wrk"] for one in rounds])
    for name in ("bullmq_sdk", "bullmq_undici"):
        report.add("times_" + name, [one["times"][name] for one in rounds])
    for name in ("cpu_us", "round_trips", "redis_us", "all_us"):
        report.add(name, [getattr(drain, name) for drain in daemons])
    for peer in peers.PEERS:
        drains = [one[peer.name] for one in rounds]
        report.add_peer(peer.name, peer.words, {
            "concurrency": concurrencies[peer.name],
            **{name: median_of(drains, name) for name in ("jobs_per_sec", "cpu_us", "peak_mb", "round_trips", "redis_us")}})


def measure_memory(report, plan):
    report.add("peak_mb", [run_daemons(plan.jobs, in_flight=512).peak_mb for _ in range(plan.rounds)])


class CoreOfItsOwn:
    """Redis on the last core, everything else on the others. On one core alone nothing can be parted."""

    def __enter__(self):
        self.cores = os.sched_getaffinity(0)
        if len(self.cores) > 1:
            os.sched_setaffinity(0, self.cores - {max(self.cores)})
        return self

    def give(self, ground):
        if len(self.cores) > 1:
            os.sched_setaffinity(ground.redis.process.pid, {max(self.cores)})

    def __exit__(self, *_):
        os.sched_setaffinity(0, self.cores)


def measure_steps(report, plan):
    with CoreOfItsOwn() as core:
        drains = [run_daemons(plan.jobs, on_ground=core.give) for _ in range(max(3, plan.rounds))]
    report.add("redis_step_us", [drain.redis_step_us for drain in drains])
