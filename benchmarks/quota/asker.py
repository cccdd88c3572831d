"""A client that costs little, as it shares the processor with whom it asks: kept connections, a request on each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec


@dataclass(frozen=True)
class Answer:
    """What came: status 0 when the connection broke. `seconds` from the request to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The body, read."""
        return msgspec.json.decode(self.body)

    @property
    def again_in(self) -> float | None:
        """After how many seconds to ask again, for an explicit 429."""
        if self.status != 429 or "retry-after" not in self.headers:
            return None
        return float(self.headers["retry-after"])


class Asker:
    """Asks one address."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port
        self._idle: list[_Connection] = []

    async def open(self, connections: int) -> None:
        """Have so many connections before they are needed."""
        self._idle += [await self._connected() for _ in range(connections - len(self._idle))]

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One request, on a connection of its own while it lasts."""
        data = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Type: application/json\r\n"
        asked = f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
        began = time.perf_counter()
        connection = self._idle.pop() if self._idle else await self._connected()
        try:
            status, headers, answered = await connection.ask(asked)
        except ConnectionError:
            return Answer(0, {}, b"", time.perf_counter() - began)
        except asyncio.CancelledError:
            connection.close()
            raise
        self._idle.append(connection)
        return Answer(status, headers, answered, time.perf_counter() - began)

    def close(self) -> None:
        """End every connection that is idle."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _connected(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        return connection


class _Connection(asyncio.Protocol):
    """Answers are whole, and say their length."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._whole = 0
        self._answered: asyncio.Future[tuple[int, dict[str, str], bytes]] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send, and wait for the answer."""
        if self._transport.is_closing():
            raise ConnectionResetError
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        self._got += data
        if len(self._got) < self._whole:
            return
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self._got[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self._whole = end + 4 + int(headers["content-length"])
        if len(self._got) < self._whole:
            return
        body = bytes(self._got[end + 4 :])
        self._got.clear()
        self._whole = 0
        if self._answered is not None and not self._answered.done():
            self._answered.set_result((int(first.split(" ", 2)[1]), headers, body))

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionResetError())

    def close(self) -> None:
        """Hang up."""
        self._transport.close()
