"""What a job costs the daemon, and Redis, counted instead of timed: the same on a busy machine."""

import costs


def measure(report, _plan):
    report.add("system_calls", costs.system_calls_per_job()["total"])
    allocations = costs.allocations_per_job()
    report.add("allocations", allocations["program"])
    report.add("allocations_of_libraries", allocations["libraries"])
    instructions = costs.instructions_per_job()
    report.add("instructions", instructions["instructions"])
    report.add("own_instructions", instructions["own"])
    report.add("redis_instructions", costs.redis_instructions_per_job()["instructions"])
