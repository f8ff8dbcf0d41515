"""The bars: what the bench holds the daemon to, each in one row, in the order of the table that people see.

limit None: shown beside the others, not judged. The source of every bar is section 7 of the design, unless `why` says more.
"""


class Bar:
    def __init__(self, name, words, unit, limit=None, is_least=False, why="", peers=None):
        self.name = name          # of the figure
        self.words = words
        self.unit = unit
        self.limit = limit
        self.is_least = is_least  # the limit is the least that will do; else the most
        self.why = why
        self.peers = peers        # which of a peer's figures stands beside it

    def is_met(self, value):
        if self.limit is None:
            return None
        return value >= self.limit if self.is_least else value <= self.limit

    def limit_text(self):
        if self.limit is None:
            return ""
        return f"{'≥' if self.is_least else '≤'} {number_text(self.limit)}"


def number_text(value):
    if value >= 1000:
        return f"{value:,.0f}"
    if value == int(value):
        return str(int(value))
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


BARS = (
    Bar("jobs_per_sec", "jobs a second, up to 128 in flight", "/s", peers="jobs_per_sec",
        why="the machine decides; the ratios below depend on it less"),
    Bar("share_of_wrk", "the same as a share of what wrk gets out of the same server", "", 0.5, True),
    Bar("client_share_of_wrk", "the same share for its HTTP client alone, without queue, pace and reading of answers", "",
        why="libcurl's own cost: no daemon with this client can have more"),
    Bar("times_bullmq_sdk", "the same against BullMQ with Conductor's SDK", "x", 8, True),
    Bar("times_bullmq_undici", "the same against BullMQ with undici", "x", 5, True),
    Bar("cpu_us", "CPU of the daemon a job", "us", 50, peers="cpu_us"),
    Bar("peak_mb", "peak memory at 512 in flight", "MB", 24, peers="peak_mb"),
    Bar("round_trips", "round trips to Redis a job", "", 0.05, peers="round_trips"),
    Bar("redis_us", "CPU of the whole Redis process a job", "us", peers="redis_us",
        why="reading commands, sending replies and the bench's own looks are in it"),
    Bar("all_us", "CPU of daemon, Redis and API together a job", "us", why="two cores have 2,000,000 us a second for all of them"),
    Bar("redis_step_us", "time in the steps a job, by INFO commandstats", "us", 25,
        why="measured with Redis on a core of its own: commandstats counts time, also that of others"),
    Bar("instructions", "instructions of the daemon a job", "", why="by callgrind: the same on every machine"),
    Bar("own_instructions", "those of its own code, without libraries", ""),
    Bar("redis_instructions", "instructions of the whole Redis process a job", "", why="by callgrind, as above"),
    Bar("system_calls", "system calls of the daemon a job", "", why="by strace; tests/system/test_costs_process.py holds it"),
    Bar("allocations", "allocations of the daemon's own code a job", "",
        why="by a preloaded counter; tests/system/test_costs_process.py holds it"),
    Bar("allocations_of_libraries", "allocations of its libraries a job", "", why="libcurl, cJSON, libevent, hiredis"),
    Bar("known_share", "known limit, share used, the least", "%", 99, True,
        why="1 to 16 instances; buckets of 0.1 s and 1 s, fixed windows, nginx limit_req with burst"),
    Bar("known_refused", "the same, share of 429s, the most", "%", 1),
    Bar("sliding_share", "known limit, sliding log, share used, the least", "%", 95, True),
    Bar("sliding_refused", "the same, share of 429s, the most", "%", 1),
    Bar("unknown_share", "unknown limit after a minute, share used, the least", "%", 95, True),
    Bar("unknown_refused", "the same, share of 429s, the most", "%", 2),
    Bar("idle_api_ms", "idle: the API's own time, median", "ms", why="by a bare request: way there, answer, way back"),
    Bar("idle_median_ms", "idle: push to link beyond it, median", "ms", 1),
    Bar("idle_p99_ms", "idle: push to link beyond it, 99th percentile", "ms", 5),
    Bar("first_worst_ms", "LPUSH with 10,000 waiting at 100/s: push to link, the worst", "ms", 310,
        why="300 ms and one slot"),
    Bar("idle_commands", "idle: commands to Redis a second", "/s", 2),
    Bar("idle_cpu", "idle: CPU", "%", 0.1),
    Bar("cost_of_length", "CPU a job, daemon and steps, longest queue against 1,000", "x", 1.1),
    Bar("redis_tls", "jobs a second lost by TLS to Redis", "%", 10),
    Bar("kill_lost", "kill -9, again and again: jobs lost", "", 0),
    Bar("kill_doubled", "the same: requests done twice, as a share of kills x in flight", "", 1),
    Bar("restart_sec", "kill -9, restart, all old jobs done", "s", 2),
    Bar("host_lost_sec", "loss of a host until another has done its jobs, beyond the request time-out", "s", 15),
)
