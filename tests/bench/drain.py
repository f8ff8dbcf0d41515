"""One run: a queue full of jobs, workers that empty it, and what that took.

Start-up is nobody's cost here: the account runs from the first tenth of the links to the last one, by what Redis says
was stored. Afterwards every link is counted in Redis, and every request at the API.
"""

import statistics
import time

import meter
from api import Api
from harness import PATIENCE_SEC, World, wait_for

LOOK_SEC = 0.01
SLOWEST_PER_SEC = 30  # whoever does less is stuck
SETTINGS = {"rate": {"per_sec": 100000.0}, "log": {"level": "info"}}
# As it is delivered, but for what the tests of the house want to see; slow commands are not written down one by one.
REDIS_OPTIONS = ("--slowlog-log-slower-than", "10000")


def end_users(count):
    return [f"end_usr_{number:07d}" for number in range(count)]


class Ground(World):
    """Redis and the API, both private; the workers come later."""

    def __init__(self, settings=None, latency_sec=0, authority=None, redis_options=()):
        super().__init__(redis_options=(*REDIS_OPTIONS, *redis_options), settings=settings or SETTINGS, fake=False,
                         as_acl_user=False)
        try:
            self.fake = Api(self.folder, latency_sec, authority(self.folder) if authority else None)
        except BaseException:
            self.close()
            raise

    def redis_url(self):
        return f"redis://127.0.0.1:{self.redis.port}/0"


class Look:
    """The counts of everybody at one instant."""

    def __init__(self, ground, pids, done):
        self.done = done
        self.at_sec = time.monotonic()
        self.worker_us = meter.cpu_us(pids)
        self.redis_us = meter.cpu_us([ground.redis.process.pid])
        self.api_us = meter.cpu_us([ground.fake.process.pid])
        self.reads = meter.redis_reads(ground.r)
        self.calls = meter.redis_calls(ground.r)

    def step_us(self):
        return self.calls.get("evalsha", (0, 0))[1]


class Drain:
    """The costs of a job between two looks."""

    def __init__(self, first, last, polls, peak_mb):
        jobs = last.done - first.done
        self.jobs = jobs
        self.jobs_per_sec = jobs / (last.at_sec - first.at_sec)
        self.cpu_us = (last.worker_us - first.worker_us) / jobs
        self.redis_us = (last.redis_us - first.redis_us) / jobs
        self.all_us = self.cpu_us + self.redis_us + (last.api_us - first.api_us) / jobs
        self.redis_step_us = (last.step_us() - first.step_us()) / jobs
        self.round_trips = max(0, last.reads - first.reads - polls) / jobs
        self.peak_mb = peak_mb


def stored(ground, command):
    """How many links have their expiry: the last that a worker does for one. Costs one read."""
    return meter.redis_calls(ground.r).get(command, (0, 0))[0]


def watch(ground, pids_of, jobs, command):
    """Looks until all links are stored. command: the one that sets the expiry of a link."""
    patience_sec = PATIENCE_SEC + jobs / SLOWEST_PER_SEC
    end_sec = time.monotonic() + patience_sec
    first, polls, done = None, 0, 0
    while done < jobs:
        if time.monotonic() > end_sec:
            raise AssertionError(f"{done} of {jobs} links after {patience_sec:.0f} s")
        time.sleep(LOOK_SEC)
        done = stored(ground, command)
        polls += 1
        if first is None and done >= jobs / 10:
            first, polls = Look(ground, pids_of(), done), 1  # its second INFO is read after its count of reads
    pids = pids_of()
    last = Look(ground, pids, jobs)
    return Drain(first, last, polls + 1, meter.peak_mb(pids))


def check_links(ground, users):
    """Every link is there. Others, too, let keys expire now and then, so the last few may still be on their way."""
    wait_for(lambda: ground.statuses(users) == {"ready": len(users)}, "every job to have its link", 10)
    if ground.fake.scheme == "http" and ground.fake.count() != len(users):
        raise AssertionError(f"{ground.fake.count()} requests for {len(users)} links")


def run_daemons(jobs, in_flight=128, instances=1, ground_options=None, more_settings=None, on_ground=None):
    """more_settings: by ground, more of the groups redis and conductor. on_ground: what is done to it before the start."""
    with Ground(**(ground_options or {})) as ground:
        if on_ground:
            on_ground(ground)
        users = end_users(jobs)
        ground.push(*users)
        ground.r("CONFIG", "RESETSTAT")
        settings = {"conductor": {"max_in_flight": in_flight}, "redis": {"url": ground.redis_url()}}
        for group, values in (more_settings(ground) if more_settings else {}).items():
            settings[group].update(values)
        for number in range(instances):
            ground.daemon(f"n{number}", settings=settings)
        drain = watch(ground, lambda: [daemon.process.pid for daemon in ground.daemons], jobs, "pexpireat")
        check_links(ground, users)
        ground.check_law()
        return drain


def median_of(runs, name):
    return statistics.median(getattr(run, name) for run in runs)
