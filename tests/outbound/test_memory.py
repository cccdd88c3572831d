"""Requests and replies hold no more together than they may."""

from __future__ import annotations

import asyncio

import pytest
from clock import settle

from inferpoint.errors import InferenceError, Kind
from inferpoint.outbound.memory import Memory


@pytest.mark.parametrize(("held", "size", "kind"), [(60, 41, Kind.OVERLOADED), (0, 101, Kind.TOO_LARGE)])
def test_a_request_without_room_is_refused(held: int, size: int, kind: Kind) -> None:
    """It may come again where others hold the room, and not where there never is so much."""
    memory = Memory(100)
    memory.share().take(held)
    with pytest.raises(InferenceError) as caught:
        memory.share().take(size)
    assert caught.value.kind is kind
    assert memory.held == held


def test_what_a_share_holds_is_given_back_once() -> None:
    """A share that was closed holds nothing, also when a thread goes on with it."""
    memory = Memory(100)
    share = memory.share()
    share.take(70)
    share.close()
    share.close()
    with pytest.raises(InferenceError):
        share.take(1)
    assert memory.held == 0


def test_replies_wait_for_each_other_and_come_to_an_end() -> None:
    """A reply without room waits; the one that began first goes on, however much it is."""

    async def reading() -> list[str]:
        memory, ended = Memory(100), list[str]()

        async def read(name: str) -> None:
            with memory.reply() as share:
                for _ in range(3):
                    await share.wait_for(50)
                    await asyncio.sleep(0)
            ended.append(name)

        await asyncio.wait_for(asyncio.gather(*map(read, "abc")), 5)
        assert memory.held == 0
        return ended

    assert asyncio.run(reading()) == ["a", "b", "c"]


def test_a_reply_waits_until_a_request_is_answered() -> None:
    """What requests hold is room for replies once they are answered."""

    async def waiting() -> None:
        memory = Memory(100)
        request = memory.share()
        request.take(100)
        with memory.reply() as first, memory.reply() as second:
            await first.wait_for(1)
            reading = asyncio.ensure_future(second.wait_for(49))
            await settle()
            assert not reading.done()
            request.close()
            await asyncio.wait_for(reading, 5)

    asyncio.run(waiting())


def test_replies_leave_room_for_requests() -> None:
    """They hold no more than half together, and what more there is waits."""

    async def waiting() -> None:
        memory = Memory(100)
        with memory.reply() as first, memory.reply() as second:
            await first.wait_for(40)
            reading = asyncio.ensure_future(second.wait_for(11))
            await settle()
            assert not reading.done()
            memory.share().take(60)
            reading.cancel()

    asyncio.run(waiting())
