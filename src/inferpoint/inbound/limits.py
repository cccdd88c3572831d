"""The limits of connections and of their end; each is a setting of the server."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_HEAD = 64 * 1024
LARGEST_TARGET = 16 * 1024
MOST_HEADERS = 100


@dataclass(frozen=True)
class ConnectionLimits:
    """How many connections and requests there may be, and how slow they may be.

    Beyond so many `connections` the one that was idle the longest is closed, beyond so many `requests` in work another
    is refused. A connection may be idle for `idle_seconds`. A head comes within `slow_seconds`; a body that comes and
    an answer that is read move on by `bytes_per_second` on the average of each `slow_seconds`. Told to stop, the server
    says so for `drain_seconds` before it takes no more connections; requests in work then have `shutdown_seconds`.
    """

    connections: int = 10_000
    requests: int = 8_000
    idle_seconds: int = 3600  # a client that reuses a connection as it closes sends again, and pays twice
    slow_seconds: int = 10
    bytes_per_second: int = 500
    drain_seconds: int = 0
    shutdown_seconds: int = 30

    @property
    def least_bytes(self) -> int:
        """The bytes that are to move within `slow_seconds`."""
        return self.slow_seconds * self.bytes_per_second
