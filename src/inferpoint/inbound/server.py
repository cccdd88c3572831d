"""The HTTP server: its connections, the time by which they are measured, its beginning and its end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import resource
import socket
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from email.utils import formatdate
from typing import Protocol

from inferpoint.inbound.connection import Connection
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.forwarded import NOBODY, TrustedProxies
from inferpoint.inbound.heads import Heads, Refusal
from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.inbound.tls import Certificates

BACKLOG = 2048
_SET_ASIDE = 256  # descriptors that are none of connections: of providers', files, other processes
_TICK = 1.0  # seconds
_FLUSH = 1.0  # seconds for the last words of what was given up


class Application(Protocol):
    """What answers requests."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request; cancelled when its caller leaves."""
        ...

    def refused(self, client: str, refusal: Refusal) -> bytes:
        """The body in JSON of an answer to what *client* sent and was no request."""
        ...


class HttpServer:
    """Serves an *application* within *limits*. Every answer has the *headers*; *exempt* paths are never too many.

    What *proxies* tell of whom they ask for is believed. `draining` says that the server was told to stop, `stopping`
    that it takes no new connections, `forced` that it was told to wait for nothing.
    """

    def __init__(
        self,
        application: Application,
        limits: ConnectionLimits,
        headers: Sequence[tuple[str, str]],
        exempt: AbstractSet[str],
        proxies: TrustedProxies = NOBODY,
    ) -> None:
        self.application = application
        self.limits = limits
        self.exempt = exempt
        self.proxies = proxies
        self.heads = Heads()
        self.now = 0.0  # of the loop's clock, at the last tick
        self.draining = False
        self.stopping = False
        self.forced = False
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._most = limits.connections
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # those without a request in work, the longest first
        self._told = asyncio.Event()
        self._over = asyncio.Event()  # nothing is to be waited for any more
        self._set_date()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def serve(self, listener: socket.socket, certificates: Certificates | None = None) -> None:
        """Take connections from *listener* until told to stop, and return when the last has ended.

        With *certificates*, whose files are looked at each second, they are secured.
        """
        loop = asyncio.get_running_loop()
        self._most = _opened_wide(self.limits.connections)
        self._tick(loop, certificates)
        tls = certificates and certificates.context
        listening = await loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG, ssl=tls)
        try:
            await self._told.wait()
            self.stopping = True
            listening.close()
            await self._finish()
        finally:
            listening.close()
            self._ticking.cancel()

    def stop(self, *, forced: bool | None = None) -> None:
        """Drain, and finish what has begun, unless it is *forced*: by default when it is told a second time."""
        if self.draining if forced is None else forced:
            self.forced = True
            self._over.set()
            self._told.set()
        elif not self.draining:
            asyncio.get_running_loop().call_later(self.limits.drain_seconds, self._told.set)
        self.draining = True

    def welcome(self, connection: Connection) -> bool:
        """Know a new connection, for which the one that was idle the longest may have to go; False without room."""
        has_room = len(self._connections) < self._most
        if not has_room and self._idle:
            longest = next(iter(self._idle))
            self.forget(longest)
            longest.abort()
            has_room = True
        self._connections.add(connection)
        self._idle[connection] = None
        return has_room

    def begin(self, connection: Connection, path: str) -> bool:
        """Know that a connection has a request for *path* in work; False where as many are as may be."""
        idle = self._idle
        if len(self._connections) - len(idle) >= self.limits.requests and path not in self.exempt:
            return False
        connection.deadline = math.inf
        idle.pop(connection, None)
        return True

    def rest(self, connection: Connection) -> None:
        """Know that a connection has no request in work any more."""
        if connection in self._connections:
            self._idle[connection] = None

    def forget(self, connection: Connection) -> None:
        """Know no more of a connection that has ended."""
        self._connections.discard(connection)
        self._idle.pop(connection, None)
        if self.stopping and not self._connections:
            self._over.set()

    async def _finish(self) -> None:
        """Let what is in work end, for so long as it may take; then have it say that it does not."""
        for connection in list(self._connections):
            connection.finish()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self.limits.shutdown_seconds)
        tasks = [connection.task for connection in self._connections if connection.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._connections:
            self._over.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), _FLUSH)
        for connection in list(self._connections):
            connection.abort()

    def tell(self, now: float) -> None:
        """Know what time it is by the loop's clock, and end what is late."""
        self.now = now
        self._set_date()
        for connection in list(self._connections):
            if connection.deadline <= now:
                connection.expire()

    def _tick(self, loop: asyncio.AbstractEventLoop, certificates: Certificates | None) -> None:
        self._ticking = loop.call_later(_TICK, self._tick, loop, certificates)
        self.tell(loop.time())
        if certificates is not None:
            certificates.refresh()

    def _set_date(self) -> None:
        self.standard = f"date: {formatdate(usegmt=True)}\r\n{self._headers}".encode("latin-1")


def _opened_wide(most: int) -> int:
    """How many connections there may be, at *most* so many, once this process may open all that the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = most + _SET_ASIDE
    if soft != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return max(1, min(most, hard - _SET_ASIDE))
