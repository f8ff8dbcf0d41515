#!/usr/bin/env python3
"""conf/prometheus and conf/grafana: Prometheus itself takes them, scrapes a daemon by them, and finds everything they name."""

import json
import os
import re
import subprocess
import unittest
import urllib.parse
import urllib.request

import harness
from faults import wait_ready
from harness import free_port, main, read_tail, wait_for
from test_metrics import Watched, get

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CONF = os.path.join(TOP, "conf", "prometheus")
RULES = os.path.join(CONF, "authlinkd.rules.yml")
RULE_TESTS = os.path.join(TOP, "tests", "prometheus", "authlinkd.rules.test.yml")
DASHBOARD = os.path.join(TOP, "conf", "grafana", "authlinkd.json")
NAME = re.compile(r"\b(?:authlinkd_[a-z0-9_]+|process_[a-z_]+)\b")


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def expressions():
    """(panel, expression) of the dashboard, as Grafana would ask for the job `authlinkd`."""
    with open(DASHBOARD, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    for panel in panels:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$job", "authlinkd").replace("$__rate_interval", "1m")


class Prometheus:
    """A private server, by conf/prometheus as it is but for address and intervals."""

    def __init__(self, folder, target):
        with open(os.path.join(CONF, "prometheus.yml"), encoding="utf-8") as file:
            config = file.read()
        assert config.count("127.0.0.1:9469") >= 1
        config = config.replace('["127.0.0.1:9469"]', json.dumps([target])).replace("- authlinkd.rules.yml", "- " + os.path.abspath(RULES))
        path = os.path.join(folder, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n" + config)
        self.port = free_port()
        self.log_path = os.path.join(folder, "prometheus.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", "--config.file", path, "--storage.tsdb.path", os.path.join(folder, "tsdb"),
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def api(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?" + urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(url, timeout=harness.PATIENCE_SEC) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """The values of a vector."""
        return [float(sample["value"][1]) for sample in self.api("query", query=expression)["result"]]

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError("prometheus ended:\n" + read_tail(self.log_path))
        try:
            return self.query("vector(1)") == [1]
        except OSError:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()


class Files(unittest.TestCase):
    def promtool(self, *words):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_promtool_takes_the_rules_and_the_configuration(self):
        self.promtool("check", "rules", RULES)
        self.promtool("check", "config", os.path.join(CONF, "prometheus.yml"))

    def test_rules_are_quiet_and_loud_as_their_tests_say(self):
        self.promtool("test", "rules", RULE_TESTS)

    def test_no_alert_is_without_a_loud_case(self):
        alerts = re.findall(r"- alert: (\w+)", read(RULES))
        loud = [line for line in read(RULE_TESTS).splitlines() if "ALERTS{alertname" in line or "alertname:" in line]
        self.assertGreaterEqual(len(alerts), 6)
        for alert in alerts:
            named = [line for line in loud if re.search(rf"\b{alert}\b", line)]
            self.assertTrue(any("value: 1" in line or line.strip().startswith("- alertname") for line in named), alert)

    def test_the_alerts_of_the_readme_are_among_the_rules(self):
        lines = read("README.md").split("<!-- alerts -->\n```sh\n", 1)[1].split("```", 1)[0].splitlines()
        for number, line in enumerate(lines, 1):
            self.assertIn(f"# {number}. {line.rsplit('  # ', 1)[1]}\n", read(RULES))


class Scraped(unittest.TestCase):
    def test_prometheus_scrapes_a_daemon_and_finds_all_that_rules_dashboard_and_manuals_name(self):
        with Watched() as world:
            daemon = world.daemon()
            world.r("CONFIG", "SET", "maxmemory", "1gb")
            prometheus = Prometheus(world.folder, world.listen)
            try:
                wait_for(prometheus.is_up, "prometheus")
                world.push("end_usr_1", "end_usr_2")
                wait_ready(world, 2)
                wait_for(lambda: prometheus.query('max(authlinkd_fleet_jobs_ready_total{job="authlinkd"})') == [2], "the links to show")
                self.assertEqual(prometheus.query('up{job="authlinkd"}'), [1])
                self.assertEqual(prometheus.query("authlinkd_ready"), [1])
                self.check_names(get(world.listen)[1])
                self.check_dashboard(prometheus)
                self.check_rules(prometheus)
                self.assertEqual(prometheus.query('ALERTS{alertname!="Watchdog"}'), [], "a daemon that is well draws an alert")
                daemon.kill()
                wait_for(lambda: prometheus.query('ALERTS{alertname="AuthlinkdNoInstance"}') == [1], "the alert to be pending")
            finally:
                prometheus.stop()

    def check_names(self, text):
        families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
        families |= {family + suffix for family in families for suffix in ("_bucket", "_sum", "_count")}
        self.assertGreater(len(families), 40)
        for path in (["conf", "prometheus", "authlinkd.rules.yml"], ["conf", "grafana", "authlinkd.json"], ["README.md"],
                     ["daemon", "app", "authlinkd.8"], ["tests", "prometheus", "authlinkd.rules.test.yml"]):
            for name in set(NAME.findall(read(*path))):
                self.assertTrue(name in families or name == "authlinkd_fleet_", f"{path[-1]} names {name}")
        manual = read("daemon", "app", "authlinkd.8")
        for family in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE):
            self.assertIn(family, manual, "authlinkd(8) does not name it")

    def check_dashboard(self, prometheus):
        seen = 0
        for panel, expression in expressions():
            with self.subTest(panel=panel, expression=expression):
                wait_for(lambda expression=expression: prometheus.query(expression), f"{panel} to show something: {expression}")
                seen += 1
        self.assertGreater(seen, 25)

    def check_rules(self, prometheus):
        rules = wait_for(lambda: [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]
                                  if all(one["health"] == "ok" for one in group["rules"])], "every rule to be evaluated")
        self.assertEqual(len(rules), read(RULES).count("- alert: "))


if __name__ == "__main__":
    main()
