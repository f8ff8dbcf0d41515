"""What the tests of the pace share: fleets, and what the server's own record says of them.

Rates are counts over the server's clock of arrivals, never over ours: a test that was held up itself judges no worse.
"""

import os
import statistics
from bisect import bisect_left

from harness import wait_for

LONG = os.environ.get("AUTHLINKD_LONG") == "1"
SEC_US = 1000000
WARM_UP_US = 2 * SEC_US  # the start of the instances, connections included


class Arrival:
    """A request as the server saw it; times in its own us."""

    def __init__(self, us, status, user="", answered_us=0):
        self.us = us
        self.status = status
        self.user = user
        self.answered_us = answered_us


def arrivals(world, since=1):
    """Every request for a session that was answered, from that number on, by the time it came."""
    requests = world.fake.get(f"requests?since={since}&limit=1000000")["requests"]
    return sorted((Arrival(request["arrivedUs"], request["status"], request.get("endUserId", ""), request["answeredUs"])
                   for request in requests), key=lambda arrival: arrival.us)


def settings_for(per_sec, **groups):
    return {"rate": {"per_sec": float(per_sec)}, "log": {"level": "info"}, **groups}


def limiter_of(world):
    flat = world.r("HGETALL", "authlink:limiter")
    return {flat[at].decode(): flat[at + 1].decode() for at in range(0, len(flat), 2)}


def learned(world, name):
    """A number that the pace has learned; 0 is not written."""
    words = limiter_of(world).get("learned", "").split()
    return float(dict(zip(words[::2], words[1::2])).get(name, 0))


def end_users(count, name="end_usr"):
    return [f"{name}_{number:06d}" for number in range(count)]


def sent(world):
    return world.fake.get("stats")["requests"]


def latest_arrivals(world, count):
    """Of the last so many requests those that were answered. Who asks for all of them again and again holds the fake up."""
    return arrivals(world, max(1, sent(world) - count + 1))


def wait_sent(world, count):
    wait_for(lambda: sent(world) >= count, f"{count} requests")


def stop_fleet(world):
    for daemon in world.daemons:
        daemon.kill()


def between(found, from_us, to_us):
    return [arrival for arrival in found if from_us <= arrival.us < to_us]


def most_within(window_us, found):
    """The most arrivals of any such time, wherever it begins."""
    times = [arrival.us for arrival in found]
    return max(bisect_left(times, us + window_us) - at for at, us in enumerate(times))


def most_in_a_second(found):
    return most_within(SEC_US, found)


class Use:
    """How much of a limit was used, and what it cost, from the end of the warm-up to the last arrival."""

    def __init__(self, found, rate, warm_up_us=WARM_UP_US):
        from_us, to_us = found[0].us + warm_up_us, found[-1].us
        judged = between(found, from_us, to_us)
        self.refused = sum(arrival.status == 429 for arrival in judged) / len(judged)
        accepted = sum(arrival.status in (200, 201) for arrival in judged)
        self.share = accepted / rate / ((to_us - from_us) / SEC_US)

    def __str__(self):
        return f"{100 * self.share:.1f} % of the limit, {100 * self.refused:.2f} % 429s"


def median_use(uses):
    """Of each figure the median: one run is at the mercy of the machine."""
    middle = uses[0]
    middle.share = statistics.median(use.share for use in uses)
    middle.refused = statistics.median(use.refused for use in uses)
    return middle
