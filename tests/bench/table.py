"""The table, made from the JSON alone: each figure beside its bar and its peers."""

from bars import BARS, number_text

SERIES = (
    ("queue", "Queue", (("jobs in the queue", "queue"), ("jobs/s", "jobsPerSec"), ("CPU a job, us", "cpuUs"),
                        ("Redis CPU a job, us", "redisUs"), ("peak memory, MB", "peakMb"),
                        ("Redis memory afterwards, MB", "redisMbAfter"))),
    ("fleet", "Instances on one Redis", (("instances", "instances"), ("jobs/s, all on this machine", "jobsPerSec"),
                                         ("Redis CPU a job, us", "redisUs"), ("round trips a job", "roundTrips"),
                                         ("Redis is full at, jobs/s", "redisFullAtPerSec"))),
    ("in_flight", "Requests in flight", (("in flight", "inFlight"), ("jobs/s", "jobsPerSec"), ("CPU a job, us", "cpuUs"),
                                         ("peak memory, MB", "peakMb"))),
    ("latency", "The API's time, 512 in flight", (("API, s", "latencySec"), ("jobs/s", "jobsPerSec"),
                                                  ("512 / latency", "ceilingPerSec"), ("CPU a job, us", "cpuUs"),
                                                  ("peak memory, MB", "peakMb"))),
    ("tls", "TLS", (("way", "way"), ("jobs/s", "jobsPerSec"), ("CPU a job, us", "cpuUs"))),
    ("http_versions", "libcurl alone over TLS, by version of HTTP", (
        ("version", "version"), ("in flight", "inFlight"), ("requests/s", "requestsPerSec"), ("CPU a request, us", "cpuUs"))),
    ("known_limits", "Known limits", (("limit", "limit"), ("used, %", "share"), ("429s, %", "refused"))),
    ("sliding_limits", "Known limits, sliding log", (("limit", "limit"), ("used, %", "share"), ("429s, %", "refused"))),
    ("unknown_limits", "Unknown limits, after a minute", (("limit", "limit"), ("used, %", "share"),
                                                          ("429s, %", "refused"))),
)


def heading(data):
    machine = data["machine"]
    return (f"{data['began']}, {data['mode']} run of {data['tookSec']} s. {machine['processor']}, {machine['cores']} cores, "
            f"{machine['memoryGb']} GB, {machine['system']}, Linux {machine['kernel']}. authlinkd {machine['authlinkd']} "
            f"({machine['libraries']}), Redis {machine['redis']}, nginx {machine['nginx']}, Node {machine['node']}, "
            f"BullMQ {machine['bullmq']}, conductor-node {machine['conductor-node']}, undici {machine['undici']}, "
            f"Sidekiq {machine['sidekiq']}, Celery {machine['celery']}. Load before: {data['loadBefore']}.")


def spread(figure):
    runs = figure["runs"]
    return f" ({number_text(min(runs))} to {number_text(max(runs))})" if len(runs) > 1 else ""


def rows(data):
    """[figure, value, bar, verdict, peers ...]"""
    peers = data["peers"].values()
    for bar in BARS:
        figure = data["figures"].get(bar.name)
        if figure is None:
            continue
        met = bar.is_met(figure["value"])
        yield [bar.words, f"{number_text(figure['value'])} {bar.unit}".strip() + spread(figure), bar.limit_text(),
               {None: "", True: "met", False: "MISSED"}[met],
               *[number_text(peer[bar.peers]) if bar.peers in peer else "" for peer in peers]]


def missed(data):
    """The bars that are not met, and the groups that could not be measured."""
    figures = data["figures"]
    return ([bar.words for bar in BARS if bar.name in figures and bar.is_met(figures[bar.name]["value"]) is False]
            + [f"{error['group']}: {error['error']}" for error in data["errors"]])


def markdown(header, body):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def main_table(data):
    peers = [f"{peer['words']} ({peer['concurrency']})" for peer in data["peers"].values()]
    return markdown(["what", "authlinkd", "bar", "", *peers], list(rows(data)))


def cell(value):
    return value if isinstance(value, str) else number_text(value)


def series_tables(data, names=None):
    parts = []
    for name, title, columns in SERIES:
        found = data["series"].get(name)
        if found and (names is None or name in names):
            parts.append(title + ":\n\n" + markdown([words for words, _ in columns],
                                                     [[cell(row[key]) for _, key in columns] for row in found]))
    return "\n\n".join(parts)


def align(text):
    """The same table, its columns under one another, for a terminal."""
    lines = []
    block = []
    for line in text.split("\n") + [""]:
        if line.startswith("|"):
            block.append([part.strip() for part in line.strip("|").split("|")])
            continue
        if block:
            widths = [max(len(row[at]) for row in block) for at in range(len(block[0]))]
            lines += ["  ".join(part.replace("---", "").ljust(width) for part, width in zip(row, widths)).rstrip()
                      for row in block if row[0] != "---"]
            block = []
        lines.append(line)
    return "\n".join(lines)


def text(data):
    return "\n\n".join([heading(data), align(main_table(data)), align(series_tables(data))])
