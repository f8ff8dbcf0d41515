"""How much of a rate limit a fleet uses, and how often it is refused: by the record of the server, several limits at
once, for a fleet at 100/s leaves two cores idle."""

import time
from concurrent.futures import ThreadPoolExecutor

from harness import World, wait_for
from pace_record import Use, arrivals, end_users, sent, stop_fleet
from test_pace_nginx import Limited

WARM_UP_SEC = 10  # a sliding log refuses the first that come faster than it forgets
LEARNING_SEC = 60
HEAVY_PER_SEC = 1000  # from here on a fleet wants the machine for itself


class Limit:
    """form: as conductor-fake counts (bucket, window, log), or nginx. burst_sec: how long a full bucket's tokens last."""

    def __init__(self, form, rate, instances=2, burst_sec=1.0, is_known=True):
        self.form = form
        self.rate = rate
        self.instances = instances
        self.burst_sec = burst_sec
        self.is_known = is_known

    def words(self):
        form = f"bucket of {self.burst_sec:g} s" if self.form == "bucket" else self.form
        return f"{form}, {self.rate}/s, {self.instances} instance{'' if self.instances == 1 else 's'}"

    def fake_options(self, measured_sec):
        """Of a long run only the end is kept: what is measured."""
        return ("--limit", self.form, "--rate", str(self.rate), "--burst", str(max(1, round(self.rate * self.burst_sec))),
                "--latency-ms", "40", "--latency-sigma", "0.3", "--record-max", str(int(self.rate * measured_sec)))

    def run(self, measured_sec):
        settings = {"rate": {"per_sec": float(self.rate if self.is_known else 0), "max_per_sec": 10000.0},
                    "conductor": {"max_in_flight": 512}, "log": {"level": "info"}}
        warm_up_sec = WARM_UP_SEC if self.is_known else LEARNING_SEC
        is_nginx = self.form == "nginx"
        with World(settings=settings, fake=not is_nginx,
                   fake_options=() if is_nginx else self.fake_options(measured_sec)) as world:
            if is_nginx:
                world.fake = Limited(world.folder, self.rate, "nodelay")
            world.push(*end_users(1000 + int(1.1 * self.rate * (warm_up_sec + measured_sec + 5))))
            for number in range(self.instances):
                world.daemon(f"n{number}")
            wait_for(world.fake.arrivals if is_nginx else lambda: sent(world), "the first request")
            time.sleep(warm_up_sec + measured_sec)
            stop_fleet(world)
            if is_nginx:
                return Use(world.fake.arrivals(), self.rate, 1000000 * warm_up_sec)
            return Use(arrivals(world), self.rate, 0)


def known_limits(plan):
    burst = [Limit("bucket", 100, count, 0.1) for count in plan.limit_fleets]
    return burst + [Limit("bucket", 500, 2, 1), Limit("window", 100, 2), Limit("nginx", 100, 2)]


def sliding_limits(plan):
    return [Limit("log", 100, count) for count in plan.limit_fleets[:2]]


def unknown_limits(plan):
    return [Limit(form, rate, 2, 1, is_known=False) for form, rate in plan.unknown_limits]


def run_all(limits, measured_sec):
    """[(limit, use)]: the light ones at once, the heavy ones one after the other."""
    light = [limit for limit in limits if limit.rate < HEAVY_PER_SEC]
    with ThreadPoolExecutor(4) as pool:
        uses = list(pool.map(lambda limit: limit.run(measured_sec), light))
    heavy = [limit for limit in limits if limit not in light]
    return list(zip(light, uses)) + [(limit, limit.run(measured_sec)) for limit in heavy]


def measure_group(report, name, limits, measured_sec):
    found = run_all(limits, measured_sec)
    report.add_series(name + "_limits", [{"limit": limit.words(), "share": 100 * use.share, "refused": 100 * use.refused}
                                         for limit, use in found])
    report.add(name + "_share", 100 * min(use.share for _, use in found))
    report.add(name + "_refused", 100 * max(use.refused for _, use in found))


def measure(report, plan):
    measure_group(report, "known", known_limits(plan), plan.limit_sec)
    measure_group(report, "sliding", sliding_limits(plan), plan.limit_sec)
    measure_group(report, "unknown", unknown_limits(plan), plan.limit_sec)
