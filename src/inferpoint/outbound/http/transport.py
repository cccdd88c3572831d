"""Calls over HTTP/1.1, on connections that are kept for their owner's next call.

Nothing is followed, and nothing is sent again but once, when a connection that was kept has ended without a byte of the
reply, and the method says that it may be: a POST may have been paid. A percent-encoded path leaves as it was given.
Whoever stops waiting closes the connection.
"""

from __future__ import annotations

import math
import os
import socket
import ssl
from collections.abc import AsyncGenerator
from functools import lru_cache, partial

from typing_extensions import override

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.http import Call, Reply
from inferpoint.outbound.hops import PRODUCT
from inferpoint.outbound.http import tls
from inferpoint.outbound.http.body import whole
from inferpoint.outbound.http.connection import Connection
from inferpoint.outbound.http.decoding import Decoder
from inferpoint.outbound.http.names import ForbiddenError
from inferpoint.outbound.http.opening import Opener
from inferpoint.outbound.http.pool import Pool
from inferpoint.outbound.http.proxy import Proxies
from inferpoint.outbound.http.request import Owner, request
from inferpoint.outbound.http.target import Target, target
from inferpoint.outbound.memory import Memory
from inferpoint.outbound.transport import Arriving, Transport, UnreachableError

_ILLEGAL = "a header holds a character that is not allowed"
_CLOSED = "a reply that was closed is not read"
_IDENTITY = ("", "identity")
_REPEATABLE = ("GET", "PUT", "DELETE")


class HttpTransport(Transport):
    """Sends calls over HTTP, encrypted or not, by the proxies of the environment."""

    def __init__(self, version: str, memory: Memory | None = None) -> None:
        self._agent = f"{PRODUCT}{version}"
        self._memory = memory or Memory(math.inf)
        self._target = lru_cache(1024)(partial(target, proxies=Proxies()))
        self._opener = Opener()
        self._pool = Pool()
        self._closed = False

    @override
    async def send(self, call: Call) -> Arriving:
        where = self._target(call.url)
        try:
            owner, head = request(where, call, self._agent)
        except ValueError:  # whose text shows the header: often a key
            raise invalid(f"The call to [{where.shown}] could not be written: {_ILLEGAL}") from None
        connection = self._pool.take(owner)
        if connection is not None:
            connection.ask(head, call.body)
            await connection.answered()
            if not connection.status and connection.silent and call.method in _REPEATABLE:
                connection = None
        if connection is None:
            connection = await self._open(where, owner)
            connection.ask(head, call.body)
            await connection.answered()
        if not connection.status:
            raise InferenceError(Kind.CUT_OFF, f"Could not reach [{where.shown}]: {connection.fault}")
        return _Arriving(connection, self._pool, self._memory)

    def avoid(self, host: str, port: int) -> None:
        """Never call what listens at *host* and *port*: this server itself."""
        self._opener.avoid(host, port)

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        self._pool.close()
        await self._opener.close()

    async def _open(self, where: Target, owner: Owner) -> Connection:
        try:
            connection = await self._opener.open(where, partial(Connection, owner, self._pool.forget))
        except (OSError, UnicodeError) as error:
            raise _not_opened(where, error) from None
        self._pool.add(connection)
        if self._closed:
            self._pool.close()
        return connection


class _Arriving(Arriving):
    def __init__(self, connection: Connection, pool: Pool, memory: Memory) -> None:
        self.status = connection.status
        self.headers = connection.headers
        self.neighbour = connection.neighbour
        self._connection: Connection | None = connection
        self._pool = pool
        self._memory = memory
        encoding = self.headers.get("content-encoding")
        self._encoding = None if encoding is None or encoding.strip().lower() in _IDENTITY else encoding
        if encoding is not None:
            self.headers = {name: value for name, value in self.headers.items() if name != "content-encoding"}

    @override
    async def read(self) -> Reply:
        connection, memory = self._connection, self._memory
        assert connection is not None, _CLOSED
        if connection.done and self._encoding is None and connection.buffered <= memory.containers:
            body = connection.take()  # as nearly always: all of it came with its head
        else:
            body = await whole(self.pieces(), memory)
        return Reply(self.status, body, self.headers, self.neighbour)

    @override
    async def pieces(self) -> AsyncGenerator[bytes, None]:
        decoder = None if self._encoding is None else Decoder(self._encoding)
        connection = self._connection
        assert connection is not None, _CLOSED
        while True:
            piece = connection.take()
            if decoder is not None:
                for decoded in decoder.feed(piece):
                    yield decoded
            elif piece:
                yield piece
            if piece:
                continue
            if connection.fault is not None:
                raise _cut_off(connection.fault)
            if connection.done:
                break
            await connection.more()
        if decoder is not None:
            decoder.end()

    @override
    def close(self) -> None:
        if self._connection is not None:
            self._pool.give(self._connection)
            self._connection = None


def _cut_off(reason: str) -> InferenceError:
    return InferenceError(Kind.CUT_OFF, f"The provider's reply was cut off: the body ended early: {reason}")


def _not_opened(where: Target, error: OSError | UnicodeError) -> InferenceError:
    """Why there is no connection: whose fault it is, and what the proxy between had to do with it."""
    if isinstance(error, ForbiddenError):
        return invalid(f"The address [{where.shown}] may not be called")
    unknown = isinstance(error, socket.gaierror | UnicodeError)
    if unknown and where.proxy is None:
        return invalid(f"Invalid host [{where.shown}], please check that the URL is correct.")
    by = "" if where.proxy is None else f"by the proxy [{where.proxy.host}:{where.proxy.port}]: "
    reason = "there is no such host" if unknown else _reason(error)
    return UnreachableError(f"Could not reach [{where.shown}]: {by}{reason}")


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, ssl.SSLError):
        return tls.fault(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
