"""What the tests of faults share: what must hold afterwards, and how it is measured."""

import os
import sys
import time

from harness import wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))

from fault_proxy import FaultProxy, Rule  # noqa: E402, F401  tests import them from here

LONG = os.environ.get("AUTHLINKD_LONG") == "1"

# The law in one atomic look, written afresh here: the daemon's own audit is not asked.
LAW = """#!lua flags=no-writes,allow-stale
local function n(name) return tonumber(redis.call('HGET', 'authlink:stats', name) or 0) end
local leased = 0
for _, lease in ipairs(redis.call('ZRANGE', 'authlink:leases', 0, -1)) do
  leased = leased + redis.call('HLEN', 'authlink:lease:' .. lease)
end
local delayed, letters = redis.call('ZCARD', 'authlink:delayed'), redis.call('XLEN', 'authlink:dead')
local left, right = n('taken') + n('redriven'), n('ready') + n('reused') + n('dead') + delayed + leased
if left == right and n('dead') == n('redriven') + n('removed') + letters then return '' end
return string.format('taken+redriven %d, ready %d reused %d dead %d delayed %d leased %d; letters %d', left,
                     n('ready'), n('reused'), n('dead'), delayed, leased, letters)
"""


def check_law_now(world, client=None):
    """The conservation law, exact at any moment, also while daemons are at work."""
    broken = (client or world.r)("EVAL", LAW, 0)
    if broken:
        raise AssertionError("the law is broken: " + broken.decode())


def end_users(count, name="end_usr"):
    return [f"{name}_{number:06d}" for number in range(count)]


def extra_sessions(world):
    """Sessions per end user beyond one, as the API recorded them."""
    return {user: count - 1 for user, count in world.fake.get("counts").items() if count > 1}


def check_all_ready(world, users):
    statuses = world.statuses(users)
    if statuses != {"ready": len(users)}:
        raise AssertionError(f"not every job has its link: {statuses}; letters: {world.dead()[:3]}")


def check_one_session_each(world, users):
    counts = world.fake.get("counts")
    wrong = {user: counts.get(user, 0) for user in users if counts.get(user, 0) != 1}
    if wrong:
        raise AssertionError(f"sessions per end user that are not one: {dict(list(wrong.items())[:5])}")


def cpu_sec(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def memory_kb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


class Watch:
    """How a daemon bears a fault: it lives, does not spin, and does not flood its log."""

    CPU_SHARE = 0.05
    # A fault begins and ends with a handful of lines of their own; while it lasts, one a second.
    LINES_AT_THE_EDGES = 12

    def __init__(self, daemon):
        self.daemon = daemon
        self.began = time.monotonic()
        self.cpu_began = cpu_sec(daemon.process)
        self.lines_began = self.count_lines()

    def count_lines(self):
        return sum(1 for line in self.daemon.log_text().splitlines() if "<7>" not in line and " debug " not in line)

    def check(self):
        assert self.daemon.process.poll() is None, "the daemon ended:\n" + self.daemon.log_text()[-3000:]
        seconds = time.monotonic() - self.began
        cpu = cpu_sec(self.daemon.process) - self.cpu_began
        allowed = self.CPU_SHARE * seconds + 0.1  # CPU time is counted in hundredths
        assert cpu <= allowed, f"{cpu:.2f} s of CPU in {seconds:.1f} s"
        lines = self.count_lines() - self.lines_began
        assert lines <= seconds + self.LINES_AT_THE_EDGES, \
            f"{lines} lines in {seconds:.1f} s:\n" + self.daemon.log_text()[-3000:]


def wait_ready(world, count, what=None):
    wait_for(lambda: world.stats().get("ready", 0) >= count, what or f"{count} links")


def wait_in_flight(world, count=1):
    """Until so many requests lie at the API."""
    wait_for(lambda: world.fake.get("stats")["inFlight"] >= count, f"{count} requests in flight")


def redis_now_ms(world):
    seconds, micros = world.r("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def wait_leases_over(world):
    """Until the deadline of every lease that stands now has passed, by the clock of Redis."""
    flat = world.r("ZRANGE", "authlink:leases", 0, -1, "WITHSCORES")
    last_ms = max(float(score) for score in flat[1::2])
    wait_for(lambda: redis_now_ms(world) > last_ms, "the leases to be over", 120)


def set_pause(world):
    """As `authlinkctl pause` does."""
    now_ms = redis_now_ms(world)
    world.r("HSET", "authlink:holds", "pause", f"{now_ms} 0 {now_ms} 1000 - test")


def end_pause(world):
    world.r("HDEL", "authlink:holds", "pause")


def reconnect(world):
    world.r.close()
    world.r = world.redis.client()
