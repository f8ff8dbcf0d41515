#!/usr/bin/env python3
"""What a job costs the daemon's process, and Redis: system calls, allocations, instructions; counted, so that none creeps up.

The bounds of our own code stand a fifth above what was counted, that of Redis a tenth: how jobs fall into loop turns moves the
counts a little, what is done once more a job moves them beyond. Those of the libraries, counted with libcurl 7.88, leave room
for other versions.
"""

import unittest

import costs
from harness import main

# 4.5 counted. Of libcurl: two polls, one write, one read. All else (epoll_wait, Redis) is shared by batches.
MOST_SYSTEM_CALLS = 5.6
# 17.5 counted: peek, claim, request and settle are each sent by one call, and waited for and read by four or three.
MOST_SYSTEM_CALLS_ALONE = 21
# Buffers that grow once, the lease of a batch. 0.15 counted: nothing is allocated per job.
MOST_ALLOCATIONS_OF_OURS = 0.5
# 64 counted: libcurl's headers, cJSON's members.
MOST_ALLOCATIONS_OF_LIBRARIES = 100
# 21,600 of 128,700 counted: reading the answer, writing the outcome.
MOST_INSTRUCTIONS_OF_OURS = 26000
MOST_INSTRUCTIONS = 190000
# 145,000 counted with Redis 7.0: both steps, a hash of thirteen fields, an event, what is read and replied.
MOST_INSTRUCTIONS_OF_REDIS = 160000


class ProcessCosts(unittest.TestCase):
    def test_a_job_takes_few_system_calls(self):
        calls = costs.system_calls_per_job()
        print(f"{calls['total']:.2f} system calls a job: " + ", ".join(
            f"{name} {count:.2f}" for name, count in sorted(calls.items()) if count >= 0.01), flush=True)
        self.assertLess(calls["total"], MOST_SYSTEM_CALLS)
        self.assertLess(calls.get("write", 0), 0.1, "a line of the log for every job")

    def test_a_job_alone_takes_few_system_calls(self):
        calls = costs.system_calls_per_job_alone()
        print(f"{calls['total']:.2f} system calls a job alone: " + ", ".join(
            f"{name} {count:.2f}" for name, count in sorted(calls.items()) if count >= 0.01), flush=True)
        self.assertLess(calls["total"], MOST_SYSTEM_CALLS_ALONE)

    def test_the_request_of_a_job_alone_goes_before_the_next_peek(self):
        jobs = 50
        order = costs.order_of_jobs_alone(jobs)
        pairs = list(zip(order, order[1:]))
        self.assertGreater(pairs.count(("EVALSHA", "POST")), 0.8 * jobs, order)
        self.assertGreater(pairs.count(("POST", "BLMOVE")), 0.8 * jobs, order)

    def test_our_own_code_allocates_nothing_per_job(self):
        allocations = costs.allocations_per_job()
        print(f"{allocations['program']:.2f} allocations a job, libraries {allocations['libraries']:.1f}", flush=True)
        self.assertLess(allocations["program"], MOST_ALLOCATIONS_OF_OURS)
        self.assertGreater(allocations["libraries"], 10, "the counter counts")
        self.assertLess(allocations["libraries"], MOST_ALLOCATIONS_OF_LIBRARIES)

    def test_a_job_takes_few_instructions(self):
        counts = costs.instructions_per_job()
        print(f"{counts['instructions']:,.0f} instructions a job, our own {counts['own']:,.0f}", flush=True)
        self.assertGreater(counts["own"], 1000, "the counter counts")
        self.assertLess(counts["own"], MOST_INSTRUCTIONS_OF_OURS)
        self.assertLess(counts["instructions"], MOST_INSTRUCTIONS)

    def test_a_job_takes_few_instructions_of_redis(self):
        counts = costs.redis_instructions_per_job()
        print(f"{counts['instructions']:,.0f} instructions of Redis a job", flush=True)
        self.assertGreater(counts["instructions"], 10000, "the counter counts")
        self.assertLess(counts["instructions"], MOST_INSTRUCTIONS_OF_REDIS)


if __name__ == "__main__":
    main()
