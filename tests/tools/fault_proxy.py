#!/usr/bin/env python3
"""A proxy between the daemon and Redis that does harm on demand.

It follows the protocol: it knows which reply belongs to which command, so that a rule can
name a command ("the reply to the second settle") and say what becomes of it:

    proxy.add(Rule("drop_reply", step="settle"))                the step is done, its reply is lost
    proxy.add(Rule("drop_command", step="claim", times=3))      it never reaches Redis
    proxy.add(Rule("refuse", step="claim", reply=b"-MOVED 1 h:1\r\n", times=None))

Steps are told apart by the number of their keys. Also usable by itself, for latency alone:

    fault_proxy.py --port 7000 --to /run/redis.sock --latency-ms 20
"""

import argparse
import socket
import struct
import threading
import time

# number of keys of each step, as daemon/queue/*.c passes them
STEP_KEYS = {b"11": "claim", b"9": "settle", b"6": "reap"}

PING = b"*1\r\n$4\r\nPING\r\n"


class Rule:
    """What happens to commands that match, the first `times` of them (None: all), after `skip` others."""

    def __init__(self, action, step=None, command=None, times=1, skip=0, reply=b"", delay_sec=0.0, keep_bytes=0):
        assert action in ("drop_command", "drop_reply", "swallow_reply", "replace_reply", "truncate_reply",
                          "reset", "delay_reply", "refuse"), action
        self.action = action
        self.step = step
        self.command = command
        self.times = times
        self.skip = skip
        self.reply = reply
        self.delay_sec = delay_sec
        self.keep_bytes = keep_bytes
        self.applied = 0

    def matches(self, words):
        name = words[0].upper()
        if self.command and name != self.command.encode():
            return False
        if self.step and not (name == b"EVALSHA" and STEP_KEYS.get(words[2]) == self.step):
            return False
        if self.times is not None and self.applied >= self.times:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.applied += 1
        return True


class _Stream:
    """Reads whole RESP values and keeps their bytes."""

    def __init__(self, connection):
        self.file = connection.makefile("rb")

    def read(self):
        """(bytes, words); words only for an array of strings."""
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            if rest == b"-1":
                return line, None
            body = self.file.read(int(rest) + 2)
            if len(body) != int(rest) + 2:
                raise ConnectionError
            return line + body, body[:-2]
        if kind == b"*":
            parts = [self.read() for _ in range(max(0, int(rest)))]
            return line + b"".join(part for part, _ in parts), [word for _, word in parts]
        return line, rest


class _Pair:
    """One connection through the proxy."""

    def __init__(self, proxy, client):
        self.proxy = proxy
        self.client = client
        self.server = proxy.connect_server()
        self.rules = []  # of the commands that are unanswered, in order
        self.wake = threading.Condition()
        self.is_closed = False
        for target in (self.pump_commands, self.pump_replies):
            threading.Thread(target=target, daemon=True).start()

    def pump_commands(self):
        stream = _Stream(self.client)
        try:
            while True:
                data, words = stream.read()
                rule = self.proxy.choose(words)
                if rule and rule.action == "drop_command":
                    break
                with self.wake:
                    self.rules.append(rule)
                    self.wake.notify()
                # a refused command never comes to Redis; a PING keeps the replies in order
                self.server.sendall(PING if rule and rule.action == "refuse" else data)
        except (OSError, ConnectionError, ValueError):
            pass
        self.close()

    def pump_replies(self):
        stream = _Stream(self.server)
        try:
            while True:
                data, _ = stream.read()
                with self.wake:
                    while not self.rules and not self.is_closed:
                        self.wake.wait(1)
                    if self.is_closed:
                        return
                    rule = self.rules.pop(0)
                if self.proxy.latency_sec:
                    time.sleep(self.proxy.latency_sec)
                if not self.deliver(data, rule):
                    break
        except (OSError, ConnectionError, ValueError):
            pass
        self.close()

    def deliver(self, data, rule):
        """False: the connection is to be closed."""
        while self.proxy.is_silent and not self.is_closed:
            time.sleep(0.01)
        if rule is None:
            self.client.sendall(data)
            return True
        if rule.action == "swallow_reply":  # and all that follow: the peer hears nothing more
            while not self.is_closed:
                time.sleep(0.01)
            return False
        if rule.action == "delay_reply":
            time.sleep(rule.delay_sec)
            self.client.sendall(data)
            return True
        if rule.action in ("replace_reply", "refuse"):
            self.client.sendall(rule.reply)
            return True
        if rule.action == "truncate_reply":
            self.client.sendall(data[:rule.keep_bytes])
        if rule.action == "reset":
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def close(self):
        with self.wake:
            self.is_closed = True
            self.wake.notify()
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
        self.proxy.forget(self)


class FaultProxy:
    """Listens on a port of loopback; `to` is a path of a unix socket or (host, port)."""

    def __init__(self, to, port=0, latency_sec=0.0):
        self.to = to
        self.latency_sec = latency_sec
        self.is_silent = False  # a network that swallows everything: no FIN, no RST
        self.rules = []
        self.pairs = set()
        self.accepted = 0
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def connect_server(self):
        if isinstance(self.to, str):
            server = socket.socket(socket.AF_UNIX)
        else:
            server = socket.socket(socket.AF_INET)
        try:
            server.connect(self.to)
        except OSError:
            server.close()
            raise
        return server

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            try:
                pair = _Pair(self, client)
            except OSError:
                client.close()
                continue
            with self.lock:
                self.pairs.add(pair)

    def forget(self, pair):
        with self.lock:
            self.pairs.discard(pair)

    def add(self, rule):
        with self.lock:
            self.rules.append(rule)
        return rule

    def clear(self):
        with self.lock:
            self.rules = []

    def choose(self, words):
        if not words:
            return None
        with self.lock:
            return next((rule for rule in self.rules if rule.matches(words)), None)

    def cut(self):
        """Closes every connection."""
        with self.lock:
            pairs = list(self.pairs)
        for pair in pairs:
            pair.close()

    def close(self):
        self.listener.close()
        self.cut()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--to", required=True, help="path of a unix socket, or HOST:PORT")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="before each reply")
    words = parser.parse_args()
    host, _, port = words.to.rpartition(":")
    proxy = FaultProxy((host, int(port)) if port.isdigit() and host else words.to, words.port, words.latency_ms / 1000)
    print(f"listening on 127.0.0.1:{proxy.port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
