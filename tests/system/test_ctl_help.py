#!/usr/bin/env python3
"""What authlinkctl says of itself: --help of every command, completion, README."""

import os
import re
import subprocess
import unittest

import ctl
import harness

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
COMPLETION = os.path.join(ROOT, "daemon", "ctl", "authlinkctl.bash")


def says(*words):
    done = subprocess.run([ctl.PROGRAM, *words], capture_output=True, text=True, env=ctl.environment(), check=False,
                          stdin=subprocess.DEVNULL, timeout=harness.PATIENCE_SEC)
    if done.returncode != 0 or done.stderr:
        raise AssertionError(f"{words}: {done.returncode}\n{done.stderr}")
    return done.stdout


def commands():
    listed = re.findall(r"(?m)^  ([a-z]+) ", says("--help"))
    if len(listed) < 10:
        raise AssertionError(f"found only {listed}")
    return listed


def options(text):
    return set(re.findall(r"(?m)^  (--[a-z-]+)", text))


def complete(*words):
    """What bash offers behind these words; the last one is being written."""
    script = f"""source {COMPLETION}
compopt() {{ :; }}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _authlinkctl; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script, "bash", "authlinkctl", *words], capture_output=True, text=True, check=True,
                          timeout=harness.PATIENCE_SEC, cwd=ROOT)
    return set(done.stdout.split())


class Help(unittest.TestCase):
    def test_every_command_has_a_help_that_fits_a_terminal(self):
        for words in ((), *((command,) for command in commands())):
            with self.subTest(words=words):
                text = says(*words, "--help")
                self.assertIn("Usage: authlinkctl", text)
                self.assertLessEqual(max(len(line) for line in text.splitlines()), 100)
                self.assertLessEqual({"--config", "--redis", "--json", "--reveal", "--yes", "--help"}, options(text))

    def test_help_names_the_exit_statuses(self):
        for piece in ("0 done", "1 failed", "2 wrong words", "3 not found", "4 Redis cannot be reached"):
            self.assertIn(piece, says("--help"))

    def test_help_of_a_command_may_be_asked_for_as_a_command(self):
        self.assertEqual(says("help", "enqueue"), says("enqueue", "--help"))
        self.assertEqual(says("help"), says("--help"))

    def test_the_version_is_told(self):
        self.assertRegex(says("--version"), r"^authlinkctl \d+\.\d+\.\d+\n$")

    def test_options_may_stand_before_the_command(self):
        self.assertIn("Usage: authlinkctl COMMAND", says("--json", "--help"))
        self.assertIn("1 right", says("--redis", "redis://127.0.0.1:1", "enqueue", "--dry-run", "--", "u1"))


class Completion(unittest.TestCase):
    def test_commands_are_offered(self):
        self.assertEqual({word for word in complete("") if not word.startswith("-")}, set(commands()))
        self.assertEqual(complete("st"), {"status"})

    def test_the_options_of_a_command_are_those_of_its_help(self):
        for command in commands():
            with self.subTest(command=command):
                self.assertEqual(complete(command, "--"), options(says(command, "--help")))

    def test_words_and_files_are_offered_where_they_belong(self):
        self.assertLessEqual({"list", "retry", "rm"}, complete("dead", ""))
        self.assertIn("account", complete("resume", ""))
        self.assertIn("README.md", complete("enqueue", "--csv", "READ"))
        self.assertIn("rejected", complete("dead", "list", "--reason", "re"))
        self.assertEqual(complete("--redis", ""), set())


class Readme(unittest.TestCase):
    def test_the_readme_shows_every_command_and_only_options_that_exist(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            section = file.read().split("\n## Operate it\n", 1)[1].split("\n## ", 1)[0]
        for command in commands():
            self.assertIn(f"authlinkctl {command}", section)
        for line in re.findall(r"authlinkctl [^`|\n]*", section):
            words = line.split()
            if words[1] in commands():
                self.assertLessEqual(set(re.findall(r"(?<= )--[a-z-]+", line)), options(says(words[1], "--help")), line)


if __name__ == "__main__":
    harness.main()
