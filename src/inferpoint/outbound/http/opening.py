"""Opens connections: to an address that was checked, by a proxy where the environment names one, with TLS on top."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import cast

from typing_extensions import override

from inferpoint.outbound.http import tls
from inferpoint.outbound.http.connection import Connection
from inferpoint.outbound.http.names import Names
from inferpoint.outbound.http.target import Target

CONNECT_SECONDS = 5.0
_NEXT_SECONDS = 1.0  # for each address of a name but the last
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LARGEST_HEAD = 16 * 1024


class ProxyError(OSError):
    """A proxy refused to carry a connection, or did not speak HTTP."""


class Opener:
    """Opens one connection at a time for each who asks."""

    def __init__(self) -> None:
        self._names = Names()

    async def open(self, target: Target, made: Callable[[], Connection]) -> Connection:
        """A connection to *target*, of those that *made* makes; `OSError` says why there is none.

        The address that was checked is the one that is connected to: a name may stand for another one a moment later.
        """
        if target.proxy is None:
            port, addresses = target.port, await self._names.addresses(target.host, target.port)
        else:
            self._names.check(target.host)
            port, addresses = target.proxy.port, await self._names.trusted(target.proxy.host)
        async with asyncio.timeout(CONNECT_SECONDS):
            return await self._first(target, addresses, port, made)

    def avoid(self, host: str, port: int) -> None:
        """Open no connection to *host* and *port*."""
        self._names.avoid(host, port)

    async def close(self) -> None:
        """Give up what is under way."""
        await self._names.close()

    async def _first(
        self, target: Target, addresses: Sequence[str], port: int, made: Callable[[], Connection]
    ) -> Connection:
        """The connection to the first of *addresses* that takes one; an address that does not answer costs a second."""
        *others, last = addresses
        for address in others:
            try:
                async with asyncio.timeout(_NEXT_SECONDS):
                    return await self._connected(target, address, port, made)
            except OSError:
                continue
        return await self._connected(target, last, port, made)

    async def _connected(self, target: Target, address: str, port: int, made: Callable[[], Connection]) -> Connection:
        loop = asyncio.get_running_loop()
        if target.tunnelled:
            return await self._tunnelled(target, address, port, made())
        context, name = (self._context, target.host) if target.tls else (None, None)
        connection = made()
        try:
            await loop.create_connection(lambda: connection, address, port, ssl=context, server_hostname=name)
        except BaseException:
            if not connection.ended:  # it was made as its caller left
                connection.close()
            raise
        return connection

    async def _tunnelled(self, target: Target, address: str, port: int, connection: Connection) -> Connection:
        """*connection* to a host behind a proxy, which carries what it cannot read."""
        loop = asyncio.get_running_loop()
        transport, tunnel = await loop.create_connection(_Tunnel, address, port)
        try:
            await tunnel.ask(target)
            encrypted = await loop.start_tls(transport, connection, self._context, server_hostname=target.host)
        except BaseException:
            transport.abort()
            raise
        assert encrypted is not None
        connection.connection_made(encrypted)
        return connection

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return tls.context()


class _Tunnel(asyncio.Protocol):
    """Asks a proxy to carry a connection."""

    def __init__(self) -> None:
        self._head = b""
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, target: Target) -> None:
        """Have the proxy connect to *target*; `ProxyError` when it will not."""
        assert target.proxy is not None
        host = f"[{target.host}]" if ":" in target.host else target.host
        lines = [f"CONNECT {host}:{target.port} HTTP/1.1", f"host: {host}:{target.port}"]
        lines += [f"{name}: {value}" for name, value in target.proxy.headers.items()]
        self._transport.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        await self._answered

    @override
    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if self._answered.done() or not (end or len(self._head) > _LARGEST_HEAD):
            return
        status = _STATUS.match(head)
        if not end or rest or status is None:
            self._answered.set_exception(ProxyError("what it answered is not HTTP/1.1"))
        elif not status[1].startswith(b"2"):
            self._answered.set_exception(ProxyError(f"it answered with the status {int(status[1])}"))
        else:
            self._answered.set_result(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answered.done():
            self._answered.set_exception(ProxyError("it closed the connection"))
