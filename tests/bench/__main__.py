"""scripts/bench: every figure beside its bar and its peers, in one run. Exit status 1 when a bar is missed."""

import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "system"), HERE]

# pylint: disable=wrong-import-position
import counts  # noqa: E402
import crash  # noqa: E402
import growth  # noqa: E402
import idle  # noqa: E402
import limits  # noqa: E402
import picture  # noqa: E402
import readme  # noqa: E402
import speed  # noqa: E402
import table  # noqa: E402
from harness import BUILD_DIR  # noqa: E402
from report import Report  # noqa: E402

RESULTS = os.path.join(HERE, "results")

GROUPS = {
    "counts": counts.measure,
    "speed": speed.measure,
    "memory": speed.measure_memory,
    "steps": speed.measure_steps,
    "queue": growth.measure_queue,
    "fleet": growth.measure_fleet,
    "in_flight": growth.measure_in_flight,
    "latency": growth.measure_latency,
    "tls": growth.measure_tls,
    "waits": idle.measure_waits,
    "first": idle.measure_first,
    "rest": idle.measure_rest,
    "limits": limits.measure,
    "crash": crash.measure,
}


class Plan:
    """How much of everything: the quick one ends in five minutes, the whole in thirty."""

    def __init__(self, is_quick):
        self.is_thorough = not is_quick
        self.rounds = 1 if is_quick else 5   # one of three may be a minute in which the machine is half as fast
        self.jobs = 5000 if is_quick else 20000
        self.trial_jobs = 2000
        self.queues = (1000, 50000) if is_quick else (1000, 100000, 1000000)
        self.fleets = (1, 4, 16) if is_quick else (1, 2, 4, 8, 16)
        self.in_flights = (1, 128, 512) if is_quick else (1, 4, 16, 64, 128, 256, 512)
        self.latencies_sec = (0, 0.5) if is_quick else (0, 0.05, 0.2, 0.5, 1, 2)
        self.waits = 200 if is_quick else 1000
        self.clicks = 20 if is_quick else 60
        self.idle_sec = 12 if is_quick else 30
        self.limit_sec = 5 if is_quick else 20
        self.limit_fleets = (1, 4) if is_quick else (1, 4, 16)
        self.unknown_limits = (("bucket", 100),) if is_quick else (
            ("bucket", 20), ("bucket", 100), ("bucket", 500), ("window", 100), ("bucket", 5000))


def read_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures authlinkd beside its peers. "
                                     "Exit status: 0 every bar is met, 1 one is not, 2 wrong words.")
    parser.add_argument("--quick", action="store_true", help="less of everything, under five minutes")
    parser.add_argument("--readme", action="store_true",
                        help="write tests/bench/results/ and the block of the README from this run")
    parser.add_argument("--json", metavar="FILE", help="where the results go (build/bench.json)")
    parser.add_argument("--only", metavar="GROUP", action="append", choices=GROUPS, default=[],
                        help="measure this group only; may be repeated: " + " ".join(GROUPS))
    parser.add_argument("--from", metavar="FILE", dest="source", help="measure nothing: table, plot and README from this")
    return parser.parse_args()


def measure(arguments):
    plan = Plan(arguments.quick)
    report = Report(arguments.quick)
    for name, group in GROUPS.items():
        if arguments.only and name not in arguments.only:
            continue
        began = time.monotonic()
        print(f"{name} ...", flush=True)
        try:
            group(report, plan)
        except Exception as error:  # one group that fails costs no other its figures, and is a bar that is missed
            report.add_error(name, error)
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    path = arguments.json or os.path.join(BUILD_DIR, "bench.json")
    report.save(path)
    print(f"\nwritten: {path}\n")
    return report.data


def main():
    arguments = read_arguments()
    if arguments.source:
        with open(arguments.source, encoding="utf-8") as file:
            data = json.load(file)
    else:
        data = measure(arguments)
    print(table.text(data))
    if arguments.readme:
        os.makedirs(RESULTS, exist_ok=True)
        with open(os.path.join(RESULTS, "bench.json"), "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, ensure_ascii=False)
            file.write("\n")
        picture.draw(data, os.path.join(RESULTS, "bench.svg"))
        readme.write(data)
    wrong = table.missed(data)
    print("\nevery bar is met" if not wrong else "\nnot met:\n  " + "\n  ".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
