#!/usr/bin/env python3
"""The fleet against nginx limit_req, a rate limiter that nobody here wrote.

  test_pace_nginx.py                  100/s known, a few seconds
  test_pace_nginx.py --table [RATE…]  the table of the README, or some of its rows; AUTHLINKD_LONG=1 measures a minute
                                      a cell, medians of three. The load average of each row goes to stderr
"""

import os
import sys
import unittest

from harness import World, main, wait_for
from nginx import Nginx
from pace_record import LONG, Arrival, Use, end_users, median_use, stop_fleet

MEASURED_SEC = 60 if LONG else 5
RUNS = 3 if LONG else 1

CONFIG = """
  log_format arrivals '$msec $request_time $status';
  access_log access.log arrivals;
  limit_req_zone $server_name zone=all:1m rate=%(rate)dr/s;
  limit_req_status 429;
  server {
    listen 127.0.0.1:%(port)d;
    server_name conductor;
    location /health { access_log off; return 204; }
    location / {
      limit_req zone=all burst=20 %(form)s;
      default_type application/json;
      content_by_lua_block {
        ngx.req.read_body()
        local body = ngx.req.get_body_data() or ''
        local user = body:match('"endUserId":%%s*"([^"]+)"')
        local minutes = tonumber(body:match('"linkExpiryMins":%%s*(%%d+)')) or 30
        local now = ngx.time()
        local function iso(time) return os.date('!%%Y-%%m-%%dT%%H:%%M:%%S.000Z', time) end
        ngx.sleep(0.04)
        ngx.say(string.format('{"id":"auth_sess_%%s","objectType":"auth_session","createdAt":"%%s","endUserId":"%%s",'
          .. '"clientSecret":"none","authFlowUrl":"https://connect.conductor.is/qbd/none","expiresAt":"%%s",'
          .. '"redirectUrl":null}', user, iso(now), user, iso(now + 60 * minutes)))
      }
    }
  }
"""


class Limited(Nginx):
    """It lets `rate` requests a second pass, and notes each."""

    def __init__(self, folder, rate, form):
        super().__init__(folder, CONFIG, files=("access.log",), rate=rate, form=form)

    def open_log(self):
        self.check()
        return open(os.path.join(self.folder, "access.log"), "rb")

    def lines(self):
        with self.open_log() as log:
            return [line.decode("ascii").split() for line in log if line.endswith(b"\n")]

    def span_sec(self):
        """From the first answer to the last. Looks at both ends only: who reads all of it again and again loads the machine."""
        with self.open_log() as log:
            first = log.readline()
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            latest = log.read().split(b"\n")[:-1]
        is_there = first.endswith(b"\n") and latest  # the log may have got its first line in between
        return float(latest[-1].split()[0]) - float(first.split()[0]) if is_there else 0

    def arrivals(self):
        """nginx notes when it answered, and how long that took."""
        found = [Arrival(round(1e6 * (float(end) - float(took))), int(status)) for end, took, status in self.lines()]
        return sorted(found, key=lambda arrival: arrival.us)


def run_at(rate, form, per_sec=None):
    """Two instances at a limit they know (or not: per_sec 0)."""
    is_known = per_sec is None
    warm_up_sec = 2 if is_known else 60
    settings = {"rate": {"per_sec": float(rate if is_known else per_sec), "max_per_sec": 5000.0},
                "log": {"level": "info"}}
    with World(settings=settings, fake=False) as world:
        world.fake = Limited(world.folder, rate, form)
        seconds = warm_up_sec + MEASURED_SEC
        world.push(*end_users(rate * 2 * (seconds + 10)))
        world.daemon("one")
        world.daemon("two")
        wait_for(lambda: world.fake.span_sec() >= seconds, "the measured time", 60 + 3 * seconds)
        stop_fleet(world)
        return Use(world.fake.arrivals(), rate, 1000000 * warm_up_sec)


class NginxLimit(unittest.TestCase):
    def test_a_known_limit_req_of_100_a_second_is_used_and_not_exceeded(self):
        use = median_use([run_at(100, "nodelay") for _ in range(RUNS)])
        print(f"nginx limit_req 100/s burst=20 nodelay: {use}", flush=True)
        self.assertLess(use.refused, 0.01)
        self.assertGreaterEqual(use.share, 0.99 if LONG else 0.95)


def cell(rate, form, per_sec=None):
    use = median_use([run_at(rate, form, per_sec) for _ in range(RUNS)])
    return f"{100 * use.share:.1f} / {100 * use.refused:.1f}"


def print_table(rates):
    print("| nginx | known | unknown, after a minute |\n| --- | --- | --- |", flush=True)
    for rate in rates:
        for name, form in (("nodelay", "nodelay"), ("delayed", "")):
            print(f"| {rate}/s {name} | {cell(rate, form)} | {cell(rate, form, 0)} |", flush=True)
            print("load average", *os.getloadavg(), file=sys.stderr, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--table"]:
        print_table([int(word) for word in sys.argv[2:]] or (20, 100, 500))
    else:
        main()
