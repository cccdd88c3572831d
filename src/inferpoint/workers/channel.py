"""Messages both ways between two processes of one machine, over a socket that both have from the start."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import msgspec

Received = TypeVar("Received")
_LENGTH = 4  # bytes that say how long the message is that follows


class Channel(asyncio.Protocol, Generic[Received]):
    """One end, where messages of the given *types* arrive."""

    _received: Callable[[Received], None]
    _ended: Callable[[], None]

    def __init__(self, types: Any) -> None:
        self._decode = cast("Callable[[bytes], Received]", msgspec.msgpack.Decoder(types).decode)
        self._encode = msgspec.msgpack.Encoder().encode
        self._arrived = bytearray()
        self._transport: asyncio.Transport | None = None

    async def open(self, end: socket.socket, received: Callable[[Received], None], ended: Callable[[], None]) -> None:
        """Begin at *end*: *received* is called with each message, in order, *ended* once the other end is gone."""
        self._received, self._ended = received, ended
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=end)

    def send(self, message: msgspec.Struct) -> None:
        """Send *message*, unless one of the ends is gone."""
        if self._transport is not None:
            encoded = self._encode(message)
            self._transport.write(len(encoded).to_bytes(_LENGTH, "big") + encoded)

    def close(self) -> None:
        """Let the other end see that this one is gone."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket can be used; for the event loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes that came; for the event loop."""
        self._arrived += data
        begin = 0
        while len(self._arrived) >= begin + _LENGTH:
            end = begin + _LENGTH + int.from_bytes(self._arrived[begin : begin + _LENGTH], "big")
            if len(self._arrived) < end:
                break
            self._received(self._decode(bytes(self._arrived[begin + _LENGTH : end])))
            begin = end
        del self._arrived[:begin]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - its name is asyncio's
        """The other end is gone; for the event loop."""
        self._transport = None
        self._ended()
