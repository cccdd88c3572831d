"""One connection of HTTP/1.1: requests in, one after the other, and their answers out in the same order."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.inbound import heads
from inferpoint.inbound.exchange import BUFFERED, Exchange
from inferpoint.inbound.forwarded import Client
from inferpoint.inbound.heads import Head, Refusal
from inferpoint.inbound.reader import RefusedError, RequestReader
from inferpoint.inbound.tls import subject

if TYPE_CHECKING:
    from inferpoint.inbound.server import HttpServer

_JOINED = 64 * 1024  # bytes of an answer; larger bodies are not copied
_LOG = logging.getLogger(__name__)
_CROWDED = Refusal(503, "The server has as many requests in work as it may have")
_FULL = Refusal(503, "The server has as many connections as it may have")
_SLOW_HEAD = Refusal(408, "The head of the request came too slowly")
_SLOW_BODY = "The request body came too slowly"


class Connection(asyncio.Protocol):
    """A connection of a *server*, which answers one request at a time and reads no more meanwhile than its body.

    From its `deadline` on the server asks it to `expire`. The `task` is the one that answers.
    """

    def __init__(self, server: HttpServer) -> None:
        self.deadline = server.now + server.limits.idle_seconds
        self.task: asyncio.Task[None] | None = None
        self._server = server
        self._reader = RequestReader(self._begin)
        self._is_in_head = False
        self._moved = 0  # bytes: of a body that had come, or of an answer that was to be read, when last looked at
        self._drained: asyncio.Future[None] | None = None
        self._paused = False
        self._deaf = False  # what comes is thrown away
        self._lost = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client = _client(transport)
        self._is_proxy = self._server.proxies.trusts(self._client.address)
        if not self._server.welcome(self):
            self._refuse(_FULL)

    @override
    def data_received(self, data: bytes) -> None:
        if not self._deaf:
            self._read(data)

    @override
    def eof_received(self) -> None:
        """Have the transport close, as it does unless it is told not to."""

    @override
    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()
        self._look_later(self._transport.get_write_buffer_size())

    @override
    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if not self._deaf:
            self.deadline = math.inf
        if drained is not None and not drained.done():
            drained.set_result(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = self._deaf = True
        self._server.forget(self)
        self._reader.close()
        exchange = self._reader.exchange
        if exchange is not None and not exchange.ended and self.task is not None:
            exchange.left = True
            self.task.cancel()
        elif self._drained is not None:
            self.resume_writing()

    def expire(self) -> None:
        """End what is late, or wait on for what moves."""
        exchange, least = self._reader.exchange, self._server.limits.least_bytes
        if self._deaf and exchange is None:
            self._transport.abort()
        elif self._drained is not None:
            left = self._transport.get_write_buffer_size()
            if self._moved - left < least:
                self._transport.abort()
            else:
                self._look_later(left)
        elif exchange is None:
            if self._is_in_head:
                self._refuse(_SLOW_HEAD)
            else:
                self._close()
        elif exchange.whole or self._paused or exchange.received - self._moved >= least:
            self._look_later(exchange.received)
        else:
            self._fail(exchange, InferenceError(Kind.TIMED_OUT, _SLOW_BODY))

    def finish(self) -> None:
        """Close, once the request in work is answered."""
        if self._reader.exchange is None:
            self._close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    # What an exchange asks of its connection.

    @property
    def standard(self) -> bytes:
        """The headers that every answer has."""
        return self._server.standard

    @property
    def may_stay(self) -> bool:
        """Whether another request may follow: not once the server stops, or what came cannot be read any more."""
        return not (self._server.draining or self._deaf)

    def write(self, head: bytes, body: bytes = b"") -> None:
        """Send bytes, unless the connection has ended."""
        if self._lost:
            return
        if len(body) <= _JOINED:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    def drained(self) -> asyncio.Future[None] | None:
        """What to wait for before more is written; None when there is room."""
        return self._drained

    def taken(self) -> None:
        """Read on, if that had stopped because nobody took the body."""
        exchange = self._reader.exchange
        if self._paused and exchange is not None:
            self._look_later(exchange.received)
            self._read_on()

    # Reading.

    def _begin(self, head: Head) -> Exchange:
        """Have a request answered, if there is room for it."""
        server = self._server
        if server.is_full and head.path not in server.exempt:
            raise RefusedError(_CROWDED)
        client = server.proxies.client(self._client, head.headers) if self._is_proxy else self._client
        exchange = Exchange(self, head, client)
        self._is_in_head = False
        self._moved = 0
        self.deadline = math.inf
        server.begin(self)
        self.task = asyncio.get_running_loop().create_task(self._answer(exchange))
        return exchange

    def _read(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.read(data)
        except RefusedError as error:
            if reader.exchange is None:
                self._refuse(error.refusal)
            else:
                self._fail(reader.exchange, invalid(error.refusal.reason))
            return
        exchange = reader.exchange
        if exchange is None:
            if reader.waiting and not self._is_in_head:
                self._is_in_head = True
                self.deadline = self._server.now + self._server.limits.slow_seconds
        elif not exchange.whole and self.deadline == math.inf:
            self._look_later(exchange.received)
        if self._is_held and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    @property
    def _is_held(self) -> bool:
        """Whether no more is to be read now: another request waits already, or nobody takes the body."""
        exchange = self._reader.exchange
        if exchange is None or self._deaf:
            return False
        return bool(self._reader.waiting) if exchange.whole else exchange.buffered > BUFFERED

    def _read_on(self) -> None:
        """Read again, unless that has a reason to wait."""
        if self._paused and not self._is_held and not self._lost:
            self._paused = False
            self._transport.resume_reading()

    def _fail(self, exchange: Exchange, fault: InferenceError) -> None:
        """Read nothing more: the body of the request in work does not come, or is none."""
        self._deaf = True
        self.deadline = math.inf
        exchange.fail(fault)

    # Answering.

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._server.application(exchange)
        except asyncio.CancelledError:
            pass  # the caller has left, or the server stops
        except Exception:  # noqa: BLE001 - one request that fails is no reason for others to
            _LOG.exception("A request was not answered")
        finally:
            self._reader.exchange = self.task = None
            if not self._lost:
                self._go_on(exchange)

    def _go_on(self, exchange: Exchange) -> None:
        """Take the next request, or end the connection."""
        if not exchange.ended:
            self._transport.abort()  # so that what was sent is not taken for whole
        elif not exchange.keep or self._server.stopping:
            self._close(unread=not exchange.whole)
        else:
            self.deadline = self._server.now + self._server.limits.idle_seconds
            self._server.rest(self)
            if self._reader.waiting:
                self._read(b"")
            self._read_on()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, and close."""
        server = self._server
        body = server.application.refused(self._client.address, refusal)
        headers = {"content-type": "application/json"}
        if refusal.status == _FULL.status:
            headers["retry-after"] = "1"
        self.write(heads.answer(refusal.status, headers, server.standard, len(body)) + heads.CLOSE + b"\r\n", body)
        self._close(unread=True)

    def _close(self, *, unread: bool = False) -> None:
        """End, once all is sent; with something *unread* the end is told first, or the answer would be lost with it."""
        self._deaf = True
        self.deadline = self._server.now + self._server.limits.slow_seconds
        self._server.rest(self)
        if unread and not self._server.stopping and self._transport.can_write_eof():
            self._transport.write_eof()
            self._read_on()
        else:
            self._transport.close()

    def _look_later(self, moved: int) -> None:
        """Look again after some seconds how many bytes have moved since *moved*."""
        self._moved = moved
        self.deadline = self._server.now + self._server.limits.slow_seconds


def _client(transport: asyncio.BaseTransport) -> Client:
    """Who is at the other end, before a proxy tells on whose behalf it asks."""
    peer = transport.get_extra_info("peername")
    address = str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) else ""
    if transport.get_extra_info("sslcontext") is None:
        return Client(address)
    return Client(address, subject(transport.get_extra_info("peercert")), "https")
