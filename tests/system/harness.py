"""What the system tests stand on: real servers in a temporary directory, gone afterwards.

A test speaks in stories: it starts a World (redis-server, conductor-fake, daemons), pushes
jobs as a producer would, waits for conditions, and checks what Redis and the fake recorded.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request

BUILD_DIR = os.environ.get("BUILD_DIR") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "build")

SECRET_KEY = "sk_conductor_fake"
PUBLISHABLE_KEY = "pk_conductor_fake"

# Nothing that bears one of these may stand in a log, in SLOWLOG or in Redis' own log.
SECRETS = re.compile(r"sk_conductor_|auth_sess_client_secret_\w|connect\.conductor\.is/qbd/")

# As a script: a transaction is refused where Redis is full or has no rights to write.
BACKLOG = """#!lua flags=no-writes,allow-stale
return {redis.call('LLEN', 'authlink:queue'), redis.call('ZCARD', 'authlink:delayed'),
        redis.call('ZCARD', 'authlink:leases'), redis.call('HLEN', 'authlink:inflight')}"""

SERVER = os.environ.get("AUTHLINKD_TEST_SERVER") or "redis-server"  # or valkey-server: every test can be run on it

PATIENCE_SEC = 60.0  # how long a busy machine may take; a test that passes does not wait for it


# Every daemon is the user of conf/authlinkd.acl, unless its world or its test names another: so each test here also
# shows that these rights are enough for what it does. AUTHLINKD_TEST_USERS=0: the default user, over a unix socket.
AS_ACL_USER = os.environ.get("AUTHLINKD_TEST_USERS") != "0"
ACL_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "conf", "authlinkd.acl")


class RedisError(Exception):
    """An error reply."""


class Resp:
    """A plain RESP2 client; replies as bytes, int, None and lists."""

    def __init__(self, address):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket(socket.AF_INET)
        self.socket.settimeout(PATIENCE_SEC)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(parts))

    def receive(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        return None if rest == b"-1" else [self.receive() for _ in range(int(rest))]

    def __call__(self, *words):
        self.send(*words)
        reply = self.receive()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def close(self):
        self.file.close()
        self.socket.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what, patience_sec=PATIENCE_SEC):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + patience_sec
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience_sec:.0f} s in vain for: {what}")
        time.sleep(0.02)


class Redis:
    """A private redis-server, or what SERVER names."""

    def __init__(self, folder, *options, server=SERVER, prefix_command=()):
        self.folder = folder
        self.server = server
        self.prefix_command = prefix_command
        self.options = options
        self.socket_path = os.path.join(folder, "redis.sock")
        self.log_path = os.path.join(folder, "redis.log")
        self.acl_path = os.path.join(folder, "users.acl")
        shutil.copy(ACL_FILE, self.acl_path)
        self.port = free_port()
        self.start()

    def start(self, *more):
        self.process = subprocess.Popen(
            [*self.prefix_command, self.server, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket_path,
             "--dir", self.folder, "--logfile", self.log_path, "--save", "", "--appendonly", "no",
             "--slowlog-log-slower-than", "0", "--slowlog-max-len", "1000", "--aclfile", self.acl_path,
             *self.options, *more],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers, self.server + " to answer")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.server} ended:\n" + read_tail(self.log_path))
        try:
            client = Resp(self.socket_path)
        except OSError:
            return False
        try:
            client("PING")
            return True
        except RedisError as error:
            # it is there, and speaks: LOADING passes, a password is the test's own business
            return not str(error).startswith("LOADING")
        except (ConnectionError, OSError):
            return False
        finally:
            client.close()

    def client(self):
        return Resp(self.socket_path)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()


def read_tail(path, size=4000):
    try:
        with open(path, "rb") as file:
            return file.read()[-size:].decode(errors="replace")
    except OSError:
        return ""


class Fake:
    """conductor-fake and its control endpoint."""

    def __init__(self, folder, *options, name="fake"):
        self.log_path = os.path.join(folder, name + ".log")
        self.log = open(self.log_path, "wb")
        self.options = options
        self.port = 0
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [os.path.join(BUILD_DIR, "conductor-fake"), "--port", str(self.port), "--control-port", "0",
             *self.options],
            stdout=subprocess.PIPE, stderr=self.log)
        self.port = self._read_port("listening")
        self.control_port = self._read_port("control")  # plain also with --tls, and spared by faults
        self.scheme = "https" if "--tls" in self.options else "http"

    def _read_port(self, what):
        line = self.process.stdout.readline().decode()
        match = re.match(what + r" on 127\.0\.0\.1:(\d+)", line)
        if not match:
            raise AssertionError(f"conductor-fake said {line!r}\n" + read_tail(self.log_path))
        return int(match.group(1))

    @property
    def base_url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control_port}/_fake/{path}", timeout=PATIENCE_SEC) as answer:
            return json.load(answer)

    def post(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.control_port}/_fake/{path}", json.dumps(body).encode(),
            {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_SEC) as answer:
            return json.load(answer)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Daemon:
    """One authlinkd process with a configuration file of its own."""

    def __init__(self, world, instance="one", hooked=False, env=None, settings=None, start=True, prefix_command=()):
        self.world = world
        self.instance = instance
        # the lock of an instance is the host's: worlds that run beside one another must not share names
        self.instance_name = instance + world.folder.rsplit("-", 1)[1]
        self.hooked = hooked
        self.prefix_command = list(prefix_command)
        self.env = dict(env or {})
        self.settings = settings or {}
        self.config_path = os.path.join(world.folder, f"{instance}.conf")
        self.key_path = os.path.join(world.folder, f"{instance}.key")
        self.log_path = os.path.join(world.folder, f"{instance}.log")
        self.log = open(self.log_path, "ab")
        self.process = None
        self.write_key(SECRET_KEY)
        self.write_config()
        if start:
            self.start()

    def write_key(self, key):
        with open(self.key_path, "w", encoding="ascii") as file:
            file.write(key + "\n")
        os.chmod(self.key_path, 0o600)

    def redis_settings(self):
        redis = self.world.redis
        if not self.world.as_acl_user:
            return {"url": "unix://" + redis.socket_path}
        return {"url": f"redis://authlink-daemon@127.0.0.1:{redis.port}/0",
                "password_file": self.world.acl_password_file("daemon")}

    def write_config(self, **groups):
        """Groups of settings over those of the world: redis={"url": ...}."""
        merged = {
            "conductor": {"base_url": self.world.fake.base_url if self.world.fake else "http://127.0.0.1:1/v1",
                          "publishable_key": PUBLISHABLE_KEY, "secret_key_file": self.key_path},
            "redis": self.redis_settings(),
            "rate": {"per_sec": 500.0},
            "log": {"level": "debug"},
        }
        for source in (self.world.settings, self.settings, groups):
            for group, values in source.items():
                merged.setdefault(group, {}).update(values)
        if self.world.as_acl_user:
            merged["redis"]["url"] = re.sub(r"^(rediss?://)(?!.*@)", r"\1authlink-daemon@", merged["redis"]["url"])
        with open(self.config_path, "w", encoding="utf-8") as file:
            for group, values in merged.items():
                inner = " ".join(f"{name} = {config_value(value)};" for name, value in values.items())
                file.write(f"{group} = {{ {inner} }};\n")
            file.write(f'instance = "{self.instance_name}";\n')

    def start(self):
        program = os.path.join(BUILD_DIR, "authlinkd-hooked" if self.hooked else "authlinkd")
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CONDUCTOR_")}
        environment.update(self.env)
        self.process = subprocess.Popen([*self.prefix_command, program, "--config", self.config_path],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment)
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait()

    def terminate(self, patience_sec=PATIENCE_SEC):
        self.process.terminate()
        return self.process.wait(patience_sec)

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        self.log.close()


def config_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(config_value(item) for item in value) + "]"
    return json.dumps(value) if isinstance(value, str) else repr(value)


class World:
    """Redis, fake and daemons of one test. Use it as a context manager."""

    def __init__(self, redis_options=(), fake_options=(), settings=None, fake=True, as_acl_user=AS_ACL_USER,
                 redis_prefix=lambda folder: ()):
        self.as_acl_user = as_acl_user
        self.folder = tempfile.mkdtemp(prefix="authlinkd-test-")
        self.daemons = []
        self.settings = settings or {}
        self.redis = self.fake = self.r = None
        try:
            self.redis = Redis(self.folder, *redis_options, prefix_command=redis_prefix(self.folder))
            self.fake = Fake(self.folder, *fake_options) if fake else None
            self.r = self.redis.client()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        logs = ""
        if kind is not None:
            logs = "\n".join(f"--- {d.instance} (end of its log)\n{read_tail(d.log_path, 6000)}" for d in self.daemons)
        leaked = self.find_secrets()
        self.close()
        if kind is not None:
            print(logs, flush=True)
        elif leaked:
            raise AssertionError("credentials where none may be:\n" + "\n".join(leaked[:10]))

    def daemon(self, instance="one", **arguments):
        daemon = Daemon(self, instance, **arguments)
        self.daemons.append(daemon)
        return daemon

    def acl_password_file(self, user):
        path = os.path.join(self.folder, f"password-{user}")
        if not os.path.exists(path):  # once: a daemon that starts may be reading it
            with open(path, "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(f"change-me-{user}\n")
        return path

    def find_secrets(self):
        leaked = []
        paths = [daemon.log_path for daemon in self.daemons]
        if self.redis:
            paths.append(self.redis.log_path)
        for path in paths:
            if not os.path.exists(path):
                continue
            with open(path, encoding="utf-8", errors="replace") as file:
                leaked += [f"{os.path.basename(path)}: {line.strip()[:300]}" for line in file if SECRETS.search(line)]
        return leaked + self.find_secrets_in_slowlog()

    def find_secrets_in_slowlog(self):
        try:
            client = self.redis.client()
            entries = client("SLOWLOG", "GET", "1000")
            client.close()
        except (RedisError, OSError, ConnectionError, AttributeError):
            return []  # this test took Redis down itself
        text = [" ".join(word.decode(errors="replace") for word in entry[3]) for entry in entries]
        # a test that reads or writes sessions itself says so by name
        return ["slowlog: " + line[:300] for line in text
                if SECRETS.search(line) and line.split(" ", 1)[0].lower() in ("evalsha", "eval", "script")]

    def close(self):
        for daemon in self.daemons:
            daemon.stop()
        if self.r:
            self.r.close()
        for server in (self.fake, self.redis):
            if server:
                server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # what a producer, a mailer and an operator see

    def push(self, *payloads, left=False):
        for start in range(0, len(payloads), 1000):
            self.r("LPUSH" if left else "RPUSH", "authlink:queue", *payloads[start:start + 1000])

    def session(self, user):
        flat = self.r("HGETALL", f"authlink:session:{user}")
        return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}

    def statuses(self, users):
        """How many of these users have which status."""
        counts = {}
        for start in range(0, len(users), 500):
            part = users[start:start + 500]
            for user in part:
                self.r.send("HGET", f"authlink:session:{user}", "status")
            for _ in part:
                status = self.r.receive()
                key = status.decode() if status else "none"
                counts[key] = counts.get(key, 0) + 1
        return counts

    def stats(self):
        flat = self.r("HGETALL", "authlink:stats")
        return {flat[i].decode(): int(flat[i + 1]) for i in range(0, len(flat), 2)}

    def backlog(self):
        """(queue, delayed, leases, inflight), in one look: a job on its way is in one of them."""
        return tuple(self.r("EVAL", BACKLOG, 0))

    def dead(self):
        letters = []
        for _, flat in self.r("XRANGE", "authlink:dead", "-", "+"):
            letters.append({flat[i].decode(): flat[i + 1].decode(errors="replace") for i in range(0, len(flat), 2)})
        return letters

    def events(self):
        entries = []
        for _, flat in self.r("XRANGE", "authlink:events", "-", "+"):
            entries.append({flat[i].decode(): flat[i + 1].decode(errors="replace") for i in range(0, len(flat), 2)})
        return entries

    def wait_idle(self, patience_sec=PATIENCE_SEC):
        try:
            wait_for(lambda: self.backlog() == (0, 0, 0, 0), "all jobs to end", patience_sec)
        except AssertionError as error:
            raise AssertionError(f"{error}: (queue, delayed, leases, inflight) = {self.backlog()}") from None

    def check_law(self):
        """The conservation law of the data, counted from the places themselves."""
        stats = self.stats()
        get = lambda name: stats.get(name, 0)
        in_leases = 0
        for lease in self.r("ZRANGE", "authlink:leases", 0, -1):
            in_leases += self.r("HLEN", b"authlink:lease:" + lease)
        delayed = self.r("ZCARD", "authlink:delayed")
        letters = self.r("XLEN", "authlink:dead")
        left = get("taken") + get("redriven")
        right = get("ready") + get("reused") + get("dead") + delayed + in_leases
        if left != right or get("dead") != get("redriven") + get("removed") + letters:
            raise AssertionError(f"the law is broken: {stats} delayed={delayed} leases={in_leases} dead={letters}")


def seed():
    """A random seed, printed; AUTHLINKD_SEED gives it."""
    value = int(os.environ.get("AUTHLINKD_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {value}", flush=True)
    return value


def main():
    unittest.main(verbosity=2)
