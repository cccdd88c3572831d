"""Bytes to requests, of which one is read at a time: what follows it stays bytes until it was answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httptools

from inferpoint.inbound import heads
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.forwarded import LISTS
from inferpoint.inbound.heads import END, ONCE, Head, HeaderNames, Refusal
from inferpoint.inbound.limits import LARGEST_HEAD

_NAMES = HeaderNames()


class RefusedError(Exception):
    """What came is no request, or no body of the one that is read; nothing after it can be read."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(*refusal)
        self.refusal = refusal


class RequestReader:
    """Reads requests, each of which *begin* makes an exchange of or refuses; its `exchange` has the body as it comes.

    The parser is given the bytes up to the end of a request and no further; the others are `waiting`. Of a head that is
    whole *begin* may raise `RefusedError`, and so does `read`.
    """

    def __init__(self, begin: Callable[[Head], Exchange]) -> None:
        self.exchange: Exchange | None = None
        self.waiting = b""
        self._begin = begin
        self._parser: Any = httptools.HttpRequestParser(self)
        self._searched = 0  # of the bytes that wait, how many hold no end of a head
        self._refusal: Refusal | None = None
        self._url = b""
        self._headers: dict[str, str] = {}
        self._remaining: int | None = None  # bytes of a body whose length was told
        self._unread = 0  # bytes since anything of a body in chunks came: trailers, what stands between chunks

    def read(self, data: bytes) -> None:
        """Read what waited and *data*, as far as the end of one request."""
        data, at = self.waiting + data if self.waiting else data, 0
        self.waiting = b""
        while at < len(data):
            if self.exchange is None:
                while data.startswith(b"\r\n", at):  # which some clients say after a body
                    at += 2
                end = self._end_of_head(data, at)
                piece = heads.staying(data[at:end])
            else:
                end = self._end_of_body(data, at, self.exchange)
                piece = data[at:end]
            if not piece:
                break
            self._feed(piece)
            at = end
        self.waiting = data[at:]

    def close(self) -> None:
        """Let go of the parser, which refers to its reader."""
        self._parser = None

    def on_url(self, url: bytes) -> None:
        """Begin a head."""
        self._url = url
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what comes after a head, a trailer, is left out."""
        if self.exchange is not None:
            return
        key = _NAMES[name]
        text = value.decode("latin-1")
        if key in self._headers:
            if key in ONCE:
                self._refuse(Refusal(400, f"The request has the header [{key}] twice"))
            if key in LISTS:
                text = f"{self._headers[key]}, {text}"
        self._headers[key] = text

    def on_headers_complete(self) -> None:
        """Begin an exchange, if the head is one that can be answered."""
        if self.exchange is not None:
            self._refuse(Refusal(400, "A request begins within another"))
        parser, headers = self._parser, self._headers
        is_old = parser.get_http_version() == "1.0"
        path, query = heads.target(self._url)
        head = Head(parser.get_method().decode(), path, query, headers, is_old, parser.should_keep_alive())
        if refusal := heads.unreadable(head, parser.get_http_version()):
            self._refuse(refusal)
        self._remaining = None if "transfer-encoding" in headers else int(headers.get("content-length", "0"))
        try:
            self.exchange = self._begin(head)
        except RefusedError as error:
            self._refuse(error.refusal)

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        if self.exchange is not None:
            self._unread = 0
            self.exchange.receive(body)

    def on_message_complete(self) -> None:
        """Tell that the body is whole."""
        if self.exchange is not None:
            self.exchange.complete()

    def _end_of_head(self, data: bytes, at: int) -> int:
        """Where the head ends that begins *at* a place, or *at* as long as it does not."""
        end = data.find(END, at + self._searched)
        if end < 0:
            self._searched = max(0, len(data) - at - len(END) + 1)
            refusal = heads.unfinished(data[at:]) if at < len(data) else None
            end = at
        else:
            self._searched = 0
            end += len(END)
            refusal = heads.too_large(data[at:end])
        if refusal is not None:
            raise RefusedError(refusal)
        return end

    def _end_of_body(self, data: bytes, at: int, exchange: Exchange) -> int:
        """How far *data* belongs to the request that is read: a body in chunks ends where a head would.

        What may be the beginning of that end is kept back until the rest of it has come.
        """
        if exchange.whole:
            return at
        if self._remaining is not None:
            end = min(len(data), at + self._remaining)
            self._remaining -= end - at
            return end
        end = data.find(END, at)
        if end >= 0:
            return end + len(END)
        return len(data) - next((size for size in (3, 2, 1) if data.endswith(END[:size])), 0)

    def _feed(self, piece: bytes) -> None:
        self._unread += len(piece)
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise RefusedError(self._refusal or Refusal(400, f"What came is not HTTP: {error}")) from None
        if self._remaining is None and self._unread > LARGEST_HEAD:
            raise RefusedError(Refusal(400, f"More than [{LARGEST_HEAD}] bytes stand between two pieces of a body"))

    def _refuse(self, refusal: Refusal) -> None:
        """Have the parser stop, which tells no more than that it did."""
        self._refusal = refusal
        raise RefusedError(refusal)
