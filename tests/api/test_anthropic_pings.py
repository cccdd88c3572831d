"""Pings while a provider is silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from clock import FakeClock, on_a_loop, settle

from inferpoint.api.anthropic.pings import PING, SILENCE, pinged


class Line:
    """A stream that tells what it is told to, and whether it was closed."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.closed = False

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            while (piece := await self.told.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed = True


async def heard(pieces: AsyncGenerator[bytes, None], into: list[bytes]) -> None:
    async for piece in pieces:
        into.append(piece)  # noqa: PERF401 - what was heard is looked at meanwhile


@on_a_loop
async def test_a_provider_that_is_silent_is_pinged_for() -> None:
    """Once for each time of silence, which every piece begins anew; what comes is told at once and in its order."""
    clock, line, told = FakeClock(), Line(), list[bytes]()
    listening = asyncio.ensure_future(heard(pinged(line.pieces(), clock), told))
    line.told.put_nowait(b"a")
    await clock.advance(SILENCE - 1)
    assert told == [b"a"]
    line.told.put_nowait(b"b")
    await clock.advance(SILENCE - 1)
    assert told == [b"a", b"b"]
    await clock.advance(1)
    await clock.advance(SILENCE)
    assert told == [b"a", b"b", PING, PING]
    line.told.put_nowait(b"c")
    line.told.put_nowait(None)
    await listening
    assert told == [b"a", b"b", PING, PING, b"c"]
    assert (line.closed, clock.alarms) == (True, 0)


@on_a_loop
async def test_a_stream_that_breaks_is_no_silence() -> None:
    """Its error goes on as it came."""
    clock, line, told = FakeClock(), Line(), list[bytes]()
    listening = asyncio.ensure_future(heard(pinged(line.pieces(), clock), told))
    line.told.put_nowait(b"a")
    line.told.put_nowait(ValueError("broken"))
    await settle()
    assert isinstance(listening.exception(), ValueError)
    assert (told, line.closed, clock.alarms) == ([b"a"], True, 0)


@on_a_loop
async def test_a_caller_that_leaves_ends_the_stream() -> None:
    """Also in a silence: the provider's stream is closed, and no alarm is left."""
    clock, line = FakeClock(), Line()
    listening = asyncio.ensure_future(heard(pinged(line.pieces(), clock), []))
    await clock.advance(SILENCE)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await settle()
    assert (line.closed, clock.alarms) == (True, 0)
