#!/usr/bin/env python3
"""Who may touch which jobs: one process an instance and host, each host its own leases, each project its own data."""

import os
import resource
import socket
import subprocess
import sys
import time
import unittest

from faults import (Watch, check_all_ready, check_law_now, check_one_session_each, cpu_sec, end_users, wait_in_flight,
                    wait_ready)
from harness import World, main, wait_for

import relay  # of tests/tools; faults.py knows where

SETTINGS = {"rate": {"per_sec": 100.0}, "log": {"level": "notice"}}
SHORT_LEASE = {"AUTHLINKD_TIMING": "lease_margin=3000,start_margin=500,foreign_after=1000,reap_interval=300,"
                                   "command_timeout=1000"}


class Host:
    """A network namespace: another host as far as the daemon can see, with ways to Redis and the API on its loopback."""

    count = 0

    def __init__(self, world):
        Host.count += 1
        self.name = f"authlinkd-{os.getpid()}-{Host.count}"
        self.world = world
        self.prefix = ["ip", "netns", "exec", self.name]
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.relays = []
        try:
            self.set_loopback("up")
            api = os.path.join(world.folder, f"api-{self.name}.sock")
            relay.listen(api, f"127.0.0.1:{world.fake.port}")
            self.api_port = self.start_relay(api)
            self.redis_port = self.start_relay(world.redis.socket_path)
        except BaseException:
            self.close()
            raise

    def set_loopback(self, state):
        subprocess.run([*self.prefix, "ip", "link", "set", "lo", state], check=True)

    def start_relay(self, to):
        process = subprocess.Popen([*self.prefix, sys.executable, relay.__file__, "--listen", "127.0.0.1:0",
                                    "--to", to], stdout=subprocess.PIPE)
        self.relays.append(process)
        return int(process.stdout.readline().decode().rsplit(":", 1)[1])

    def daemon(self, instance, name, **arguments):
        """`instance` is what the daemon calls itself, `name` what its files are called."""
        daemon = self.world.daemon(name, start=False, hooked=True, prefix_command=self.prefix, **arguments)
        daemon.instance_name = instance
        daemon.write_config(conductor={"base_url": f"http://127.0.0.1:{self.api_port}/v1"},
                            redis={"url": f"redis://127.0.0.1:{self.redis_port}/0"})
        return daemon.start()

    def close(self):
        for process in self.relays:
            process.kill()
            process.wait()
            process.stdout.close()
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


class Identity(unittest.TestCase):
    def setUp(self):
        self.hosts = []

    def host(self, world):
        self.hosts.append(Host(world))
        return self.hosts[-1]

    def tearDown(self):
        for host in self.hosts:
            host.close()

    def test_a_second_process_of_an_instance_touches_nothing(self):
        users = end_users(100)
        with World(settings=SETTINGS, fake_options=("--latency-ms", "100")) as world:
            first = world.daemon()
            world.push(*users)
            wait_ready(world, 10)
            for _ in range(20):  # more than a socket's queue would hold
                second = subprocess.run([first.process.args[0], "--config", first.config_path], capture_output=True,
                                        text=True, timeout=60, check=False)
                self.assertEqual(second.returncode, 78)
                self.assertIn(str(first.process.pid), second.stderr)
            world.wait_idle()
            check_one_session_each(world, users)
            self.assertEqual(world.stats().get("recovered", 0), 0)

    def test_who_asks_while_no_descriptor_is_left_does_not_make_the_loop_spin(self):
        with World(settings=SETTINGS) as world:
            daemon = world.daemon()
            world.push("end_usr_1")
            world.wait_idle()
            pid = daemon.process.pid
            is_open = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
            least_free = min(set(range(len(is_open) + 1)) - is_open)
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            with socket.socket(socket.AF_UNIX) as asker:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (least_free, hard))
                asker.connect(f"\0authlinkd/authlink/{daemon.instance_name}")
                before = cpu_sec(daemon.process)
                time.sleep(2)  # what is measured is the time between
                self.assertLess(cpu_sec(daemon.process) - before, 0.3)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
                asker.settimeout(60)
                self.assertEqual(asker.recv(1), b"", "it is let go as soon as one is free")

    def test_two_hosts_with_one_instance_name_leave_each_others_jobs_alone(self):
        users = end_users(200)
        with World(settings=SETTINGS, fake_options=("--latency-ms", "100")) as world:
            hosts = [self.host(world), self.host(world)]
            daemons = [host.daemon("same", f"host{number}") for number, host in enumerate(hosts)]
            world.push(*users[:100])
            wait_for(lambda: len(world.r("KEYS", "authlink:instance:same@*")) == 2, "two owners of one name")
            # restarts of one host must not take what the other has in hand
            for number in range(4):
                wait_in_flight(world, 2)
                daemons[number % 2].kill()
                daemons[number % 2].start()
                world.push(*users[100 + 25 * number:125 + 25 * number])
            world.wait_idle()
            check_all_ready(world, users)
            check_law_now(world)
            fenced = world.stats().get("fenced", 0)
            self.assertEqual(fenced, 0, "jobs of a live instance were taken")

    def test_a_host_that_loses_its_network_goes_on_when_it_is_back(self):
        """No FIN, no RST: the link is down, to Redis and to the API."""
        users = end_users(150)
        settings = {**SETTINGS, "conductor": {"request_timeout_ms": 1000}}
        with World(settings=settings, fake_options=("--latency-ms", "60")) as world:
            host = self.host(world)
            lonely = host.daemon("lonely", "lonely", env=SHORT_LEASE)
            world.push(*users[:100])
            wait_ready(world, 20)
            host.set_loopback("down")
            watch = Watch(lonely)
            other = world.daemon("other", hooked=True, env=SHORT_LEASE)
            world.wait_idle()  # the other one makes up for it
            time.sleep(2)
            watch.check()
            host.set_loopback("up")
            other.terminate()
            world.push(*users[100:])
            world.wait_idle()
            check_all_ready(world, users)
            check_law_now(world)
            self.assertEqual(world.dead(), [])

    def test_the_daemon_of_another_project_touches_no_job_and_says_what_to_do(self):
        users = end_users(20)
        with World(settings=SETTINGS, fake_options=("--key", "sk_conductor_fake:pk_conductor_fake",
                                                    "--key", "sk_conductor_b:pk_conductor_b")) as world:
            ours = world.daemon("ours")
            world.push(*users[:10])
            world.wait_idle()
            ours.terminate()
            theirs = world.daemon("theirs", settings={"conductor": {"publishable_key": "pk_conductor_b"}}, start=False)
            theirs.write_key("sk_conductor_b")
            theirs.start()
            wait_for(lambda: "data.foreign" in theirs.log_text(), "a line that says so")
            self.assertIn("adopt", theirs.log_text())
            world.push(*users[10:])
            time.sleep(1)
            self.assertEqual(world.backlog(), (10, 0, 0, 0))
            self.assertIsNone(theirs.process.poll())
            ours.start()
            world.wait_idle()
            check_one_session_each(world, users)
            check_law_now(world)

    def test_a_daemon_of_an_older_schema_touches_no_job_and_says_so(self):
        with World(settings=SETTINGS) as world:
            world.r("HSET", "authlink:meta", "schema", "2", "publishableKey", "pk_conductor_fake")
            daemon = world.daemon()
            world.push("end_usr_a")
            wait_for(lambda: "data.foreign" in daemon.log_text(), "a line that says so")
            watch = Watch(daemon)
            time.sleep(2)
            watch.check()
            self.assertEqual(world.backlog(), (1, 0, 0, 0))
            self.assertEqual(world.fake.get("stats")["requests"], 0)
            world.r("HSET", "authlink:meta", "schema", "1")
            wait_for(lambda: world.session("end_usr_a"), "the link once the schema fits")


if __name__ == "__main__":
    main()
