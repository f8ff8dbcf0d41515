#!/usr/bin/env python3
"""Carries bytes from one address to another: into a network namespace, whose loopback is its own.

    relay.py --listen 127.0.0.1:8080 --to /run/x.sock        prints `listening on ...`

An address is HOST:PORT (port 0: a free one) or the path of a unix socket.
"""

import argparse
import socket
import threading


def make(address):
    if "/" in address:
        return socket.socket(socket.AF_UNIX), address
    host, _, port = address.rpartition(":")
    return socket.socket(), (host, int(port))


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def carry(client, to):
    server, address = make(to)
    try:
        server.connect(address)
    except OSError:
        client.close()
        server.close()
        return

    def both_ways():
        back = threading.Thread(target=pump, args=(server, client), daemon=True)
        back.start()
        pump(client, server)
        back.join()
        client.close()
        server.close()

    threading.Thread(target=both_ways, daemon=True).start()


def listen(address, to):
    """Starts to carry; returns the address that it listens on."""
    listener, where = make(address)
    listener.bind(where)
    listener.listen(64)

    def accept():
        while True:
            client, _ = listener.accept()
            carry(client, to)

    threading.Thread(target=accept, daemon=True).start()
    name = listener.getsockname()
    return name if isinstance(name, str) else f"{name[0]}:{name[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--listen", required=True)
    parser.add_argument("--to", required=True)
    words = parser.parse_args()
    print("listening on", listen(words.listen, words.to), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
