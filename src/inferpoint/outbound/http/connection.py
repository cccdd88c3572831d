"""One connection of HTTP/1.1: a request out, its reply in, and nothing else."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Mapping
from typing import cast

import httptools
from typing_extensions import override

from inferpoint.outbound.egress import is_neighbour
from inferpoint.outbound.http.request import Owner

LARGEST_HEAD = 64 * 1024
MOST_HEADERS = 100
MOST_INTERIM = 10  # replies of 1xx before the one that counts
_BUFFERED = 256 * 1024  # of a body that is read in pieces, before its provider has to wait
_JOINED = 64 * 1024  # of a request; larger bodies are not copied


class _StopError(Exception):
    """Nothing more of what came is to be read."""


class Connection(asyncio.Protocol):
    """A connection of one *owner*, which serves one call after the other; *lost* is told when it has ended.

    A reply is told by `status` and `headers` once its head is there, by `more()` and `take()` in pieces, and has ended
    when it is `done` or there is a `fault`, the reason in words why nothing more comes. `buffered` are the bytes that
    were not taken yet. What comes when
    nothing was asked, and whatever follows a reply, ends the connection: it must not be taken for the next one's.
    """

    def __init__(self, owner: Owner, lost: Callable[[Connection], None]) -> None:
        self.owner = owner
        self.idle_since = 0.0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.done = True
        self.fault: str | None = None
        self.ended = True
        self.neighbour = False
        self._lost = lost
        self.loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._pieces: list[bytes] = []
        self.buffered = 0
        self._unread = 0  # bytes since anything of a body came: heads, trailers, what stands between chunks
        self._interim = 0
        self._count = 0
        self._reusable = False
        self._ends_with_connection = False
        self._paused = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.neighbour = peer is None or is_neighbour(peer[0])
        self.ended = False
        self._parser = httptools.HttpResponseParser(self)
        self._readable = select.poll()
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def ask(self, head: bytes, body: bytes) -> None:
        """Send a request, whose reply is waited for by `answered()`."""
        self.status = self.buffered = self._unread = self._interim = self._count = 0
        self.headers = {}
        self.done = self._reusable = self._ends_with_connection = False
        self.fault = None
        self._pieces = []
        if self.ended:
            self._fail("the connection was closed")
            return
        if len(body) <= _JOINED:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def answered(self) -> None:
        """Wait for the head of the reply, or for the reason why there is none; ended when nobody waits any more."""
        try:
            while not (self.status or self.fault):
                await self.more()
        except BaseException:
            self.close()
            raise

    def more(self) -> asyncio.Future[None]:
        """Wait until there is more of the reply, it is done, or there is a fault."""
        self._waiter = self.loop.create_future()
        return self._waiter

    def take(self) -> bytes:
        """What there is of the body and was not taken yet."""
        pieces, self._pieces, self.buffered = self._pieces, [], 0
        if self._paused:
            self._go_on()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def silent(self) -> bool:
        """Whether nothing at all came in reply."""
        return not (self.status or self._unread or self._interim)

    @property
    def reusable(self) -> bool:
        """Whether the reply has ended so that another call may follow."""
        return self._reusable and not (self.ended or self._paused)

    @property
    def unused(self) -> bool:
        """Whether nothing was said on the idle connection: no bytes and no end wait to be read."""
        return not (self.ended or self._readable.poll(0))

    def close(self) -> None:
        """End the connection at once; a reply that is under way is cut off."""
        self._fail("it was given up")
        self.ended = True
        self._transport.abort()

    @override
    def data_received(self, data: bytes) -> None:
        if self.done:
            self._reusable = False
            self.close()
            return
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._reusable = False
            self._fail(f"it is not HTTP/1.1 ({error})")
        if self._unread > LARGEST_HEAD:
            self._fail(f"more than {LARGEST_HEAD} bytes stand before its body or between two pieces of it")
        if self.fault is not None:
            self.close()
        elif self.buffered > _BUFFERED and not (self.done or self._paused):
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_begin(self) -> None:
        """Begin a reply; one that follows another is nobody's."""
        if self.done:
            self._reusable = False
            raise _StopError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after a head, a trailer, is left out."""
        self._count += 1
        if self._count > MOST_HEADERS:
            self._fail(f"it has more than {MOST_HEADERS} headers")
            raise _StopError
        if not self.status:
            self.headers[_NAMES[name]] = value.decode("utf-8", "replace")

    def on_headers_complete(self) -> None:
        """Look at a head as a whole: an interim one is forgotten."""
        status = self._parser.get_status_code()
        encoding = self.headers.get("transfer-encoding")
        if status < 200 or encoding is not None or self._unread > LARGEST_HEAD:
            self.fault = self._wrong(status, encoding)
            if self.fault is not None:
                raise _StopError
        if status < 200:
            self._interim += 1
            self._count = 0
            self.headers = {}
        else:
            self._ends_with_connection = encoding is None and "content-length" not in self.headers
            self._unread = 0
            self.status = status

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._unread = 0
        self.buffered += len(body)
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """End a reply, unless it is an interim one."""
        if self.status:
            self.done = True
            self._unread = 0
            self._reusable = self._parser.should_keep_alive() and not self._transport.get_write_buffer_size()

    @override
    def eof_received(self) -> None:
        self.ended = True

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if not self.done:
            if self._ends_with_connection and exc is None and self.fault is None:
                self.done = True
            self._fail("the connection was closed")
        del self._parser
        self._wake()
        self._lost(self)

    def _wrong(self, status: int, encoding: str | None) -> str | None:
        """The reason why a head is not one of a reply that can be read."""
        if status < 100 or status == 101:
            return f"it has the status {status}"
        if status < 200 and self._interim == MOST_INTERIM:
            return f"more than {MOST_INTERIM} interim replies came before it"
        if self._unread > LARGEST_HEAD and _size(self.headers) > LARGEST_HEAD:
            return f"its head is larger than {LARGEST_HEAD} bytes"
        if encoding is not None and encoding.lower() != "chunked":
            return "its transfer encoding is not [chunked]"
        return None

    def _fail(self, reason: str) -> None:
        """Note why the reply is not whole, unless it is."""
        if not self.done and self.fault is None:
            self.fault = reason

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _go_on(self) -> None:
        self._paused = False
        if not self.ended:
            self._transport.resume_reading()


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers.items())


class _Names(dict[bytes, str]):
    """The names of headers as text in lower case, remembered."""

    _MOST = 1000

    def __missing__(self, name: bytes) -> str:
        if len(self) >= self._MOST:
            self.clear()
        text = self[name] = name.decode("latin-1").lower()
        return text


_NAMES = _Names()
