"""The peers: other queues doing the same job the way their users would write it, on the same server, as many jobs,
answers checked, links counted. Each works at the concurrency that suits it best, found in the same run."""

import fcntl
import os
import shutil
import signal
import subprocess

import meter
from drain import Ground, check_links, end_users, watch
from harness import BUILD_DIR, SECRET_KEY, read_tail

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
INSTALL_SEC = 500
PYTHON = "/usr/bin/python3"  # the one that Debian's celery belongs to
BULLMQ = ["node", os.path.join(HERE, "bullmq.mjs")]
SIDEKIQ = os.path.join(HERE, "sidekiq_links.rb")


def install():
    """The folder with node_modules as the lock file says; filled by npm when it is not."""
    folder = os.path.join(os.path.abspath(BUILD_DIR), "bench-peers")
    lock = os.path.join(HERE, "package-lock.json")
    done = os.path.join(folder, "installed-lock.json")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".installing"), "wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if os.path.exists(done) and read_tail(done, 1 << 20) == read_tail(lock, 1 << 20):
            return folder
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, name), folder)
        run = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                             capture_output=True, text=True, timeout=INSTALL_SEC, check=False)
        if run.returncode != 0:
            raise AssertionError("npm ci failed:\n" + run.stdout + run.stderr)
        shutil.copy(lock, done)
    return folder


class Peer:
    """enqueue, work: commands. work is told the concurrency by a word, or by the environment."""

    def __init__(self, name, words, enqueue, work, concurrencies):
        self.name = name
        self.words = words
        self.enqueue = enqueue
        self.work = work
        self.concurrencies = concurrencies
        self.usual = concurrencies[1]


def celery(pool):
    return lambda count: [PYTHON, "-m", "celery", "-A", "celery_links", "worker", "--pool", pool, "-c", str(count),
                          "--loglevel", "warning", "-O", "fair"]


PEERS = (
    Peer("bullmq_sdk", "BullMQ, conductor-node", [*BULLMQ, "enqueue"], lambda _: [*BULLMQ, "sdk"], (32, 128, 512)),
    Peer("bullmq_undici", "BullMQ, undici", [*BULLMQ, "enqueue"], lambda _: [*BULLMQ, "undici"], (32, 128, 512)),
    Peer("sidekiq", "Sidekiq, Net::HTTP", ["ruby", SIDEKIQ],
         lambda count: ["sidekiq", "-e", "production", "-r", SIDEKIQ, "-c", str(count)], (5, 10, 25)),
    Peer("celery", "Celery, requests", [PYTHON, os.path.join(HERE, "celery_links.py")], celery("prefork"), (2, 4, 8)),
)


def environment(ground, jobs, concurrency):
    return {"PATH": os.environ["PATH"], "HOME": ground.folder, "LANG": "C.UTF-8", "PYTHONPATH": HERE,
            "PYTHONDONTWRITEBYTECODE": "1", "NODE_ENV": "production", "REDIS_PORT": str(ground.redis.port),
            "API_URL": ground.fake.base_url, "CONDUCTOR_SECRET_KEY": SECRET_KEY, "JOBS": str(jobs),
            "CONCURRENCY": str(concurrency)}


def pids_of(worker, log_path):
    if worker.poll() is not None:
        raise AssertionError("the worker ended:\n" + read_tail(log_path))
    return meter.processes_of(worker.pid)


def end_session(worker):
    """The worker and its children, which are of its session, and of its process group or not."""
    for pid in meter.processes_of(worker.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it was faster
    worker.wait()


def run_peer(peer, jobs, concurrency, folder):
    with Ground() as ground:
        env = environment(ground, jobs, concurrency)
        run = subprocess.run(peer.enqueue, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False)
        if run.returncode != 0:
            raise AssertionError(f"{peer.name} could not enqueue:\n{run.stdout}{run.stderr}")
        ground.r("CONFIG", "RESETSTAT")
        log_path = os.path.join(ground.folder, "peer.log")
        with open(log_path, "wb") as log:
            worker = subprocess.Popen(peer.work(concurrency), cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, start_new_session=True)
        try:
            drain = watch(ground, lambda: pids_of(worker, log_path), jobs, "expire")
            check_links(ground, end_users(jobs))
            return drain
        finally:
            end_session(worker)


def best_concurrency(peer, jobs, folder):
    """Of those that it offers, the one with the most jobs a second in one short run each."""
    return max(peer.concurrencies, key=lambda count: run_peer(peer, jobs, count, folder).jobs_per_sec)
