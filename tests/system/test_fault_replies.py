#!/usr/bin/env python3
"""What Redis refuses is a state: nothing is lost, nothing spins, and the log says what a person can do."""

import os
import time
import unittest

from faults import (FaultProxy, LONG, Rule, Watch, check_all_ready, check_law_now, check_one_session_each, end_users,
                    wait_in_flight, wait_ready)
from harness import AS_ACL_USER, RedisError, World, free_port, main, wait_for

SETTINGS = {"rate": {"per_sec": 100.0}, "log": {"level": "notice"}}
SLOW = ("--latency-ms", "60")
LASTS_SEC = 10.0 if LONG else 3.0


class Refusal(unittest.TestCase):
    def setUp(self):
        self.users = end_users(150)

    def world(self, *redis_options, fake_options=SLOW, as_acl_user=AS_ACL_USER):
        return World(redis_options=redis_options, fake_options=fake_options, settings=SETTINGS, as_acl_user=as_acl_user)

    def begin(self, world, **arguments):
        daemon = world.daemon(**arguments)
        world.push(*self.users[:75])
        wait_ready(world, 10)
        return daemon

    def last(self, daemon, word):
        """The refusals last for a while, are borne quietly, and the log names them."""
        watch = Watch(daemon)
        wait_for(lambda: word in daemon.log_text(), f"a line about {word}")
        time.sleep(LASTS_SEC)
        watch.check()

    def finish(self, world, daemon):
        world.push(*self.users[75:])
        world.wait_idle()
        check_law_now(world)
        check_all_ready(world, self.users)
        check_one_session_each(world, self.users)
        self.assertEqual(world.dead(), [])
        self.assertIsNone(daemon.process.poll())
        self.assertEqual(world.stats().get("fenced", 0), 0)

    def test_out_of_memory_claims_nothing_and_stores_every_answer(self):
        with self.world("--maxmemory-policy", "noeviction", fake_options=("--latency-ms", "700")) as world:
            daemon = world.daemon()
            world.push(*self.users[:75])
            wait_in_flight(world, 20)
            world.r("CONFIG", "SET", "maxmemory", "1")
            wait_for(lambda: world.backlog()[3] == 0, "the answers in hand to be stored")
            taken = world.stats()["taken"]
            self.assertEqual(world.stats()["ready"], world.fake.get("stats")["created"])
            self.last(daemon, "OOM")
            self.assertEqual(world.stats()["taken"], taken, "something was claimed")
            world.r("CONFIG", "SET", "maxmemory", "0")
            self.finish(world, daemon)

    def test_a_full_disk(self):
        with self.world() as world:
            daemon = self.begin(world)
            os.mkdir(os.path.join(world.folder, "dump.rdb"))  # the snapshot cannot take its place
            world.r("CONFIG", "SET", "save", "3600 1")
            world.r("BGSAVE")
            wait_for(lambda: b"rdb_last_bgsave_status:err" in world.r("INFO", "persistence"), "the snapshot to fail")
            self.last(daemon, "MISCONF")
            world.r("CONFIG", "SET", "save", "")
            self.finish(world, daemon)

    def test_the_primary_becomes_a_replica_and_is_one_again(self):
        with self.world() as world:
            daemon = self.begin(world)
            world.r("REPLICAOF", "127.0.0.1", str(free_port()))
            self.last(daemon, "READONLY")
            # told when it began, not at each of the connections that are made meanwhile
            self.assertLessEqual(daemon.log_text().count("redis.lost"), 3)
            world.r("REPLICAOF", "NO", "ONE")
            self.finish(world, daemon)

    def test_a_script_of_somebody_else_blocks_redis(self):
        with self.world("--busy-reply-threshold", "100") as world:
            daemon = self.begin(world)
            culprit = world.redis.client()
            culprit.send("EVAL", "while true do end", 0)
            self.last(daemon, "BUSY")
            world.r("SCRIPT", "KILL")
            self.assertIsInstance(culprit.receive(), RedisError)  # it has ended
            culprit.close()
            self.finish(world, daemon)

    def test_scripts_are_forgotten_under_load(self):
        with self.world() as world:
            daemon = self.begin(world)
            for _ in range(200 if LONG else 20):
                world.r("SCRIPT", "FLUSH")
                time.sleep(0.02)
            self.finish(world, daemon)

    def test_not_enough_replicas(self):
        with self.world() as world:
            daemon = self.begin(world)
            world.r("CONFIG", "SET", "min-replicas-to-write", "1")
            self.last(daemon, "NOREPLICAS")
            world.r("CONFIG", "SET", "min-replicas-to-write", "0")
            self.finish(world, daemon)

    def test_rights_are_taken_away(self):
        with self.world(as_acl_user=False) as world:
            daemon = self.begin(world)
            world.r("ACL", "SETUSER", "default", "-evalsha")
            self.last(daemon, "NOPERM")
            self.assertIn("authlinkd.acl", daemon.log_text())
            world.r("ACL", "SETUSER", "default", "+evalsha")
            self.finish(world, daemon)

    def test_a_right_to_peek_is_taken_away(self):
        with self.world() as world:
            daemon = self.begin(world)
            world.wait_idle()
            world.r("ACL", "SETUSER", "default", "-blmove")
            world.r("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            watch = Watch(daemon)
            world.push("end_usr_blind")
            wait_for(lambda: world.session("end_usr_blind"), "a link although nobody may peek")
            time.sleep(LASTS_SEC)
            watch.check()
            world.r("ACL", "SETUSER", "default", "+blmove")
            self.finish(world, daemon)

    def set_password(self, world, new):
        world.r("CONFIG", "SET", "requirepass", new)
        for client in world.r("CLIENT", "LIST").decode().splitlines():
            if "name=authlinkd" in client:
                world.r("CLIENT", "KILL", "ID", client.split()[0][3:])

    def write_password(self, world, password):
        path = os.path.join(world.folder, "redis.password")
        with open(path, "w", encoding="ascii") as file:
            file.write(password + "\n")
        os.chmod(path, 0o600)
        return path

    def test_a_password_is_changed_in_both_places(self):
        with self.world(as_acl_user=False) as world:
            path = self.write_password(world, "first")
            world.r("CONFIG", "SET", "requirepass", "first")
            daemon = self.begin(world, settings={"redis": {"password_file": path}})
            self.write_password(world, "second")
            self.set_password(world, "second")
            self.finish(world, daemon)
            self.assertNotIn("second", daemon.log_text())

    def test_a_wrong_password_is_not_tried_again_and_again(self):
        with self.world(as_acl_user=False) as world:
            path = self.write_password(world, "first")
            world.r("CONFIG", "SET", "requirepass", "first")
            daemon = self.begin(world, settings={"redis": {"password_file": path}})
            world.r("CONFIG", "RESETSTAT")
            self.set_password(world, "second")
            self.last(daemon, "WRONGPASS")
            refused = sum(int(line.rsplit(b"rejected_calls=", 1)[1].split(b",")[0]) +
                          int(line.rsplit(b"failed_calls=", 1)[1])
                          for line in world.r("INFO", "commandstats").split(b"\r\n") if line.startswith(b"cmdstat_auth"))
            self.assertLessEqual(refused, 4, "an account may be locked by so many")
            self.write_password(world, "second")
            self.finish(world, daemon)

    def test_no_password_where_one_is_wanted(self):
        with self.world(as_acl_user=False) as world:
            daemon = self.begin(world)
            self.set_password(world, "first")
            self.last(daemon, "NOAUTH")
            world.r("CONFIG", "SET", "requirepass", "")
            world.r("ACL", "SETUSER", "default", "nopass")
            self.finish(world, daemon)

    def test_a_key_of_another_type_is_a_state_that_names_it(self):
        with self.world() as world:
            daemon = self.begin(world)
            for key in ("leases", "delayed", "inflight", "limiter", "holds", "stats", "events", "dead", "meta"):
                key = "authlink:" + key
                world.r("MULTI")
                world.r("EXISTS", key)
                world.r("RENAMENX", key, "aside")
                world.r("SET", key, "of somebody else")
                was_there = world.r("EXEC")[0]
                wait_for(lambda key=key: f"wrongtype {key}" in daemon.log_text() or key in daemon.log_text(),
                         f"a line that names {key}")
                world.r("MULTI")
                world.r("DEL", key)
                if was_there:
                    world.r("RENAME", "aside", key)
                world.r("EXEC")
            self.finish(world, daemon)


class Scripted(unittest.TestCase):
    """Replies that a server of ours cannot be made to give: a proxy gives them, to every step, for a while."""

    REPLIES = (
        ("MOVED", b"-MOVED 3999 127.0.0.1:6381\r\n"),
        ("ASK", b"-ASK 3999 127.0.0.1:6381\r\n"),
        ("CLUSTERDOWN", b"-CLUSTERDOWN The cluster is down\r\n"),
        ("TRYAGAIN", b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"),
        ("CROSSSLOT", b"-CROSSSLOT Keys in request don't hash to the same slot\r\n"),
        ("MASTERDOWN", b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n"),
        ("UNBLOCKED", b"-UNBLOCKED force unblock from blocking operation, instance state changed\r\n"),
        ("EXECABORT", b"-EXECABORT Transaction discarded because of previous errors.\r\n"),
        ("READONLY", b"-ERR READONLY You can't write against a read only replica.\r\n"),
        ("ERR", b"-ERR something nobody has heard of\r\n"),
    )

    def test_each_is_borne_and_work_goes_on(self):
        with World(fake_options=SLOW, settings=SETTINGS) as world:
            proxy = FaultProxy(world.redis.socket_path)
            try:
                daemon = world.daemon(settings={"redis": {"url": proxy.url}})
                users = []
                for word, reply in self.REPLIES:
                    users += self.bear(world, proxy, daemon, word, reply)
                check_law_now(world)
                check_all_ready(world, users)
                check_one_session_each(world, users)
            finally:
                proxy.close()

    def bear(self, world, proxy, daemon, word, reply):
        users = end_users(20, "end_usr_" + word)
        watch = Watch(daemon)
        told = len(daemon.log_text())
        # the steps are refused before they reach Redis: what Redis refuses has not been done
        for step in ("claim", "settle", "reap"):
            proxy.add(Rule("refuse", step=step, reply=reply, times=None))
        world.push(*users)
        try:
            wait_for(lambda: word in daemon.log_text()[told:], f"a line about {word}", 20)
            time.sleep(1.0)
            watch.check()
        finally:
            proxy.clear()
        wait_for(lambda: world.statuses(users) == {"ready": len(users)}, f"the links after {word}")
        return users


if __name__ == "__main__":
    main()
