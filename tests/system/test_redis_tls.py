#!/usr/bin/env python3
"""TLS to Redis: the right server at full work; every refusal is a state with one line, and mended without a restart."""

import os
import re
import shutil
import subprocess
import unittest

import ctl
from harness import World, free_port, main, wait_for

JOBS = 300
NAMES = "DNS:localhost,IP:127.0.0.1,IP:::1"


class Authority:
    """Makes certificates with the openssl command."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.certificate = os.path.join(folder, name + ".pem")
        self.key = os.path.join(folder, name + ".key")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", f"/CN=authority {name}", "-keyout", self.key, "-out", self.certificate)

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)

    def issue(self, name, alt_names=NAMES, expired=False):
        """(certificate, key)"""
        path = os.path.join(self.folder, name)
        with open(path + ".ext", "w", encoding="ascii") as file:
            file.write(f"subjectAltName={alt_names}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", path + ".key", "-out", path + ".csr")
        os.chmod(path + ".key", 0o600)
        sign = self._sign_for_the_past if expired else self._sign
        sign(path, str(abs(hash(name)) + 1))
        return path + ".pem", path + ".key"

    def _sign(self, path, serial):
        self._openssl("x509", "-req", "-in", path + ".csr", "-CA", self.certificate, "-CAkey", self.key,
                      "-set_serial", serial, "-extfile", path + ".ext", "-out", path + ".pem", "-days", "1")

    def _sign_for_the_past(self, path, _serial):
        """The command x509 takes days before now until OpenSSL 3.4 only, and dates from there on; ca takes dates in all."""
        with open(path + ".cnf", "w", encoding="ascii") as file:
            file.write(f"[ca]\ndefault_ca = own\n[own]\ndatabase = {path}.index\nnew_certs_dir = {self.folder}\n"
                       "rand_serial = yes\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n")
        with open(path + ".index", "w", encoding="ascii"):
            pass
        self._openssl("ca", "-batch", "-notext", "-config", path + ".cnf", "-in", path + ".csr", "-cert", self.certificate,
                      "-keyfile", self.key, "-extfile", path + ".ext", "-startdate", "20200101000000Z",
                      "-enddate", "20200102000000Z", "-out", path + ".pem")


class Tls(unittest.TestCase):
    def begin(self, server="good", auth_clients="no", more=()):
        """A Redis with TLS beside its unix socket. server: the name of its certificate."""
        self.world = World(redis_options=("--enable-debug-command", "no"))
        self.addCleanup(self.world.close)
        folder = self.world.folder
        self.ours, self.other = Authority(folder, "ours"), Authority(folder, "other")
        self.certificates = {
            "good": self.ours.issue("good"),
            "wrong name": self.ours.issue("wrong", "DNS:redis.example.com"),
            "name, no address": self.ours.issue("nameonly", "DNS:127.0.0.1,DNS:localhost"),
            "unknown authority": self.other.issue("unknown"),
            "expired": self.ours.issue("expired", expired=True),
            "client": self.ours.issue("client", "DNS:client"),
        }
        self.tls_port = free_port()
        self.show(server)
        self.set(("tls-ca-cert-file", self.ours.certificate), ("tls-auth-clients", auth_clients), *more)
        self.set(("tls-port", self.tls_port))

    def set(self, *pairs):
        self.world.r("CONFIG", "SET", *(word for pair in pairs for word in pair))

    def show(self, name):
        """Redis shows another certificate from now on."""
        certificate, key = self.certificates[name]
        self.set(("tls-cert-file", certificate), ("tls-key-file", key))

    def start(self, host="127.0.0.1", port=None, **redis):
        settings = {"url": f"rediss://{host}:{port or self.tls_port}", "ca_file": self.ours.certificate, **redis}
        self.users = [f"end_usr_{n}" for n in range(JOBS)]
        self.world.push(*self.users)
        self.daemon = self.world.daemon(settings={"redis": settings})
        return self.daemon

    def check_done(self):
        self.world.wait_idle()
        self.assertEqual(self.world.statuses(self.users), {"ready": JOBS})
        self.world.check_law()
        self.assertEqual(self.daemon.terminate(), 0)

    def expect_line(self, *parts):
        """The reason stands in the log, once; the daemon lives, and nothing was taken."""
        def lines():
            return [line for line in self.daemon.log_text().splitlines()
                    if "redis.lost" in line and all(part in line for part in parts)]
        wait_for(lines, f"a line with {parts}")
        # the other connection and further attempts add no line
        before = self.daemon.log_text().count("link.changed")
        wait_for(lambda: self.daemon.log_text().count("link.changed") > before + 8, "more attempts")
        lost = [line for line in self.daemon.log_text().splitlines() if "redis.lost" in line]
        self.assertEqual(len(lost), 1, lost)
        self.assertIsNone(self.daemon.process.poll())
        self.assertEqual(self.world.backlog(), (JOBS, 0, 0, 0))

    def test_the_main_job_runs_over_tls(self):
        self.begin()
        self.start()
        self.check_done()
        self.assertNotIn("redis.lost", self.daemon.log_text())
        ctl.run(self.world, "audit", "--config", self.daemon.config_path, connect=False)

    def test_a_client_certificate_opens_what_wants_one(self):
        self.begin(auth_clients="yes")
        certificate, key = self.certificates["client"]
        self.start(cert_file=certificate, key_file=key)
        self.check_done()

    def test_tls_1_2_will_do(self):
        self.begin(more=(("tls-protocols", "TLSv1.2"),))
        self.start()
        self.check_done()

    def test_refused_certificates_are_states_that_a_new_certificate_mends(self):
        rows = [
            ("wrong name", "127.0.0.1", ("certificate of 127.0.0.1", "is for another name", "redis.url")),
            ("name, no address", "127.0.0.1", ("certificate of 127.0.0.1", "is for another name")),
            ("unknown authority", "localhost", ("certificate of localhost", "not trusted", "redis.ca_file")),
            ("expired", "localhost", ("certificate of localhost", "has expired", "renew it")),
        ]
        for name, host, parts in rows:
            with self.subTest(name):
                self.begin(server=name)
                self.start(host)
                self.expect_line(*parts)
                self.show("good")
                self.check_done()
                self.world.close()

    def test_the_authorities_of_the_system_hold_without_a_ca_file(self):
        self.begin()
        self.start(ca_file="")
        self.expect_line("not trusted")

    def test_a_ca_file_that_was_renewed_is_read_at_the_next_connection(self):
        self.begin()
        path = os.path.join(self.world.folder, "trusted.pem")
        shutil.copy(self.other.certificate, path)
        self.start(ca_file=path)
        self.expect_line("not trusted")
        os.remove(path)
        wait_for(lambda: re.search(r"redis\.ca_file: \S+trusted\.pem: No such file", self.daemon.log_text()), "the missing file")
        shutil.copy(self.ours.certificate, path)
        self.check_done()

    def test_a_client_certificate_that_is_missing_is_a_state(self):
        for protocols in ("TLSv1.3", "TLSv1.2"):
            with self.subTest(protocols):
                self.begin(auth_clients="yes", more=(("tls-protocols", protocols),))
                self.start()
                self.expect_line("tls-auth-clients", "redis.cert_file")
                self.set(("tls-auth-clients", "no"))
                self.check_done()
                self.world.close()

    def test_a_client_certificate_of_an_unknown_authority_is_a_state(self):
        self.begin(auth_clients="yes")
        certificate, key = self.other.issue("stranger", "DNS:client")
        self.start(cert_file=certificate, key_file=key)
        self.expect_line("TLS refused by 127.0.0.1", "unknown ca", "redis.cert_file")
        ours, our_key = self.certificates["client"]
        shutil.copy(ours, certificate)
        shutil.copy(our_key, key)
        self.check_done()

    def test_a_key_that_becomes_readable_by_all_is_refused_until_it_is_not(self):
        self.begin(auth_clients="yes")
        certificate, key = self.certificates["client"]
        self.start(cert_file=certificate, key_file=key)
        self.world.wait_idle()
        os.chmod(key, 0o644)
        self.world.r("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_for(lambda: re.search(r"redis\.key_file: \S+client\.key: may be read .*chmod 640", self.daemon.log_text()), "the refusal")
        os.chmod(key, 0o640)
        self.check_done()

    def test_a_server_without_tls_is_a_state(self):
        self.begin()
        self.set(("tls-port", 0))
        port = self.world.redis.port
        self.start(port=port)
        wait_for(lambda: f"no TLS at 127.0.0.1:{port}" in self.daemon.log_text(), "the reason")
        self.assertEqual(self.world.backlog(), (JOBS, 0, 0, 0))
        self.set(("port", 0))
        self.set(("tls-port", port))
        self.check_done()

    def test_a_port_that_speaks_tls_is_told_to_who_speaks_none(self):
        self.begin()
        self.start(url=f"redis://127.0.0.1:{self.tls_port}", ca_file="")
        wait_for(lambda: "redis.url must begin with rediss://" in self.daemon.log_text(), "the advice")

    def test_an_ipv6_address_and_a_name(self):
        for bind, host in (("::1", "[::1]"), ("127.0.0.1", "localhost")):
            with self.subTest(bind=bind, host=host):
                self.begin()
                self.set(("bind", bind))
                self.start(host)
                self.check_done()
                self.world.close()


class Wrong(unittest.TestCase):
    def test_files_that_would_not_be_used_or_are_not_enough_are_faults(self):
        with World(fake=False) as world:
            key = os.path.join(world.folder, "any.key")
            with open(key, "w", encoding="ascii") as file:
                file.write("x\n")
            os.chmod(key, 0o644)
            tls = f"rediss://127.0.0.1:{world.redis.port}"
            rows = [
                ({"ca_file": key}, "redis.ca_file: is for TLS"),
                ({"url": tls, "cert_file": key}, "redis.cert_file: needs the key"),
                ({"url": tls, "key_file": key}, "redis.key_file: may be read or written by everybody"),
                ({"url": tls, "ca_file": key + ".none"}, "redis.ca_file: cannot be read: No such file"),
            ]
            for number, (redis, expected) in enumerate(rows):
                with self.subTest(expected):
                    daemon = world.daemon(f"wrong{number}", settings={"redis": redis})
                    self.assertEqual(daemon.process.wait(60), 78)
                    self.assertIn(expected, daemon.log_text())


if __name__ == "__main__":
    main()
