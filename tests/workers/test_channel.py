from __future__ import annotations

import asyncio
import socket
from typing import Any

import msgspec

from inferpoint.model.quota import Cost
from inferpoint.workers.channel import Channel
from inferpoint.workers.messages import Ready, Settled, Stop

Message = Ready | Settled | Stop
SAID = [Ready(), *(Settled(number, Cost(tokens=10**number)) for number in range(15)), Stop(True)]


def test_messages_come_whole_and_in_order() -> None:
    """Both ends may speak, and each sees the other go."""

    async def main() -> None:
        ends = socket.socketpair()
        channels: list[Channel[Message]] = [Channel(Message), Channel(Message)]
        came: list[list[Message]] = [[], []]
        gone = [asyncio.Event(), asyncio.Event()]
        for number, channel in enumerate(channels):
            await channel.open(ends[number], came[number].append, gone[number].set)
        for channel in channels:
            for message in SAID:
                channel.send(message)
        channels[0].close()
        await asyncio.wait_for(asyncio.gather(*(each.wait() for each in gone)), 60)
        for channel in channels:
            channel.send(Ready())
        assert came[1] == SAID

    asyncio.run(main())


def test_messages_may_come_in_any_pieces() -> None:
    """A message is read when its last byte is there, however many came with it."""

    def framed(message: msgspec.Struct) -> bytes:
        body = msgspec.msgpack.encode(message)
        return len(body).to_bytes(4, "big") + body

    wire = b"".join(framed(message) for message in SAID)
    for size in range(1, len(wire) + 1):
        channel: Channel[Any] = Channel(Message)
        came: list[Any] = []
        channel._received = came.append
        for begin in range(0, len(wire), size):
            channel.data_received(wire[begin : begin + size])
        assert came == SAID
