"""Heads of HTTP/1.1: those of requests are looked at, those of answers written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import httptools

from inferpoint.inbound.limits import LARGEST_HEAD, LARGEST_TARGET, MOST_HEADERS

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
END = b"\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
CLOSE = b"connection: close\r\n"
KEEP = b"connection: keep-alive\r\n"  # which HTTP/1.0 has to be told
# Of two, servers on the way may take either.
ONCE = frozenset({"host", "content-length", "transfer-encoding", "authorization", "x-api-key"})
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_WITHOUT_BODY = (204, 304)
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_BREAKS = str.maketrans("\r\n\0", "   ")


class Head(NamedTuple):
    """The head of a request: `path` and `query` as they came, names of `headers` in lower case.

    `is_old` is HTTP/1.0; with `keeps` the client wants the connection to stay.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    is_old: bool
    keeps: bool


class Refusal(NamedTuple):
    """Why what came is not read as a request: an HTTP status, and the reason in words."""

    status: int
    reason: str


def unfinished(data: bytes) -> Refusal | None:
    """Why *data*, the beginning of a head, can be none; None as long as it may become one."""
    if not (data[:1].isalpha() or data == b"\r"):
        return Refusal(400, "What came is not HTTP: a request begins with a method")
    if b"\n\n" in data:
        return Refusal(400, "What came is not HTTP: a line ends with a carriage return and a line feed")
    if len(data) > LARGEST_TARGET and b"\r\n" not in data[:LARGEST_TARGET]:
        return _long_target()
    return _long_head() if len(data) > LARGEST_HEAD else None


def too_large(head: bytes) -> Refusal | None:
    """Why a whole *head* is larger than those that are read, if it is."""
    if len(head) > LARGEST_TARGET and head.find(b"\r\n") > LARGEST_TARGET:
        return _long_target()
    if head.count(b"\r\n") > MOST_HEADERS + 2:
        return Refusal(431, f"The request has more than [{MOST_HEADERS}] headers")
    return _long_head() if len(head) > LARGEST_HEAD else None


def unreadable(head: Head, version: str) -> Refusal | None:
    """Why a *head* of a *version* of HTTP is none of a request that can be answered, if so.

    Where two servers may disagree about where a request ends, one can be hidden in another: it is refused (RFC 9112,
    sections 3.2, 6.1 and 11.2).
    """
    headers = head.headers
    if version not in ("1.1", "1.0"):
        return Refusal(505, f"HTTP/{version} is not spoken here, only HTTP/1.1")
    if not head.is_old and "host" not in headers:
        return Refusal(400, "The request has no Host header")
    if head.method == "CONNECT":
        return Refusal(400, "This server connects nobody to others")
    encoding = headers.get("transfer-encoding")
    if encoding is not None and (head.is_old or "content-length" in headers or encoding.lower() != "chunked"):
        return Refusal(400, "The request has a Transfer-Encoding other than [chunked] alone")
    return None


def staying(head: bytes) -> bytes:
    """*head* without the wish for another protocol, none of which is spoken here: the parser would pass over the body.

    Java's own client has it in every request.
    """
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) if b"\r\nupgrade:" in head.lower() else head


def target(url: bytes) -> tuple[str, str]:
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
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not lines.count("\r") == lines.count("\n") == len(headers) or "\0" in lines:  # would be taken for more of a head
        lines = "".join([f"{name}: {value.translate(_BREAKS)}\r\n" for name, value in headers.items()])
    head = _STATUS_LINES[status] + standard + lines.encode("latin-1", "replace")
    if length is None or status in _WITHOUT_BODY:
        return head
    return b"%bcontent-length: %d\r\n" % (head, length)


def _long_head() -> Refusal:
    return Refusal(431, f"The head of the request is larger than [{LARGEST_HEAD}] bytes")


def _long_target() -> Refusal:
    return Refusal(414, f"The URL of the request is larger than [{LARGEST_TARGET}] bytes")


class _StatusLines(dict[int, bytes]):
    """The first lines of answers, each worked out once."""

    def __missing__(self, status: int) -> bytes:
        line = self[status] = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode()
        return line


class HeaderNames(dict[bytes, str]):
    """The names of headers as text in lower case, remembered."""

    _MOST = 1000

    def __missing__(self, name: bytes) -> str:
        if len(self) >= self._MOST:
            self.clear()
        text = self[name] = name.decode("latin-1").lower()
        return text


_STATUS_LINES = _StatusLines()
