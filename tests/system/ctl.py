"""What the tests of authlinkctl share: running it, and a terminal to run it in."""

import itertools
import json
import os
import shutil
import subprocess

import harness

PROGRAM = os.path.join(harness.BUILD_DIR, "authlinkctl")


class Ended:
    """A run of authlinkctl that is over."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()


def environment(**more):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("CONDUCTOR_", "NO_COLOR"))}
    env.update(more)
    return env


def redis_words(world):
    """As the operator of conf/authlinkd.acl, unless the world has no such users."""
    if not world.as_acl_user:
        return ["--redis", "unix://" + world.redis.socket_path]
    config_path = os.path.join(world.folder, "operator.conf")
    with open(config_path, "w", encoding="ascii") as file:
        file.write(f'conductor = {{ publishable_key = "{harness.PUBLISHABLE_KEY}"; base_url = "http://127.0.0.1:1/v1"; }};\n'
                   f'redis = {{ url = "redis://authlink-operator@127.0.0.1:{world.redis.port}/0"; '
                   f'password_file = "{world.acl_password_file("operator")}"; }};\n')
    return ["--config", config_path]


def run(world, *words, stdin="", code=0, env=None, connect=True):
    """Runs it to its end; `code` is the exit status that must come."""
    command = [PROGRAM, *words, *(redis_words(world) if connect else [])]
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    done = subprocess.run(command, input=data, capture_output=True, timeout=harness.PATIENCE_SEC,
                          env=environment(**(env or {})), check=False)
    ended = Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    if code is not None and ended.code != code:
        raise AssertionError(f"{words}: exit status {ended.code}, not {code}\n{ended.out}\n{ended.err}")
    return ended


def start(world, *words, **arguments):
    return subprocess.Popen([PROGRAM, *words, *redis_words(world)], env=environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, **arguments)


class Terminal:
    """A terminal of 110 columns, by tmux, with a shell that outlives ctrl-c; gone at the end of the block."""

    numbers = itertools.count()

    def __init__(self, world, command):
        self.socket = os.path.join(world.folder, f"tmux{next(Terminal.numbers)}")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "40",
                  "trap : INT; " + command + "; echo status=$?; read x")
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def tmux(self, *words):
        return subprocess.run([shutil.which("tmux"), "-S", self.socket, *words], capture_output=True, text=True,
                              timeout=harness.PATIENCE_SEC, env=environment(TERM="xterm", LANG="C.UTF-8"), check=False).stdout

    def screen(self, *words):
        return self.tmux("capture-pane", "-p", *words)

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def wait_for(self, piece):
        try:
            return harness.wait_for(lambda: self.screen() if piece in self.screen() else "", f"{piece!r} on the terminal")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen()}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server")
