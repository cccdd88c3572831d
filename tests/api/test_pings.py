"""Pings while a provider is silent, in the streams of every face."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from clock import FakeClock, on_a_loop, settle
from in_process import Application, Told, request, unchunked
from world import COMPLETION, HANG, Arrived, openai

from inferpoint.api.pings import SILENCE, Pings
from inferpoint.inbound.exchange import Exchange
from inferpoint.inbound.forwarded import Client
from inferpoint.inbound.heads import read


class Serving:
    """A server that goes on."""

    standard = b""
    draining = False


class Line:
    """A connection that keeps what is written, and may be full."""

    server = Serving()
    deaf = False

    def __init__(self) -> None:
        self.written = b""
        self.is_full = False

    def write(self, head: bytes, body: bytes) -> asyncio.Future[None] | None:
        self.written += head + body
        return None

    def taken(self) -> None:
        pass


def begun(line: Line, version: str = "1.1") -> Exchange:
    """An exchange whose answer in pieces has begun."""
    head = read(f"POST / HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
    exchange = Exchange(line, head, 0, Client("10.0.0.1"))
    exchange.receive(b"", whole=True)
    exchange.begin(200, {})
    return exchange


def body(line: Line) -> bytes:
    return unchunked(line.written.partition(b"\r\n\r\n")[2])


@on_a_loop
async def test_a_provider_that_is_silent_is_pinged_for() -> None:
    """After a time in which nothing was sent, and again after each; whatever is sent meanwhile makes it wait longer."""
    clock, line = FakeClock(), Line()
    exchange = begun(line)
    with Pings(exchange, clock, b"!"):
        await exchange.send(b"a")
        await clock.advance(SILENCE)
        assert body(line) == b"a"
        await clock.advance(SILENCE)
        assert body(line) == b"a!"
        await exchange.send(b"b")
        await clock.advance(SILENCE)
        assert body(line) == b"a!b"
        await clock.advance(SILENCE)
        await exchange.send(b"c")
        assert body(line) == b"a!b!c"
    await exchange.end()
    assert clock.alarms == 0
    assert (body(line), exchange.sent) == (b"a!b!c", 5)


@on_a_loop
async def test_nothing_stands_before_an_answer_or_waits_for_its_reader() -> None:
    """Before the first piece there is no ping, for the head goes with that; nor is there one for who does not read."""
    clock, line = FakeClock(), Line()
    exchange = begun(line)
    with Pings(exchange, clock, b"!"):
        await clock.advance(SILENCE)
        assert line.written == b""
        await exchange.send(b"a")
        line.is_full = True
        await clock.advance(3 * SILENCE)
        assert body(line) == b"a"


@on_a_loop
async def test_an_old_client_is_pinged_without_chunks() -> None:
    """HTTP/1.0 has the bytes alone."""
    clock, line = FakeClock(), Line()
    exchange = begun(line, "1.0")
    with Pings(exchange, clock, b"!"):
        await exchange.send(b"a")
        await clock.advance(2 * SILENCE)
        await exchange.send(b"b")
    assert line.written.endswith(b"\r\n\r\na!b")


TURN = [{"role": "user", "content": "x"}]
FIRST = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
COMMENT, EVENT = b": ping\n\n", b'event: ping\ndata: {"type":"ping"}\n\n'
STREAMS: list[tuple[str, Any, bytes]] = [
    ("/_inference/text/_stream", {"input": "a"}, COMMENT),
    ("/_inference/chat/_stream", {"messages": TURN}, COMMENT),
    ("/v1/chat/completions", {"model": "chat", "messages": TURN, "stream": True}, COMMENT),
    ("/v1/completions", {"model": "chat", "prompt": "x", "stream": True}, COMMENT),
    ("/v1/responses", {"model": "chat", "input": "x", "stream": True}, COMMENT),
    ("/v1/messages", {"model": "chat", "max_tokens": 9, "messages": TURN, "stream": True}, EVENT),
]


@pytest.mark.parametrize(("path", "asked", "ping"), STREAMS)
def test_the_streams_of_every_face_are_pinged(
    faces: Callable[..., Application], path: str, asked: Any, ping: bytes
) -> None:
    """Each in the form that its clients pass over, behind a whole event; and no proxy is to keep any of it back."""
    ask = faces(lambda _: Arrived(200, [FIRST, HANG]))
    ask.world.create("text", COMPLETION, openai())

    async def listen() -> Told:
        caller = ask.caller()
        caller.say(request("POST", path, asked))
        while not caller.told:
            await settle()
        await ask.world.clock.advance(2 * SILENCE)
        caller.leave()
        await caller.answered()
        return Told(caller.told)

    told = ask.world.run(listen())
    assert told.body.endswith(b"\n\n" + ping)
    assert (told.headers["x-accel-buffering"], told.headers["cache-control"]) == ("no", "no-cache")
