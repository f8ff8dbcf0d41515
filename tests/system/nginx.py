"""A private nginx with Lua that answers in the place of the API."""

import os
import subprocess

from harness import free_port, read_tail

# What each configuration begins with: one process in its own folder. A test's text goes on within http.
HEAD = """
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off;
master_process off;
pid nginx.pid;
error_log error.log crit;
events { worker_connections 4096; }
http {
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_body_in_single_buffer on;
  keepalive_requests 100000000;
"""


class Nginx:
    """`http` is the inside of the http block, a format of `port` and the values given; `files` are made empty beforehand."""

    scheme = "http"

    def __init__(self, folder, http, files=(), **values):
        self.folder = os.path.join(folder, "nginx")
        os.mkdir(self.folder)
        self.port = free_port()
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(HEAD + http % {"port": self.port, **values} + "}\n")
        for name in files:  # so that it can be read from the first moment
            open(os.path.join(self.folder, name), "xb").close()
        self.process = subprocess.Popen(["nginx", "-p", self.folder, "-c", path, "-e", "error.log"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def base_url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}/v1"

    def check(self):
        if self.process.poll() is not None:
            raise AssertionError("nginx ended:\n" + read_tail(os.path.join(self.folder, "error.log")))

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
