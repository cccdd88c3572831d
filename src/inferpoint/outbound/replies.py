"""Replies of a transport, whose whole bodies are read within what all requests and replies may hold."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from typing_extensions import override

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.outbound.memory import Memory
from inferpoint.outbound.transport import LARGEST_REPLY, Arriving, Transport

_MOST_CONTAINERS = 200_000  # objects and lists, each of which takes a hundred bytes once it is built
_TOO_LARGE = (
    f"The provider's reply is larger than {LARGEST_REPLY} bytes, or has more than {_MOST_CONTAINERS} objects and lists"
)


class BoundedReplies(Transport):
    """A *transport* whose replies hold what is read of them, until they are whole, of the *memory*."""

    def __init__(self, transport: Transport, memory: Memory) -> None:
        self._transport = transport
        self._memory = memory

    @override
    async def send(self, call: Call) -> Arriving:
        return _Bounded(await self._transport.send(call), self._memory)


class _Bounded(Arriving):
    def __init__(self, arriving: Arriving, memory: Memory) -> None:
        self._arriving = arriving
        self._memory = memory
        self.status = arriving.status
        self.headers = arriving.headers
        self.neighbour = arriving.neighbour

    @override
    async def read(self) -> Reply:
        pieces: list[bytes] = []
        size = containers = 0
        with self._memory.reply() as share:
            async with aclosing(self.pieces()) as body:
                async for piece in body:
                    size += len(piece)
                    # Counted as `count` would, in a tenth of its time where there are few.
                    containers += len(piece) - len(piece.replace(b"{", b"").replace(b"[", b""))
                    if size > LARGEST_REPLY or containers > _MOST_CONTAINERS:
                        self.close()
                        raise InferenceError(Kind.UNREADABLE, _TOO_LARGE)
                    await share.wait_for(len(piece))
                    pieces.append(piece)
            return Reply(self.status, b"".join(pieces), self.headers, self.neighbour)

    @override
    def pieces(self) -> AsyncGenerator[bytes, None]:
        return self._arriving.pieces()

    @override
    def close(self) -> None:
        self._arriving.close()
