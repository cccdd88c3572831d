"""Small packed bodies, twenty at a time, that unpack to as many values as fit, each a hundred bytes once built."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor

from raw_http import plugged
from victim import Victim

VALUES = [b"[],", b'{"a":[]},', b'"",', b"{},", b"1,", b'"\\ud83d\\ude00",', b'"a":1,', b"[[[[[[]]]]]],"]
TIMES = 20


def packed(value: bytes, size: int) -> bytes:
    """A body of so many bytes that repeats *value*, packed."""
    return gzip.compress(b'{"input": [' + value * (size // len(value)) + b"1]}", 9)


def attack(victim: Victim) -> None:
    bodies = [packed(value, size) for value in VALUES for size in (90_000_000, 7_000_000, 1_000_000)]

    def send(body: bytes) -> bytes:
        line = plugged(victim.url)
        line.sendall(
            b"POST /_inference/neighbour HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        with line, line.makefile("rb") as answer:
            return answer.readline()

    with ThreadPoolExecutor(TIMES) as callers:
        for status in callers.map(send, bodies * 2):
            assert status.split()[1] in (b"400", b"413", b"429"), status
