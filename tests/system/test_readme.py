#!/usr/bin/env python3
"""The README's examples run as they stand there: click handlers and mailer."""

import http.client
import os
import re
import shutil
import subprocess
import unittest

from harness import BUILD_DIR, World, main, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")

# the distribution's own interpreter: the one that has its package python3-redis
PYTHON = "/usr/bin/python3"


def example(name):
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        match = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w+\n(.*?)```", file.read(), re.S)
    if not match:
        raise AssertionError(f"README.md has no example {name}")
    return match.group(1)


def node_folder():
    """A folder with the packages that the examples import; made once a build."""
    folder = os.path.join(BUILD_DIR, "readme-node")
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, "readme", name), folder)
    if not os.path.isdir(os.path.join(folder, "node_modules", "redis")):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


class Example:
    """An example of the README as a process."""

    def __init__(self, world, name, command, folder, before=""):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(before + example(name))
        environment = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{world.redis.port}/0", "PORT": "0",
                       "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen([command, path], stdout=subprocess.PIPE, env=environment, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def line(self):
        return self.process.stdout.readline().strip()


class ClickHandlers(unittest.TestCase):
    def click(self, port, user):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", f"/connect/{user}")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.getheader("Location")

    def check_handler(self, name, command, folder_of):
        with World(settings={"rate": {"per_sec": 20.0}}) as world:
            world.daemon()
            world.push(*[f"end_usr_wait_{n}" for n in range(10000)])
            wait_for(lambda: world.stats().get("ready", 0) > 0, "the line to move")
            with Example(world, name, command, folder_of(world)) as handler:
                port = int(handler.line().split()[-1])
                status, link = self.click(port, "end_usr_click")
                self.assertEqual((status, link), (303, world.session("end_usr_click")["authFlowUrl"]))
                self.assertEqual(self.click(port, "end_usr_click"), (303, link), "the second click has the same link")
                for nobody in ("", "favicon.ico", "a/b"):
                    self.assertEqual(self.click(port, nobody), (404, None), "no ID, no job")
                self.assertEqual(world.fake.get("counts")["end_usr_click"], 1)
                self.assertGreater(world.r("LLEN", "authlink:queue"), 9000, "it was served while the others waited")

    def test_python_click_handler_redirects_while_ten_thousand_wait(self):
        self.check_handler("click-handler.py", PYTHON, lambda world: world.folder)

    def test_node_click_handler_redirects_while_ten_thousand_wait(self):
        self.check_handler("click-handler.mjs", "node", lambda world: node_folder())


class Mailer(unittest.TestCase):
    def test_the_mailer_gets_every_link_once(self):
        before = 'def send_mail(user, ref, link):\n    print("mail", user, repr(ref), link.split("?")[0][:36])\n'
        users = [f"end_usr_mail_{n}" for n in range(20)]
        with World() as world:
            world.daemon()
            with Example(world, "mailer.py", PYTHON, world.folder, before) as mailer:
                world.push(*users)
                mails = [mailer.line().split() for _ in users]
                wait_for(lambda: world.r("XPENDING", "authlink:events", "mailer")[0] == 0, "every event to be acknowledged")
            self.assertEqual(sorted(mail[1] for mail in mails), sorted(users))
            self.assertTrue(all(mail[3] == "https://connect.conductor.is/qbd/aut" for mail in mails), mails)

    def test_a_mailer_that_died_on_the_way_takes_up_what_it_had_in_hand(self):
        before = 'def send_mail(user, ref, link):\n    raise SystemExit\n'
        again = 'def send_mail(user, ref, link):\n    print("mail", user)\n'
        users = {f"end_usr_mail_{n}" for n in range(5)}
        with World() as world:
            world.daemon()
            world.push(*users)
            world.wait_idle()
            with Example(world, "mailer.py", PYTHON, world.folder, before) as mailer:
                mailer.process.wait(60)
            self.assertEqual(world.r("XPENDING", "authlink:events", "mailer")[0], 5, "it had them all in hand")
            with Example(world, "mailer.py", PYTHON, world.folder, again) as mailer:
                self.assertEqual({mailer.line().split()[1] for _ in users}, users)


if __name__ == "__main__":
    main()
