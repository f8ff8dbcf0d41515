#!/usr/bin/env python3
"""Each of the first calls into the kernel fails once: no crash, no job lost, at most that one request done twice."""

import unittest

from faults import LONG, check_all_ready, check_law_now, end_users, extra_sessions
from harness import World, main, wait_for

SETTINGS = {"rate": {"per_sec": 300.0}, "conductor": {"request_timeout_ms": 2000, "max_in_flight": 8},
            "retry": {"base_delay_ms": 50}}
QUICK = {"AUTHLINKD_TIMING": "command_timeout=1000,hold_backoff_min=100,hold_backoff_max=400"}

SHORT = (5, 31)  # one while it starts, one while it works

# how each fails in life
CALLS = {
    "connect": "ENETUNREACH",
    "socket": "EMFILE",
    "sendto": "ECONNRESET",
    "recvfrom": "ECONNRESET",
    "readv": "ECONNRESET",
    "writev": "EPIPE",
    "epoll_ctl": "ENOMEM",
    "epoll_wait": "EINTR",
    "openat": "EMFILE",
    "read": "EIO",
    "sendmmsg": "ENETUNREACH",
    "fcntl": "EBADF",
    "setsockopt": "EINVAL",
    "timerfd_settime": "EINVAL",
    "getsockopt": "EBADF",
}
# of these a program cannot start without, or cannot go on; it says so by its exit status, and is started again
EXIT_STATUSES = (0, 1, 78, 127)  # 127: the loader could not read a library


class Syscalls(unittest.TestCase):
    def sweep(self, call):
        numbers = range(1, 51) if LONG else SHORT
        users = end_users(40 * len(numbers))
        with World(redis_options=("--appendonly", "yes"), settings=SETTINGS, fake_options=("--latency-ms", "10")) as world:
            for index, number in enumerate(numbers):
                part = users[40 * index:40 * (index + 1)]
                inject = f"inject={call}:error={CALLS[call]}:when={number}"
                daemon = world.daemon(f"{call}-{number}-", hooked=True, env=QUICK, start=False,
                                      prefix_command=("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", inject))
                world.push(*part)
                daemon.start()
                wait_for(lambda d=daemon: d.process.poll() is not None or world.backlog() == (0, 0, 0, 0),
                         f"{call} {number}: the jobs, or its end")
                status = daemon.process.poll()
                if status is not None:
                    self.assertIn(status, EXIT_STATUSES, f"{call} {number}: {daemon.log_text()[-1000:]}")
                    daemon.prefix_command = []
                    daemon.start()
                    world.wait_idle()
                check_law_now(world)
                self.assertIn(daemon.terminate(), EXIT_STATUSES)
                self.assertLessEqual(sum(extra_sessions(world).values()), index + 1, f"{call} {number}")
            check_all_ready(world, users)
            self.assertEqual(world.dead(), [])


def add_test(call):
    def test(self):
        self.sweep(call)
    setattr(Syscalls, f"test_{call}_fails_once", test)


for name in CALLS:
    add_test(name)


if __name__ == "__main__":
    main()
