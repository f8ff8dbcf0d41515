"""A Debian or Ubuntu system with systemd as its first process, in a folder, without a network of its own.

Whatever happens, nothing of it is left: systemd-nspawn is the first process of a PID namespace, so that all of it dies
with it, and it dies with us; the folder is removed, one that a killed run has left by the next.
"""

import glob
import os
import shutil
import subprocess
import tempfile
import time

PATIENCE_SEC = 90.0  # how long a busy machine may take; what passes does not wait for it
EXIT_REBOOT = 133    # of systemd-nspawn --keep-unit, when the system inside asks for a reboot


class Failure(Exception):
    """A sentence for people."""


def wait_for(condition, what, patience_sec=PATIENCE_SEC):
    """Waits until condition() is true and returns its value."""
    end = time.monotonic() + patience_sec
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {patience_sec:.0f} s in vain for: {what}")
        time.sleep(0.05)


def remove_tree(path):
    if os.path.isdir(path):
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=False)


class Container:
    def __init__(self, root):
        """`root`: a folder that is copied, and stays as it is."""
        place = os.path.dirname(root)
        self._remove_leftovers(place)
        self.folder = tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=place)
        self.tree = os.path.join(self.folder, "tree")
        self.name = f"authlinkd-{os.getpid()}"
        self.console_path = os.path.join(self.folder, "console")
        self.process = None
        self.leader = None
        subprocess.run(["cp", "-a", "--reflink=auto", root, self.tree], check=True)

    @staticmethod
    def _remove_leftovers(place):
        for path in glob.glob(os.path.join(place, "run-*-*")):
            pid = os.path.basename(path).split("-")[1]
            if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                remove_tree(path)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.kill()
        remove_tree(self.folder)

    def prepare(self, *words):
        """Runs a command in the tree before it is booted, with the network of this machine."""
        done = subprocess.run(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe", "--resolv-conf=copy-host",
             "--setenv=DEBIAN_FRONTEND=noninteractive", "--setenv=LC_ALL=C", "-D", self.tree, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=600, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout[-3000:]}")
        return done.stdout

    def boot(self):
        console = open(self.console_path, "ab")
        # A hybrid control group tree of this machine would be shown to systemd 256 and later as one that they refuse.
        environment = dict(os.environ, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount-proc", "--fork", "--kill-child=KILL",
             "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network",
             "--resolv-conf=off", "--console=read-only", "--machine=" + self.name, "-D", self.tree],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment)
        console.close()
        wait_for(self._find_leader, "the first process of the container")
        wait_for(lambda: self.systemctl("is-system-running") in ("running", "degraded", "maintenance"),
                 "the container to be up")
        state = self.systemctl("is-system-running")
        if state != "running":
            raise Failure(f"the container is {state}:\n" + self.run("systemctl", "--failed", "--no-legend"))

    def _find_leader(self):
        if self.process.poll() is not None:
            raise Failure(f"systemd-nspawn ended:\n{self.console()}")
        for pid in self._descendants(str(self.process.pid)):
            try:
                with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                    status = dict(line.split(":", 1) for line in file)
            except OSError:
                continue
            # one namespace for systemd-nspawn, one in it for the system
            if len(status["NSpid"].split()) == 3 and status["NSpid"].split()[-1] == "1" and status["Name"].strip() == "systemd":
                self.leader = pid
                return True
        return False

    def _descendants(self, pid):
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                children = file.read().split()
        except OSError:
            return []
        return children + [below for child in children for below in self._descendants(child)]

    def console(self):
        with open(self.console_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]

    def _enter(self, words):
        return ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "--", "env", "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive", "HOME=/root", "PAGER=cat", *words]

    def attempt(self, *words, text=None, patience_sec=PATIENCE_SEC):
        """Exit status and output of a command inside."""
        done = subprocess.run(self._enter(words), input=text or "", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=patience_sec, check=False)
        return done.returncode, done.stdout.rstrip("\n")

    def run(self, *words, **arguments):
        status, output = self.attempt(*words, **arguments)
        if status != 0:
            raise Failure(f"{' '.join(words)}: exit status {status}\n{output[-3000:]}")
        return output

    def systemctl(self, *words):
        """What systemctl prints; its exit status is the state of the unit and says nothing more."""
        return self.attempt("systemctl", *words)[1]

    def on_this_machine(self, *words):
        """A command of this machine in the container's network."""
        return subprocess.run(["nsenter", "-t", self.leader, "-n", "--", *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, timeout=PATIENCE_SEC, check=True).stdout

    def path(self, path):
        return os.path.join(self.tree, path.lstrip("/"))

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(path), mode)

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as file:
            return file.read()

    def copy_in(self, source, target):
        shutil.copy(source, self.path(target))

    def reboot(self):
        self.attempt("systemctl", "reboot")
        status = self.process.wait(PATIENCE_SEC)
        if status != EXIT_REBOOT:
            raise Failure(f"no reboot, but exit status {status}:\n{self.console()}")
        self.boot()

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        # What is in the namespaces dies with it, but not in the same instant.
        if self.leader is not None:
            wait_for(lambda: not os.path.exists(f"/proc/{self.leader}"), "the end of the container")
