"""What was measured: figures by name, those of the peers, and series; kept as JSON, from which table and plot are made."""

import json
import os
import platform
import re
import statistics
import subprocess
import time

from harness import BUILD_DIR


def first_line(*command):
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return "not here"
    return (run.stdout or run.stderr).strip().split("\n")[0]


def package_version(name):
    return first_line("dpkg-query", "-W", "-f", "${Version}", name)


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = re.findall(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return names[0] if names else platform.machine()


def memory_gb():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


def release():
    with open("/etc/os-release", encoding="utf-8") as file:
        return re.search(r'^PRETTY_NAME="?([^"\n]*)', file.read(), re.MULTILINE).group(1)


def peer_versions():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
    with open(os.path.join(folder, "package.json"), encoding="utf-8") as file:
        versions = json.load(file)["dependencies"]
    for name in ("sidekiq", "celery"):
        prefix = "ruby-" if name == "sidekiq" else "python3-"
        versions[name] = package_version(prefix + name).split("+")[0].split("-")[0]
    return versions


def describe_machine():
    return {
        "processor": processor(), "cores": len(os.sched_getaffinity(0)), "memoryGb": memory_gb(), "system": release(),
        "kernel": platform.release(),
        "redis": re.sub(r".*v=(\S+).*", r"\1", first_line("redis-server", "--version")),
        "nginx": first_line("nginx", "-v").rpartition("/")[2],
        "node": first_line("node", "--version").lstrip("v"),
        "authlinkd": first_line(os.path.join(BUILD_DIR, "authlinkd"), "--version").rpartition(" ")[2],
        "libraries": subprocess.run([os.path.join(BUILD_DIR, "authlinkd"), "--version"], capture_output=True, text=True,
                                    check=True).stdout.split("\n")[1].split(" ")[0],
        **peer_versions(),
    }


class Report:
    def __init__(self, is_quick):
        self.began_sec = time.monotonic()
        self.data = {
            "mode": "quick" if is_quick else "full", "began": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "machine": describe_machine(), "loadBefore": round(os.getloadavg()[0], 2),
            "figures": {}, "peers": {}, "series": {}, "errors": [],
        }

    def add(self, name, runs):
        """A figure: the median of its runs."""
        runs = runs if isinstance(runs, list) else [runs]
        self.data["figures"][name] = {"value": statistics.median(runs), "runs": runs}
        print(f"  {name} {statistics.median(runs):.4g}", flush=True)

    def add_peer(self, peer, words, figures):
        self.data["peers"][peer] = {"words": words, **figures}
        print(f"  {peer} " + " ".join(f"{name} {value:.4g}" for name, value in figures.items()), flush=True)

    def add_series(self, name, rows):
        self.data["series"][name] = rows
        for row in rows:
            print("  " + name + ": " + ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                                                 for key, value in row.items()), flush=True)

    def add_error(self, group, error):
        self.data["errors"].append({"group": group, "error": str(error)[:2000]})
        print(f"  {group} failed: {error}", flush=True)

    def save(self, path):
        self.data["tookSec"] = round(time.monotonic() - self.began_sec)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.data, file, indent=1, ensure_ascii=False)
            file.write("\n")
