"""What processes and Redis have used so far, as the kernel and Redis count it."""

import os


def processes_of(leader):
    """The process with this id, and all others of its session if it leads one."""
    pids = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    session = int(file.read().rsplit(")", 1)[1].split()[3])
            except OSError:
                continue
            if session == leader or int(name) == leader:
                pids.append(int(name))
    return pids


def cpu_us(pids):
    """CPU of these processes, all threads, in us: the scheduler's own account, for clock ticks are too coarse."""
    total_ns = 0
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                    total_ns += int(file.read().split()[0])
        except OSError:
            continue  # it has ended; workers that matter live as long as the run
    return total_ns / 1000


def peak_mb(pids):
    """The sum of their peaks of resident memory."""
    total_kb = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                total_kb += next((int(line.split()[1]) for line in file if line.startswith("VmHWM")), 0)
        except OSError:
            continue
    return total_kb / 1024


def redis_calls(r):
    """{command: (calls, us)} since the statistics were reset, those inside of scripts included."""
    found = {}
    for line in r("INFO", "commandstats").decode().split():
        if line.startswith("cmdstat_"):
            name, values = line[len("cmdstat_"):].split(":", 1)
            fields = dict(value.split("=") for value in values.split(","))
            found[name] = (int(fields["calls"]), int(fields["usec"]))
    return found


def redis_reads(r):
    """How often Redis has read from a client: a command, or as many as came in one piece. So it counts round trips."""
    for line in r("INFO", "stats").decode().split():
        if line.startswith("total_reads_processed:"):
            return int(line.split(":")[1])
    raise AssertionError("this Redis does not count its reads")


def redis_memory_mb(r):
    for line in r("INFO", "memory").decode().split():
        if line.startswith("used_memory:"):
            return int(line.split(":")[1]) / 1e6
    raise AssertionError("this Redis does not know its memory")
