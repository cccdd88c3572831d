"""A provider in this event loop that says any bytes, and sees its connections come and go."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    first: str
    headers: dict[str, str]
    body: bytes


class Line:
    """One connection of the provider's."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.asked: list[Asked] = []

    async def request(self) -> Asked | None:
        """The next whole request; None when the caller has left."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await self._reader.readuntil(HEAD_END)).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
            self.asked.append(Asked(first, headers, body))
            return self.asked[-1]
        return None

    async def say(self, *pieces: bytes) -> None:
        """Send each piece on its own; nobody may be there any more."""
        for piece in pieces:
            with suppress(ConnectionError, RuntimeError):  # uvloop's word for a closed connection
                self._writer.write(piece)
                await self._writer.drain()
            await asyncio.sleep(0)

    def now(self, piece: bytes) -> None:
        """Send a piece before anybody else in this event loop does anything; nobody may be there any more."""
        line: socket.socket | None = self._writer.get_extra_info("socket")
        if line is None:  # uvloop has none of a connection that is gone
            return
        with suppress(OSError):
            os.write(line.fileno(), piece)

    async def left(self) -> bytes:
        """Wait until the caller has left; what it said before."""
        with suppress(ConnectionError):
            return await self._reader.read()
        return b""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, both ways, until either side has left."""
        ways = [asyncio.create_task(_pass_on(*way)) for way in ((self._reader, writer), (reader, self._writer))]
        try:
            await asyncio.wait(ways, return_when="FIRST_COMPLETED")
        finally:
            for way in ways:
                way.cancel()
            writer.transport.abort()
            self._writer.transport.abort()

    def reset(self) -> None:
        """Leave in the rudest way, with a reset."""
        line: socket.socket | None = self._writer.get_extra_info("socket")
        if line is None:
            return
        with suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        """Leave."""
        self._writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()


class RawProvider:
    """Lets *act* serve each connection, one after another or at once; it is closed when *act* is over."""

    def __init__(self, act: Callable[[Line], Awaitable[None]], tls: ssl.SSLContext | None = None) -> None:
        self._act = act
        self._tls = tls
        self._running: set[asyncio.Task[None]] = set()
        self.lines: list[Line] = []
        self.faults: list[BaseException] = []

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._running)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        assert not self.faults, self.faults

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        line = Line(reader, writer)
        self.lines.append(line)
        try:
            await self._act(line)
        except Exception as error:  # noqa: BLE001 - told by who made the provider
            self.faults.append(error)
        finally:
            await line.close()
            self._running.discard(task)
