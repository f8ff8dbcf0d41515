"""What a job costs the daemon, counted: system calls by strace, allocations by a preloaded counter, instructions by callgrind;
and Redis, instructions.

A count is the difference between a long run and a short one, so start and end are in neither.
"""

import os
import re

from harness import BUILD_DIR, PATIENCE_SEC, World, read_tail, wait_for

SHORT, LONG = 500, 2500
SHORT_ALONE, LONG_ALONE = 50, 250
SETTINGS = {"rate": {"per_sec": 100000.0}, "conductor": {"max_in_flight": 128}, "log": {"level": "notice"}}


def push_all(world, users):
    world.push(*users)
    yield
    wait_for_links(world, len(users))


def push_one_by_one(world, users):
    yield
    for number, user in enumerate(users, 1):
        world.push(user)
        wait_for_links(world, number)


def wait_for_links(world, count):
    wait_for(lambda: world.stats().get("ready", 0) == count, "every link", 300)


def run(jobs, push=push_all, **how):
    """Jobs from start to a drained end; push: before it starts, and from then on; how: of Daemon, and `world`: of World. The
    world's folder is kept open for `read`."""
    read = how.pop("read")
    with World(settings=SETTINGS, fake_options=("--no-record",), **how.pop("world", {})) as world:
        pushing = push(world, [f"end_usr_{number:06d}" for number in range(jobs)])
        next(pushing)
        daemon = world.daemon(**{name: of(world) for name, of in how.items()})
        next(pushing, None)
        if daemon.terminate() != 0:
            raise AssertionError("it did not end as asked:\n" + read_tail(daemon.log_path))
        return read(world)


def per_job(count, fewer=SHORT, more=LONG):
    """{name: count a job}; count(jobs) gives the counts of a whole run."""
    short, long = count(fewer), count(more)
    return {name: (long[name] - short.get(name, 0)) / (more - fewer) for name in long}


def path_in(world):
    return path_under(world.folder)


def path_under(folder):
    return os.path.join(folder, "counted")


def read_system_calls(world):
    """strace has detached itself and writes when the daemon is gone."""
    text = wait_for(lambda: read_tail(path_in(world), 1 << 20) if "total" in read_tail(path_in(world)) else None,
                    "the account of strace")
    rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", text, re.MULTILINE)
    return {name: int(calls) for calls, name in rows}


def system_calls(jobs, **how):
    return run(jobs, read=read_system_calls,
               prefix_command=lambda world: ["strace", "-D", "-f", "-qq", "-c", "-o", path_in(world)], **how)


def system_calls_per_job():
    return per_job(system_calls)


def system_calls_per_job_alone():
    """Of a job that comes while nothing else is to be done."""
    return per_job(lambda jobs: system_calls(jobs, push=push_one_by_one), SHORT_ALONE, LONG_ALONE)


def read_order(world):
    """What was sent, in its order: the first words of requests to the API and of commands to Redis."""
    sent = wait_for(lambda: read_tail(path_in(world), 1 << 20) if "+++ exited" in read_tail(path_in(world)) else None,
                    "the end of strace's record")
    return re.findall(r'sendto\(\d+, "(?:\*\d+\\r\\n\$\d+\\r\\n)?([A-Z]+)', sent)


def order_of_jobs_alone(jobs):
    return run(jobs, push=push_one_by_one, read=read_order, prefix_command=lambda world: [
        "strace", "-D", "-f", "-e", "trace=sendto", "-o", path_in(world)])


def read_allocations(world):
    words = read_tail(path_in(world)).split()
    return {words[0]: int(words[1]), words[2]: int(words[3])}


def allocations_per_job():
    library = os.path.join(os.path.abspath(BUILD_DIR), "tests", "count-allocations.so")
    return per_job(lambda jobs: run(
        jobs, read=read_allocations,
        env=lambda world: {"LD_PRELOAD": library, "COUNT_ALLOCATIONS": path_in(world)}))


def read_instructions(world):
    """Of all, and of the program's own code. A line of cost is `position instructions`; behind `calls=` it is that of the callee."""
    counts = {"instructions": 0, "own": 0}
    names, is_own, is_callee = {}, False, False
    with open(path_in(world), encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("ob="):  # the name stands at its first place only
                number, _, name = line[len("ob="):].strip().partition(" ")
                is_own = "authlinkd" in names.setdefault(number, os.path.basename(name))
            elif line.startswith("calls="):
                is_callee = True
            elif line[0] in "+-*0123456789":
                cost = 0 if is_callee else int(line.split()[1])
                counts["instructions"] += cost
                counts["own"] += cost if is_own else 0
                is_callee = False
            elif line.startswith("cob="):
                number, _, name = line[len("cob="):].strip().partition(" ")
                names.setdefault(number, os.path.basename(name))
    return counts


def instructions_per_job():
    return per_job(lambda jobs: run(
        jobs, read=read_instructions,
        prefix_command=lambda world: ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + path_in(world)]))


def read_redis_instructions(world):
    """All of them: whoever strips a server of its symbols leaves its instructions in."""
    world.r.send("SHUTDOWN", "NOSAVE")
    world.redis.process.wait(PATIENCE_SEC)
    with open(path_in(world), encoding="utf-8", errors="replace") as file:
        return {"instructions": int(re.search(r"^totals: (\d+)$", file.read(), re.MULTILINE).group(1))}


def redis_instructions_per_job():
    """Of the whole server: reading, steps, replies. No command is slow there, however slow it is counted."""
    return per_job(lambda jobs: run(jobs, read=read_redis_instructions, world={
        "redis_options": ("--slowlog-log-slower-than", "-1"),
        "redis_prefix": lambda folder: ("valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + path_under(folder))}))
