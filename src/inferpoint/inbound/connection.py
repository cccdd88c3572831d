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
from inferpoint.inbound.heads import Head, Refusal, RefusedError
from inferpoint.inbound.reader import RequestReader
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

    From its `deadline` on the *server* asks it to `expire`. The `task` is the one that answers. What comes once it is
    `deaf` is thrown away.
    """

    def __init__(self, server: HttpServer) -> None:
        self.deadline = server.now + server.limits.idle_seconds
        self.task: asyncio.Task[None] | None = None
        self.server = server
        self._reader = RequestReader(server.heads, self._begin)
        self._is_in_head = False
        self._moved = 0  # bytes: of a body that had come, or of an answer that was to be read, when last looked at
        self._drained: asyncio.Future[None] | None = None
        self._paused = False
        self.deaf = False
        self._lost = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._client = _client(transport)
        self._is_proxy = self.server.proxies.trusts(self._client.address)
        if not self.server.welcome(self):
            self._refuse(_FULL)

    @override
    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
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
        if exchange is None or not exchange.whole or reader.waiting:
            self._heed(exchange)

    @override
    def eof_received(self) -> None:
        """Have the transport close, as it does unless it is told not to."""

    @override
    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()
        self._look_later(self._transport.get_write_buffer_size())

    @override
    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if not self.deaf:
            self.deadline = math.inf
        if drained is not None and not drained.done():
            drained.set_result(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = self.deaf = True
        self.server.forget(self)
        self._reader.close()
        exchange = self._reader.exchange
        if exchange is not None and not exchange.ended and self.task is not None:
            exchange.left = True
            self.task.cancel()
        elif self._drained is not None:
            self.resume_writing()

    def expire(self) -> None:
        """End what is late, or wait on for what moves."""
        exchange, least = self._reader.exchange, self.server.limits.least_bytes
        if self.deaf and exchange is None:
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

    def write(self, head: bytes, body: bytes) -> asyncio.Future[None] | None:
        """Send bytes, unless the connection has ended; returned is what to wait for before more is written."""
        if self._lost:
            return None
        if len(body) <= _JOINED:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        return self._drained

    @property
    def is_full(self) -> bool:
        """Whether what was written waits to be read."""
        return self._drained is not None

    def taken(self) -> None:
        """Read on, if that had stopped because nobody took the body."""
        exchange = self._reader.exchange
        if self._paused and exchange is not None:
            self._look_later(exchange.received)
            self._read_on()

    # Reading.

    def _begin(self, head: Head, length: int) -> Exchange:
        """Have a request answered, if there is room for it."""
        if not self.server.begin(self, head.path):
            raise RefusedError(_CROWDED)
        client = self.server.proxies.client(self._client, head.headers) if self._is_proxy else self._client
        exchange = Exchange(self, head, length, client)
        self._is_in_head = False
        self._moved = 0
        self.task = self._loop.create_task(self._answer(exchange))
        return exchange

    def _heed(self, exchange: Exchange | None) -> None:
        """See that what is missing comes in time, and no more than there is room for."""
        if exchange is None:
            if self._reader.waiting and not self._is_in_head:
                self._is_in_head = True
                self.deadline = self.server.now + self.server.limits.slow_seconds
        elif not exchange.whole and self.deadline == math.inf:
            self._look_later(exchange.received)
        if self._is_held and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    @property
    def _is_held(self) -> bool:
        """Whether no more is to be read now: another request waits already, or nobody takes the body."""
        exchange = self._reader.exchange
        if exchange is None or self.deaf:
            return False
        return bool(self._reader.waiting) if exchange.whole else exchange.buffered > BUFFERED

    def _read_on(self) -> None:
        """Read again, unless that has a reason to wait."""
        if self._paused and not self._is_held and not self._lost:
            self._paused = False
            self._transport.resume_reading()

    def _fail(self, exchange: Exchange, fault: InferenceError) -> None:
        """Read nothing more: the body of the request in work does not come, or is none."""
        self.deaf = True
        self.deadline = math.inf
        exchange.fail(fault)

    # Answering.

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self.server.application(exchange)
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
        elif not exchange.keep or self.server.stopping:
            self._close(unread=not exchange.whole)
        else:
            self.deadline = self.server.now + self.server.limits.idle_seconds
            self.server.rest(self)
            if self._reader.waiting:
                self.data_received(b"")
            if self._paused:
                self._read_on()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is no request, and close."""
        server = self.server
        body = server.application.refused(self._client.address, refusal)
        headers = {"content-type": "application/json"}
        if refusal.status == _FULL.status:
            headers["retry-after"] = "1"
        self.write(heads.answer(refusal.status, headers, server.standard, len(body)) + heads.CLOSE + b"\r\n", body)
        self._close(unread=True)

    def _close(self, *, unread: bool = False) -> None:
        """End, once all is sent; with something *unread* the end is told first, or the answer would be lost with it."""
        self.deaf = True
        self.deadline = self.server.now + self.server.limits.slow_seconds
        self.server.rest(self)
        if unread and not self.server.stopping and self._transport.can_write_eof():
            self._transport.write_eof()
            self._read_on()
        else:
            self._transport.close()

    def _look_later(self, moved: int) -> None:
        """Look again after some seconds how many bytes have moved since *moved*."""
        self._moved = moved
        self.deadline = self.server.now + self.server.limits.slow_seconds


def _client(transport: asyncio.BaseTransport) -> Client:
    """Who is at the other end, before a proxy tells on whose behalf it asks."""
    peer = transport.get_extra_info("peername")
    address = str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) else ""
    if transport.get_extra_info("sslcontext") is None:
        return Client(address)
    return Client(address, subject(transport.get_extra_info("peercert")), "https")
