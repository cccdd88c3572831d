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


class Line(Protocol):
    """What an exchange needs of its connection."""

    @property
    def standard(self) -> bytes:
        """The headers that every answer has."""
        ...

    @property
    def may_stay(self) -> bool:
        """Whether the connection may serve another request after this one."""
        ...

    def write(self, head: bytes, body: bytes = b"") -> None:
        """Send bytes, unless the connection has ended."""
        ...

    def drained(self) -> asyncio.Future[None] | None:
        """What to wait for before more is written; None when there is room."""
        ...

    def taken(self) -> None:
        """Read on, if that had stopped because nobody took a body."""
        ...


class Exchange:
    """One request, whose body is taken as it comes, and its answer, which is sent whole or in pieces.

    `path` and `query` are as they came, `headers` have names in lower case, `client` is the address that asks, with the
    subject of its `certificate`, the `scheme` by which it came and the `host` that its proxy was asked for, where they
    are known. The body is there when it is `whole`. `left` says that the caller has gone, which also cancels the task
    that answers. `sent` is how many bytes of an answer's body were written, `ended` whether all were, `keep` whether
    the connection stays.
    """

    __slots__ = (
        "_awaits_continue", "_chunked", "_fault", "_head", "_is_old", "_line", "_pieces", "_waiter", "buffered",
        "certificate", "client", "ended", "headers", "host", "keep", "left", "method", "path", "query", "received",
        "scheme", "sent", "whole",
    )  # fmt: skip

    def __init__(self, line: Line, head: Head, client: Client) -> None:
        self._line = line
        self.method, self.path, self.query, self.headers, self._is_old, self.keep = head
        self.client, self.certificate, self.scheme, self.host = client
        self._awaits_continue = not self._is_old and self.headers.get("expect", "").lower() == "100-continue"
        self.whole = False
        self.left = False
        self.ended = False
        self.sent = 0
        self.buffered = self.received = 0  # bytes of the body that were not taken, and all
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._fault: InferenceError | None = None
        self._head = b""
        self._chunked = False

    def take(self) -> bytes:
        """What there is of the body and was not taken yet."""
        pieces, self._pieces, self.buffered = self._pieces, [], 0
        if not self.whole:
            self._line.taken()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def more(self) -> asyncio.Future[None]:
        """Wait until there is more of the body; `InferenceError` when it does not come, or is none."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        if self._fault is not None:
            waiter.set_exception(self._fault)
        elif self._pieces or self.whole:
            waiter.set_result(None)
        elif self._awaits_continue:
            self._awaits_continue = False
            self._line.write(heads.CONTINUE)
        return waiter

    async def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer; the body is left out where it is `HEAD` that asked."""
        head = self._framed(heads.answer(status, headers, self._line.standard, len(body)))
        self.ended = True
        if self.method == "HEAD":
            body = b""
        self.sent = len(body)
        await self._write(head, body)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin an answer in pieces, whose head goes with the first of them."""
        head = heads.answer(status, headers, self._line.standard, None)
        self._chunked = not self._is_old
        self.keep &= self._chunked  # else the end of the connection is the end of the answer
        self._head = self._framed(head + heads.CHUNKED if self._chunked else head)

    async def send(self, piece: bytes) -> None:
        """Send a piece, and wait while the caller does not read."""
        head, self._head = self._head, b""
        if piece and self.method != "HEAD":
            self.sent += len(piece)
            await self._write(b"%b%x\r\n%b\r\n" % (head, len(piece), piece) if self._chunked else head + piece)
        elif head:
            await self._write(head)

    def nudge(self, piece: bytes) -> None:
        """Send a *piece* between those of an answer that has begun, unless the caller does not read."""
        if not self._head and self._line.drained() is None:
            self.sent += len(piece)
            self._line.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    async def end(self) -> None:
        """End an answer in pieces."""
        self.ended = True
        await self._write(self._head + (b"0\r\n\r\n" if self._chunked and self.method != "HEAD" else b""))

    def receive(self, piece: bytes) -> None:
        """Keep a piece of the body until it is taken."""
        self._pieces.append(piece)
        self.buffered += len(piece)
        self.received += len(piece)
        self._awaits_continue = False
        self._wake()

    def complete(self) -> None:
        """Know that the body is whole."""
        self.whole = True
        self._wake()

    def fail(self, fault: InferenceError) -> None:
        """Have *fault* raised to whoever waits for the body, of which nothing more comes."""
        self._fault = fault
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(fault)

    async def _write(self, head: bytes, body: bytes = b"") -> None:
        self._line.write(head, body)
        if (drained := self._line.drained()) is not None:
            await drained

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _framed(self, head: bytes) -> bytes:
        """*head* with what becomes of the connection; what was not read must not be taken for the next request."""
        self.keep = self.keep and self.whole and not self._pieces and self._line.may_stay
        if not self.keep:
            return head + heads.CLOSE + b"\r\n"
        return head + (heads.KEEP if self._is_old else b"") + b"\r\n"
