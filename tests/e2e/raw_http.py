"""HTTP as it is on the wire, without a client's opinions about it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from real_processes import PATIENCE


@dataclass(frozen=True)
class Answered:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """Why it was refused, in Elasticsearch's envelope."""
        assert self.json["status"] == self.status
        return self.json["error"]["reason"]

    @property
    def events(self) -> list[tuple[str, str]]:
        """The body as events: their types and data."""
        return list(events(iter(self.body.splitlines(keepends=True))))


def connection(url: str) -> HTTPConnection:
    """A connection to *url*, to be closed."""
    parts = urlsplit(url)
    assert parts.hostname
    return HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)


def ask(url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answered:
    """The answer to one request on a connection of its own; *body* as JSON unless it is bytes."""
    with closing(connection(url)) as line:
        return ask_on(line, method, path, body, headers)


def ask_on(
    line: HTTPConnection, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Answered:
    """The answer to one request on *line*."""
    with begin_on(line, method, path, body, headers) as response:
        return Answered(response.status, _lower(response), response.read())


def begin_on(
    line: HTTPConnection, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> HTTPResponse:
    """An answer that has begun, its body still to be read."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    given = {} if data is None else {"Content-Type": "application/json"}
    line.request(method, path, data, {**given, **(headers or {})})
    return line.getresponse()


def events(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """Server-sent events as they come: the type and the data of each."""
    name = ""
    for line in lines:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, value


def plugged(url: str) -> socket.socket:
    """A bare connection to *url*, to be closed."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), PATIENCE)


def everything(line: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    pieces = []
    while piece := line.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def _lower(response: HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}
