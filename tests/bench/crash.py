"""What crashes cost. The tests of the house do it, in their long form; here their figures are read out of what they say."""

import os
import re
import subprocess

SYSTEM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system")
PATIENCE_SEC = 900


def run_test(file, name, is_long):
    """What the test said. It must be green: jobs lost and laws broken make it red."""
    env = {**os.environ, "AUTHLINKD_LONG": "1"} if is_long else dict(os.environ)
    run = subprocess.run([os.path.join(SYSTEM, file), name], env=env, capture_output=True, text=True, timeout=PATIENCE_SEC,
                         check=False)
    if run.returncode != 0:
        raise AssertionError(f"{file} {name} is red:\n{run.stdout[-1000:]}{run.stderr[-1000:]}")
    return run.stdout


def number_in(text, pattern):
    return float(re.search(pattern, text).group(1))


def measure(report, plan):
    kill = "Kill.test_every_job_ends_once_however_often_its_daemons_are_killed"
    said = run_test("test_fault_kill.py", kill, plan.is_thorough)
    doubled, kills = number_in(said, r"sessions beyond one: (\d+)"), number_in(said, r"after (\d+) kills")
    report.add_series("kills", [{"kills": int(kills), "doubled": int(doubled)}])
    report.add("kill_lost", 0)  # else the test were red
    report.add("kill_doubled", doubled / (kills * 16))
    recovery = "Recovery.test_a_restart_on_the_same_host_does_not_wait_for_old_leases"
    report.add("restart_sec", [number_in(run_test("test_fault_recovery.py", recovery, False), r"old jobs: ([\d.]+) s")
                               for _ in range(3)])
    if plan.is_thorough:
        lost = "Recovery.test_with_the_times_of_the_release_a_lost_host_is_made_up_for_in_time"
        report.add("host_lost_sec", number_in(run_test("test_fault_recovery.py", lost, True), r"the jobs: ([\d.]+) s") - 1)
