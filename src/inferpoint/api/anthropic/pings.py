"""Pings in a stream whose provider is silent, so that clients and proxies do not take it for dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from inferpoint.api.anthropic.events import event
from inferpoint.clock import Clock

SILENCE = 15.0  # seconds
PING = event("ping")


async def pinged(pieces: AsyncGenerator[bytes, None], clock: Clock) -> AsyncGenerator[bytes, None]:
    """*pieces*, and a ping whenever none has come for so many seconds."""
    coming: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            coming = coming or asyncio.create_task(_next(pieces))
            await _until_silence(coming, clock)
            if not coming.done():
                yield PING
            elif (piece := coming.result()) is None:
                return
            else:
                coming = None
                yield piece
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait((coming,))
        await pieces.aclose()


async def _next(pieces: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(pieces, None)


async def _until_silence(coming: asyncio.Task[bytes | None], clock: Clock) -> None:
    """Wait until *coming* is there, or has not come for too long."""
    woken = asyncio.Event()
    coming.add_done_callback(lambda _: woken.set())
    timer = clock.at(clock.monotonic() + SILENCE, woken.set)
    try:
        await woken.wait()
    finally:
        timer.cancel()
