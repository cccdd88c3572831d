"""Whole replies, read within what all requests and replies may hold."""

from __future__ import annotations

from contextlib import aclosing

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Reply
from inferpoint.outbound.memory import Memory
from inferpoint.outbound.transport import LARGEST_REPLY, Arriving, Whole


async def collected(arriving: Arriving, memory: Memory) -> Reply:
    """The whole reply; `CUT_OFF` when its body ends early, `UNREADABLE` beyond 100 MiB."""
    if isinstance(arriving, Whole):
        return arriving.reply
    pieces: list[bytes] = []
    size = 0
    with memory.reply() as share:
        async with aclosing(arriving.pieces()) as body:
            async for piece in body:
                size += len(piece)
                if size > LARGEST_REPLY:
                    arriving.close()
                    raise InferenceError(Kind.UNREADABLE, f"The provider's reply is larger than {LARGEST_REPLY} bytes")
                await share.wait_for(len(piece))
                pieces.append(piece)
        return Reply(arriving.status, b"".join(pieces), arriving.headers)
