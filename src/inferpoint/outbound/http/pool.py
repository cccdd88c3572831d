"""Connections that are kept for the next call, each for its own owner."""

from __future__ import annotations

import asyncio

from inferpoint.outbound.http.connection import Connection
from inferpoint.outbound.http.request import Owner

IDLE_SECONDS = 15.0


class Pool:
    """The open connections. An idle one serves its owner alone, until it was idle for 15 seconds or says anything."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._idle: dict[Owner, list[Connection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def add(self, connection: Connection) -> None:
        """Know an open connection, so that it can be closed; one that has ended already is forgotten."""
        if not connection.ended:
            self._open.add(connection)

    def take(self, owner: Owner) -> Connection | None:
        """The connection of *owner* that was used last, if one is good for another call."""
        idle = self._idle.get(owner)
        while idle:
            connection = idle.pop()
            if connection.unused:
                return connection
            connection.close()
        return None

    def give(self, connection: Connection) -> None:
        """Keep a connection whose call is over; one that cannot serve another is closed."""
        if not connection.reusable or connection not in self._open:
            connection.close()
            return
        loop = connection.loop
        connection.idle_since = loop.time()
        idle = self._idle.get(connection.owner)
        if idle is None:
            self._idle[connection.owner] = [connection]
        else:
            idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_SECONDS, self._sweep, loop)

    def forget(self, connection: Connection) -> None:
        """Know no more of a connection that has ended."""
        self._open.discard(connection)
        idle = self._idle.get(connection.owner, [])
        if connection in idle:
            idle.remove(connection)

    def close(self) -> None:
        """Close every connection, also those in use."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._idle.clear()
        for connection in list(self._open):
            connection.close()
        self._open.clear()

    def __len__(self) -> int:
        """The number of open connections."""
        return len(self._open)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what was idle for too long, and look again when the next one may be."""
        now = loop.time()
        for owner, idle in list(self._idle.items()):
            while idle and now - idle[0].idle_since >= IDLE_SECONDS:
                idle.pop(0).close()
            if not idle:
                del self._idle[owner]
        oldest = min((idle[0].idle_since for idle in self._idle.values()), default=None)
        self._sweeping = None
        if oldest is not None:
            self._sweeping = loop.call_later(oldest + IDLE_SECONDS - now, self._sweep, loop)
