"""The API of the bench: nginx with a few lines of Lua, so that the server is never what is measured.

It reads the end user out of the body and answers as the API does, with a link as long as a real one; nothing is
checked, nothing is limited, nothing is logged. It counts its answers (`/count`), which no client can talk up.
"""

import os
import re
import socket
import subprocess
import urllib.request

from harness import BUILD_DIR, wait_for
from nginx import Nginx

HERE = os.path.dirname(os.path.abspath(__file__))
WRK_SEC = 3

CONFIG = """
  access_log off;
  keepalive_timeout 300;
  default_type application/json;
  init_by_lua_block {
    api = { count = 0, at = 0, secret = string.rep('s', 160) }
  }
  server {
    listen 127.0.0.1:%(port)d %(tls)s;
    %(certificate)s
    location /count { content_by_lua_block { ngx.print(api.count) } }
    location /v1/auth-sessions {
      content_by_lua_block {
        ngx.req.read_body()
        local body = ngx.req.get_body_data() or ''
        local user = body:match('"endUserId":%%s*"([^"]+)"')
        local minutes = tonumber(body:match('"linkExpiryMins":%%s*(%%d+)')) or 30
        local now = ngx.time()
        if now ~= api.at then
          api.at, api.iso = now, {}
        end
        local function iso(time)
          api.iso[time] = api.iso[time] or os.date('!%%Y-%%m-%%dT%%H:%%M:%%S.000Z', time)
          return api.iso[time]
        end
        %(wait)s
        local answer = string.format('{"id":"auth_sess_%%s","objectType":"auth_session","createdAt":"%%s",'
          .. '"endUserId":"%%s","clientSecret":"auth_sess_client_secret_%%s","authFlowUrl":'
          .. '"https://connect.conductor.is/qbd/auth_sess_client_secret_%%s?key=pk_conductor_fake","expiresAt":"%%s",'
          .. '"redirectUrl":null}', user, iso(now), user, api.secret, api.secret, iso(now + 60 * minutes))
        api.count = api.count + 1
        ngx.header['Content-Length'] = #answer
        ngx.header['Conductor-Request-Id'] = 'req_bench'
        ngx.print(answer)
      }
    }
  }
"""


class Api(Nginx):
    """A private nginx in the place of the API. authority: of tests/system/test_redis_tls.py; then it speaks TLS only."""

    def __init__(self, folder, latency_sec=0, authority=None):
        self.scheme = "https" if authority else "http"
        certificate = "ssl_certificate %s; ssl_certificate_key %s;" % authority.issue("api") if authority else ""
        super().__init__(folder, CONFIG, tls="ssl http2" if authority else "", certificate=certificate,
                         wait=f"ngx.sleep({latency_sec})" if latency_sec else "")
        wait_for(self._listens if authority else self._answers, "nginx to answer")

    def _answers(self):
        self.check()
        try:
            return self.count() >= 0
        except OSError:
            return False

    def _listens(self):
        self.check()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
            return True
        except OSError:
            return False

    def count(self):
        """How many sessions it has answered."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/count", timeout=10) as answer:
            return int(answer.read())


def wrk(base_url, connections=128, seconds=WRK_SEC):
    """Requests a second that wrk gets out of it: the ceiling for whoever else asks."""
    run = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", os.path.join(HERE, "wrk.lua"),
                          base_url + "/auth-sessions"], check=True, capture_output=True, text=True, timeout=60 + seconds)
    if "Non-2xx" in run.stdout or "Socket errors" in run.stdout:
        raise AssertionError("wrk was refused:\n" + run.stdout)
    return float(re.search(r"Requests/sec:\s*([\d.]+)", run.stdout).group(1))


def libcurl_alone(api, ca_file, version, connections, requests):
    """(requests a second, us of CPU a request) of the daemon's request over TLS by this version of HTTP."""
    run = subprocess.run([os.path.join(BUILD_DIR, "tests", "http-versions"), api.base_url + "/auth-sessions", ca_file, version,
                          str(connections), str(requests)], check=True, capture_output=True, text=True, timeout=300)
    return tuple(float(word) for word in run.stdout.split())


def client_alone(base_url, requests, connections=128):
    """The same of the daemon's HTTP client with nothing around it: the ceiling for the daemon."""
    run = subprocess.run([os.path.join(BUILD_DIR, "tests", "post-only"), base_url, str(connections), str(requests)], check=True,
                         capture_output=True, text=True, timeout=300)
    return float(run.stdout.split()[0])
