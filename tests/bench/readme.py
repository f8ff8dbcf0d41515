"""The block of the README that shows a run, between two marks; everything between them is made here."""

import os
import re

import table

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")
BEGIN, END = "<!-- bench: written by scripts/bench --readme -->", "<!-- end of bench -->"


def block(data):
    full = data["series"].get("fleet", [])
    most = f"{full[0]['redisFullAtPerSec']:,.0f}" if full else ""
    parts = [table.main_table(data),
             "![jobs a second beside the peers; cost by instances, by length of the queue, by requests in flight]"
             "(tests/bench/results/bench.svg)",
             table.series_tables(data, ("queue", "fleet", "latency", "tls", "http_versions"))]
    if most:
        parts.insert(2, f"One Redis is full at about {most} jobs a second, however many instances share it: what more of them buy is "
                        "safety, not speed.")
    parts.append(table.heading(data))
    return BEGIN + "\n" + "\n\n".join(parts) + "\n" + END


def write(data):
    with open(README, encoding="utf-8") as file:
        old = file.read()
    new, count = re.subn(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: block(data), old, flags=re.DOTALL)
    if count != 1:
        raise AssertionError("the README has no place for the block, or two")
    with open(README, "w", encoding="utf-8") as file:
        file.write(new)
