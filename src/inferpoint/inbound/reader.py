"""Bytes to requests, of which one is read at a time: what follows it stays bytes until it was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httptools

from inferpoint.inbound import heads
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.heads import END, Head, Heads, Refusal, RefusedError
from inferpoint.inbound.limits import LARGEST_HEAD

_BREAK = b"\r\n"
_END_SIZE = len(END)
_BODY_IN_CHUNKS = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


class RequestReader:
    """Reads requests, each of which *begin* makes an exchange of or refuses; the `exchange` has its body as it comes.

    Bytes that come before a head is whole, or after a body, are `waiting`. Of a head that is whole, with the length of
    its body, *begin* may raise `RefusedError`, and so does `read`.
    """

    def __init__(self, known: Heads, begin: Callable[[Head, int], Exchange]) -> None:
        self.exchange: Exchange | None = None
        self.waiting = b""
        self._heads = known
        self._begin = begin
        self._searched = 0  # of the bytes that wait, how many hold no end of a head
        self._missing = 0  # bytes of a body whose length was told
        self._chunks: _Chunks | None = None

    def read(self, data: bytes) -> None:
        """Read what waited and *data*, as far as the end of one request."""
        if self.waiting:
            data, self.waiting = self.waiting + data, b""
        at = self._head(data) if self.exchange is None else 0
        exchange = self.exchange
        if exchange is None or exchange.whole:
            self.waiting = data[at:]
        elif self._chunks is None:
            self._sized(exchange, data[at:])
        else:
            self._chunked(exchange, self._chunks, data, at)

    def close(self) -> None:
        """Let go of a parser, which refers to its reader."""
        if self._chunks is not None:
            self._chunks.close()
            self._chunks = None

    def _head(self, data: bytes) -> int:
        """Begin an exchange, if *data* has its whole head; returned is where the body begins, or the rest of a head."""
        at = 0
        while data[at : at + 2] == _BREAK:  # which some clients say after a body
            at += 2
        end = data.find(END, at + self._searched)
        if end < 0:
            self._search_on(data[at:])
            return at
        end += _END_SIZE
        self._searched = 0
        if end - at > LARGEST_HEAD:
            raise RefusedError(heads.long_head())
        head, self._missing = self._heads.read(data[at:end])
        self.exchange = exchange = self._begin(head, self._missing)
        if head.is_chunked:
            self._chunks = _Chunks(exchange)
        elif not self._missing:
            exchange.receive(b"", whole=True)
        return end

    def _search_on(self, data: bytes) -> None:
        """Know that *data* is no whole head, and refuse it if it can be none."""
        self._searched = max(0, len(data) - _END_SIZE + 1)
        if data and (refusal := heads.unfinished(data)):
            raise RefusedError(refusal)

    def _sized(self, exchange: Exchange, data: bytes) -> None:
        """Take what *data* has of a body whose length was told."""
        missing, size = self._missing, len(data)
        if size > missing:
            self.waiting = data[missing:]
            data, size = data[:missing], missing
        self._missing -= size
        if data:
            exchange.receive(data, whole=size == missing)

    def _chunked(self, exchange: Exchange, chunks: _Chunks, data: bytes, at: int) -> None:
        """Take what *data* has from *at* on of a body in chunks, which ends where a head would.

        What may be the beginning of that end is kept back until the rest of it has come.
        """
        while at < len(data) and not exchange.whole:
            end = data.find(END, at)
            if end >= 0:
                end += _END_SIZE
            else:
                end = len(data) - next((size for size in (3, 2, 1) if data.endswith(END[:size])), 0)
            if end == at:
                break
            chunks.read(data[at:end])
            at = end
        self.waiting = data[at:]
        if exchange.whole:
            self.close()


class _Chunks:
    """The parser of one body in chunks, which hands what it reads to an *exchange*."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._unread = 0  # bytes since anything of the body came: trailers, what stands between chunks
        self._begun = False
        self._parser: Any = httptools.HttpRequestParser(self)
        self._parser.feed_data(_BODY_IN_CHUNKS)

    def read(self, piece: bytes) -> None:
        """Read a *piece*; `RefusedError` where it is no body."""
        self._unread += len(piece)
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise RefusedError(Refusal(400, f"What came is not HTTP: {error}")) from None
        if self._unread > LARGEST_HEAD:
            raise RefusedError(Refusal(400, f"More than [{LARGEST_HEAD}] bytes stand between two pieces of a body"))

    def close(self) -> None:
        """Let go of the parser."""
        self._parser = None

    def on_message_begin(self) -> None:
        """Refuse another request within this one."""
        if self._begun:
            raise RefusedError(Refusal(400, "A request begins within another"))
        self._begun = True

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._unread = 0
        self._exchange.receive(body, whole=False)

    def on_message_complete(self) -> None:
        """Tell that the body is whole."""
        self._exchange.receive(b"", whole=True)
