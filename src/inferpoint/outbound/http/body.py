"""The body of a reply, read as a whole within what all requests and replies may hold."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from inferpoint.errors import InferenceError, Kind
from inferpoint.outbound.memory import Memory
from inferpoint.outbound.transport import LARGEST_REPLY

MOST_CONTAINERS = 200_000
_TOO_LARGE = (
    f"The provider's reply is larger than {LARGEST_REPLY} bytes, or has more than {MOST_CONTAINERS} objects and lists"
)


async def whole(pieces: AsyncGenerator[bytes, None], memory: Memory) -> bytes:
    """The body that comes in *pieces*, held in *memory* until all are there; `UNREADABLE` for more than is read."""
    taken: list[bytes] = []
    size = containers = 0
    with memory.reply() as share:
        async with aclosing(pieces):
            async for piece in pieces:
                size += len(piece)
                # Counted as `count` would, in a tenth of its time where there are few.
                containers += len(piece) - len(piece.replace(b"{", b"").replace(b"[", b""))
                if size > LARGEST_REPLY or containers > memory.containers:
                    raise InferenceError(Kind.UNREADABLE, _TOO_LARGE)
                await share.wait_for(len(piece))
                taken.append(piece)
        return b"".join(taken)
