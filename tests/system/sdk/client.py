"""Conductor's own SDKs for Node, as the tests use them: installed once a build folder, called by calls.js."""

import fcntl
import json
import os
import shutil
import subprocess

from harness import BUILD_DIR, SECRET_KEY

SOURCE = os.path.dirname(os.path.abspath(__file__))
INSTALL_SEC = 500  # the registry may be slow
CALLS_SEC = 60


def install():
    """The folder with node_modules as the lock file says; filled by npm when it is not."""
    folder = os.path.join(os.path.abspath(BUILD_DIR), "sdk")
    done = os.path.join(folder, "installed-lock.json")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(SOURCE, "package-lock.json"), "rb") as file:
        lock = file.read()
    with open(os.path.join(folder, ".installing"), "wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two tests may want it at once
        if os.path.exists(done):
            with open(done, "rb") as file:
                if file.read() == lock:
                    return folder
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(SOURCE, name), folder)
        run = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                             capture_output=True, text=True, timeout=INSTALL_SEC)
        if run.returncode != 0:
            raise AssertionError("npm ci failed:\n" + run.stdout + run.stderr)
        shutil.copy(os.path.join(SOURCE, "package-lock.json"), done)
    return folder


class Sdk:
    """One version of the SDK, pointed at a fake."""

    def __init__(self, version, fake):
        self.version = version
        self.fake = fake
        self.folder = install()

    def calls(self, *calls, key=SECRET_KEY, builtin_fetch=False):
        """Makes the calls [name, argument ...] one after the other; what each returned or threw."""
        wanted = {"version": self.version, "port": self.fake.port, "key": key, "builtinFetch": builtin_fetch, "calls": calls}
        # Nothing of the caller's environment but the path: no keys, no proxies.
        run = subprocess.run(["node", os.path.join(SOURCE, "calls.js")], cwd=self.folder, input=json.dumps(wanted),
                             capture_output=True, text=True, timeout=CALLS_SEC, env={"PATH": os.environ["PATH"]})
        if run.returncode != 0:
            raise AssertionError(run.stdout + run.stderr)
        return [json.loads(line) for line in run.stdout.splitlines()]

    def call(self, *call, **rest):
        return self.calls(list(call), **rest)[0]
