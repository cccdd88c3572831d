"""Heads of HTTP/1.1: those of requests are read, those of answers written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

import httptools
import msgspec

from inferpoint.inbound.forwarded import LISTS
from inferpoint.inbound.limits import LARGEST_HEAD, LARGEST_TARGET, MOST_HEADERS

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
END = b"\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
CLOSE = b"connection: close\r\n"
KEEP = b"connection: keep-alive\r\n"  # which HTTP/1.0 has to be told
_REMEMBERED = 4096  # bytes of a head that is kept when it was read
_MOST_REMEMBERED = 1000
# Of two, servers on the way may take either.
_ONCE = frozenset({"host", "content-length", "transfer-encoding", "authorization", "x-api-key"})
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *([0-9]{1,18})\r\n")
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_WITHOUT_BODY = (204, 304)
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_BREAKS = str.maketrans("\r\n\0", "   ")


class Head(msgspec.Struct, eq=False):
    """The head of a request: `path` and `query` as they came, names of `headers` in lower case.

    `length` is that of its body, which is no header here; a body that `is_chunked` tells its end itself, one that
    `awaits_continue` comes only once it is asked for. `is_old` is HTTP/1.0; with `keeps` the client wants the
    connection to stay. Requests may have one head, beside which an application keeps what is `known` of it.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    length: int
    is_chunked: bool
    awaits_continue: bool
    is_old: bool
    keeps: bool
    known: Any = None


class Refusal(NamedTuple):
    """Why what came is not read as a request: an HTTP status, and the reason in words."""

    status: int
    reason: str


class RefusedError(Exception):
    """What came is no request, or no body of the one that is read; nothing after it can be read."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(*refusal)
        self.refusal = refusal


def read(data: bytes) -> Head:
    """The head that *data* holds to its end; `RefusedError` for one that cannot be answered."""
    if refusal := _too_large(data):
        raise RefusedError(refusal)
    parts = _Parts()
    refusal = parts.read(_staying(data)) or _unreadable(parts)
    if refusal is not None:
        raise RefusedError(refusal)
    headers, is_old = parts.headers, parts.version == "1.0"
    return Head(
        parts.method,
        *_target(parts.url),
        headers,
        length=int(headers.pop("content-length", "0")),
        is_chunked="transfer-encoding" in headers,
        awaits_continue=not is_old and headers.get("expect", "").lower() == "100-continue",
        is_old=is_old,
        keeps=parts.keeps,
    )


class Heads:
    """Reads heads of requests, and remembers those that are not large: most are written like one before."""

    def __init__(self) -> None:
        self._remembered = lru_cache(_MOST_REMEMBERED)(read)

    def read(self, data: bytes) -> tuple[Head, int]:
        """The head that *data* holds to its end, and the length of its body."""
        written, length = data, 0
        if told := _LENGTH.search(data):  # is all in which the requests of a client differ
            start, end = told.span(1)
            written, length = data[:start] + b"0" + data[end:], int(data[start:end])
        head = read(written) if written[_REMEMBERED:] else self._remembered(written)
        return head, length or head.length


def unfinished(data: bytes) -> Refusal | None:
    """Why *data*, the beginning of a head, can be none; None as long as it may become one."""
    if not (data[:1].isalpha() or data == b"\r"):
        return Refusal(400, "What came is not HTTP: a request begins with a method")
    if b"\n\n" in data:
        return Refusal(400, "What came is not HTTP: a line ends with a carriage return and a line feed")
    if len(data) > LARGEST_TARGET and b"\r\n" not in data[:LARGEST_TARGET]:
        return _long_target()
    return long_head() if len(data) > LARGEST_HEAD else None


def _too_large(head: bytes) -> Refusal | None:
    """Why a whole *head* is larger than those that are read, if it is."""
    if len(head) > LARGEST_TARGET and head.find(b"\r\n") > LARGEST_TARGET:
        return _long_target()
    if head.count(b"\r\n") > MOST_HEADERS + 2:
        return Refusal(431, f"The request has more than [{MOST_HEADERS}] headers")
    return long_head() if len(head) > LARGEST_HEAD else None


def _unreadable(parts: _Parts) -> Refusal | None:
    """Why a head is none of a request that can be answered, if so.

    Where two servers may disagree about where a request ends, one can be hidden in another: it is refused (RFC 9112,
    sections 3.2, 6.1 and 11.2).
    """
    headers, is_old = parts.headers, parts.version == "1.0"
    if parts.version not in ("1.1", "1.0"):
        return Refusal(505, f"HTTP/{parts.version} is not spoken here, only HTTP/1.1")
    if not is_old and "host" not in headers:
        return Refusal(400, "The request has no Host header")
    encoding = headers.get("transfer-encoding")
    if encoding is not None and (is_old or "content-length" in headers or encoding.lower() != "chunked"):
        return Refusal(400, "The request has a Transfer-Encoding other than [chunked] alone")
    return None


class _Parts:
    """The parts of one head, as the parser of HTTP hands them over."""

    def __init__(self) -> None:
        self.method = self.version = ""
        self.url = b""
        self.headers: dict[str, str] = {}
        self.keeps = False
        self._parser: Any = None
        self._twice = ""

    def read(self, data: bytes) -> Refusal | None:
        """Take the parts of *data*; why it is no head, if so."""
        self._parser = httptools.HttpRequestParser(self)
        fault: Exception | None = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return Refusal(400, "This server connects nobody to others, and speaks no other protocol")
        except httptools.HttpParserError as error:
            fault = error.with_traceback(None)
        finally:
            self._parser = None  # which refers to its parts
        if self._twice:
            return Refusal(400, f"The request has the header [{self._twice}] twice")
        if fault is not None or not self.version:
            return Refusal(400, f"What came is not HTTP: {fault or 'it begins as HTTP/2 does'}")
        return None

    def on_url(self, url: bytes) -> None:
        """Keep the URL."""
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        if key in self.headers:
            if key in _ONCE:
                self._twice = key
            if key in LISTS:
                text = f"{self.headers[key]}, {text}"
        self.headers[key] = text

    def on_headers_complete(self) -> None:
        """Keep what only the parser knows, and only now."""
        self.method = self._parser.get_method().decode()
        self.version = self._parser.get_http_version()
        self.keeps = self._parser.should_keep_alive()


def _staying(head: bytes) -> bytes:
    """*head* without the wish for another protocol, none of which is spoken here: the parser would pass over the body.

    Java's own client has it in every request.
    """
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) if b"\r\nupgrade:" in head.lower() else head


def _target(url: bytes) -> tuple[str, str]:
    """The path and the query of a request's *url*, as they came; `HttpParserError` for what is no URL."""
    if b"#" in url:
        url = url.partition(b"#")[0]
    if url.startswith(b"/"):
        path, _, query = url.partition(b"?")
    elif url == b"*":
        path, query = url, b""
    else:
        parts = httptools.parse_url(url)
        path, query = parts.path or b"/", parts.query or b""
    return path.decode("latin-1"), query.decode("latin-1")


def answer(status: int, headers: Mapping[str, str], standard: bytes, length: int | None) -> bytes:
    """The head of an answer without the line that ends it; *length* is that of its body, where that is known."""
    lines = values = ""
    for name, value in headers.items():
        lines += f"{name}: {value}\r\n"
        values += value
    if "\r" in values or "\n" in values or "\0" in values:  # would be taken for more of a head
        lines = "".join([f"{name}: {value.translate(_BREAKS)}\r\n" for name, value in headers.items()])
    head = _STATUS_LINES[status] + standard + lines.encode("latin-1", "replace")
    if length is None or status in _WITHOUT_BODY:
        return head
    return b"%bcontent-length: %d\r\n" % (head, length)


def long_head() -> Refusal:
    """Why a head that has more bytes than there may be is not read."""
    return Refusal(431, f"The head of the request is larger than [{LARGEST_HEAD}] bytes")


def _long_target() -> Refusal:
    return Refusal(414, f"The URL of the request is larger than [{LARGEST_TARGET}] bytes")


class _StatusLines(dict[int, bytes]):
    """The first lines of answers, each worked out once."""

    def __missing__(self, status: int) -> bytes:
        line = self[status] = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode()
        return line


_STATUS_LINES = _StatusLines()
