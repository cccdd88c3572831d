"""Callers as slow as they can be: with heads, with bodies, with what they are told; and one who says 20 MB at once.

None of them keeps what it takes up for longer than it may, and meanwhile others are answered.
"""

from __future__ import annotations

import contextlib
import socket
import time
from contextlib import ExitStack

from raw_http import plugged
from victim import NEIGHBOUR, Victim

FLAGS = ("--slow-seconds=2", "--max-connections=600")
SECONDS = 5.0  # within which those who are too slow are gone
CALLERS = 200
READERS = 20  # each of whom keeps the server as busy as somebody who reads, until the answers have nowhere to go
HEAD = b"POST /_inference/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
REQUEST = b"GET /_inference/_services HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PIPELINED = 20_000_000


def attack(victim: Victim) -> None:
    with ExitStack() as lines:

        def connect() -> socket.socket:
            return lines.enter_context(plugged(victim.url))

        with_heads, with_bodies = ([connect() for _ in range(CALLERS)] for _ in range(2))
        readers = [connect() for _ in range(READERS)]
        for line in with_heads:
            line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for line in with_bodies:
            line.sendall(HEAD % (NEIGHBOUR.encode(), 1_000_000))
        for line in readers:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            _say(line, REQUEST * 1000)
        _pipeline(connect())
        over = time.monotonic() + SECONDS
        while time.monotonic() < over:
            for line in (*with_heads, *with_bodies):
                _say(line, b"a")
            time.sleep(0.2)
        for line in with_heads:
            assert _told(line) in (b"", b"HTTP/1.1 408"), line
        for line in with_bodies:
            assert _told(line) in (b"", b"HTTP/1.1 408"), line


def _pipeline(line: socket.socket) -> None:
    """Say so much at once, and read nothing of the answers."""
    line.settimeout(1)
    with contextlib.suppress(OSError):
        line.sendall(REQUEST * (PIPELINED // len(REQUEST)))


def _say(line: socket.socket, data: bytes) -> None:
    """Send what the other side still takes, if it does."""
    line.settimeout(0)
    with contextlib.suppress(OSError):
        line.send(data)


def _told(line: socket.socket) -> bytes:
    """The beginning of the answer to somebody who was too slow; nothing where the connection was reset."""
    line.settimeout(10)
    try:
        return line.recv(12)
    except ConnectionError:
        return b""
