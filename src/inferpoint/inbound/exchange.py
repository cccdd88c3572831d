"""One request and the way back for its answer, as an application has them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from inferpoint.errors import InferenceError
from inferpoint.inbound import heads
from inferpoint.inbound.forwarded import Client
from inferpoint.inbound.heads import Head

BUFFERED = 64 * 1024  # bytes of a body that nobody takes, before whoever sends it has to wait


class Serving(Protocol):
    """What an exchange needs of the server."""

    @property
    def standard(self) -> bytes:
        """The headers that every answer has."""
        ...

    @property
    def draining(self) -> bool:
        """Whether no other request is answered after those that have begun."""
        ...


class Line(Protocol):
    """What an exchange needs of its connection."""

    @property
    def server(self) -> Serving:
        """The server to which it leads."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether what was written waits to be read."""
        ...

    @property
    def deaf(self) -> bool:
        """Whether nothing is read of it any more."""
        ...

    def write(self, head: bytes, body: bytes) -> asyncio.Future[None] | None:
        """Send bytes, unless the connection has ended; returned is what to wait for before more is written."""
        ...

    def taken(self) -> None:
        """Read on, if that had stopped because nobody took a body."""
        ...


class Exchange:
    """One request, whose body is taken as it comes, and its answer, which is sent whole or in pieces.

    `method`, `path`, `query` and `headers` are those of the `head`; `client` is the address that asks, with the subject
    of its `certificate`, the `scheme` by which it came and the `host` that its proxy was asked for, where they are
    known. `length` is what is told of the body, of which so many bytes were `received`, and so many are `buffered`
    until they are taken; it is there when it is `whole`. `left` says that the caller has gone, which also cancels the
    task that answers. `sent` is how many bytes of an answer's body were written, `ended` whether all were, `keep`
    whether the connection stays.
    """

    __slots__ = (
        "_awaits_continue", "_chunked", "_fault", "_head", "_line", "_pieces", "_waiter", "buffered", "certificate",
        "client", "ended", "head", "headers", "host", "keep", "left", "length", "method", "path", "query", "received",
        "scheme", "sent", "whole",
    )  # fmt: skip

    def __init__(self, line: Line, head: Head, length: int, client: Client) -> None:
        self._line = line
        self.head = head
        self.method, self.path, self.query, self.headers = head.method, head.path, head.query, head.headers
        self.length = length
        self.client, self.certificate, self.scheme, self.host = client
        self.keep = head.keeps
        self.whole = self.left = self.ended = self._chunked = False
        self.sent = self.buffered = self.received = 0
        self._awaits_continue = head.awaits_continue
        self._pieces: tuple[bytes, ...] = ()
        self._waiter: asyncio.Future[None] | None = None
        self._fault: InferenceError | None = None
        self._head = b""

    def take(self) -> bytes:
        """What there is of the body and was not taken yet."""
        pieces, self._pieces, self.buffered = self._pieces, (), 0
        if not self.whole:
            self._line.taken()
        return b"".join(pieces) if pieces[1:] or not pieces else pieces[0]

    def more(self) -> asyncio.Future[None]:
        """Wait until there is more of the body; `InferenceError` when it does not come, or is none."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        if self._fault is not None:
            waiter.set_exception(self._fault)
        elif self._pieces or self.whole:
            waiter.set_result(None)
        elif self._awaits_continue:
            self._awaits_continue = False
            self._line.write(heads.CONTINUE, b"")
        return waiter

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer; the body is left out where it is `HEAD` that asked."""
        line = self._line
        size = len(body)
        head = heads.answer(status, headers, line.server.standard, size) + self._ending()
        self.ended = True
        if self.method == "HEAD":
            body, size = b"", 0
        self.sent = size
        if (drained := line.write(head, body)) is not None:
            await drained

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin an answer in pieces, whose head goes with the first of them."""
        head = heads.answer(status, headers, self._line.server.standard, None)
        self._chunked = not self.head.is_old
        self.keep &= self._chunked  # else the end of the connection is the end of the answer
        self._head = head + (heads.CHUNKED if self._chunked else b"") + self._ending()

    async def send(self, piece: bytes) -> None:
        """Send a piece, and wait while the caller does not read."""
        head, self._head = self._head, b""
        if self.method == "HEAD":
            piece = b""
        elif piece and self._chunked:
            self.sent += len(piece)
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        else:
            self.sent += len(piece)
        if (head or piece) and (drained := self._line.write(head, piece)) is not None:
            await drained

    def nudge(self, piece: bytes) -> None:
        """Send a *piece* between those of an answer that has begun, unless the caller does not read."""
        if not self._head and not self._line.is_full:
            self.sent += len(piece)
            self._line.write(b"", b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def end(self) -> None:
        """End an answer in pieces."""
        self.ended = True
        last = b"0\r\n\r\n" if self._chunked and self.method != "HEAD" else b""
        if (self._head or last) and (drained := self._line.write(self._head, last)) is not None:
            await drained

    def receive(self, piece: bytes, *, whole: bool) -> None:
        """Keep a piece of the body until it is taken; with the last one it is *whole*."""
        size = len(piece)
        if size:
            self._pieces += (piece,)
            self.buffered += size
            self.received += size
        self.whole = whole
        self._awaits_continue = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, fault: InferenceError) -> None:
        """Have *fault* raised to whoever waits for the body, of which nothing more comes."""
        self._fault = fault
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(fault)

    def _ending(self) -> bytes:
        """The end of an answer's head: what becomes of the connection.

        What was not read of a request must not be taken for the next.
        """
        line = self._line
        self.keep = self.keep and self.whole and not self._pieces and not (line.deaf or line.server.draining)
        if not self.keep:
            return heads.CLOSE + b"\r\n"
        return heads.KEEP + b"\r\n" if self.head.is_old else b"\r\n"
