"""Which connections are kept for the next call, and for whom: nobody is answered with what was said to another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from raw_calls import OK, both, eventually, provided, sent
from raw_provider import Line, RawProvider

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call
from inferpoint.outbound.http import body, connection, pool

STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
OLD = OK.replace(b"HTTP/1.1", b"HTTP/1.0")
LAST = OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
BEARER = {"authorization": "Bearer one"}


def answering(*replies: bytes) -> Callable[[Line], Awaitable[None]]:
    """Each request of a connection is answered with the next reply; then the provider leaves."""

    async def act(line: Line) -> None:
        for reply in replies:
            if await line.request():
                await line.say(reply)

    return act


async def patient(line: Line) -> None:
    """Answer whatever comes."""
    while await line.request():
        await line.say(OK)


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (BEARER, BEARER, True),
        ({}, {}, True),
        ({"x-request-id": "1"}, {"x-request-id": "2"}, True),
        ({"idempotency-key": "1"}, {"idempotency-key": "2"}, True),
        (BEARER, {"authorization": "Bearer two"}, False),
        (BEARER, {}, False),
        ({"x-api-key": "one"}, {"x-api-key": "two"}, False),
        ({"X-Goog-Api-Key": "one"}, {"X-Goog-Api-Key": "two"}, False),
        ({"cookie": "one"}, {"cookie": "two"}, False),
        ({"OpenAI-Organization": "one"}, {"OpenAI-Organization": "two"}, False),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=A/1/x/y, SignedHeaders=host, Signature=1"},
            {"authorization": "AWS4-HMAC-SHA256 Credential=A/1/x/y, SignedHeaders=host, Signature=2"},
            True,
        ),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=A/1/x/y, SignedHeaders=host, Signature=1"},
            {"authorization": "AWS4-HMAC-SHA256 Credential=B/1/x/y, SignedHeaders=host, Signature=1"},
            False,
        ),
    ],
)
def test_a_connection_is_kept_for_whoever_it_belongs_to(
    first: dict[str, str], second: dict[str, str], kept: bool
) -> None:
    """Calls with the same credentials share a connection one after the other, and no others do."""

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            for headers in (first, second):
                await sent(transport, Call(f"{provider.url}/x", b"{}", headers))
            assert len(provider.lines) == (1 if kept else 2)

    both(main)


def test_a_key_in_the_address_is_a_key() -> None:
    """A query may hold a key: another query, another connection."""

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            for query in ("key=a", "key=b", "key=a"):
                await sent(transport, Call(f"{provider.url}/x?{query}", b"{}"))
            assert [len(line.asked) for line in provider.lines] == [2, 1]

    both(main)


@pytest.mark.parametrize(
    "unasked", [STOLEN, b"H", b"\x00", b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"]
)
@pytest.mark.parametrize("when", ["with the reply", "after the reply", "after the reply, unseen"])
def test_what_a_provider_says_unasked_reaches_nobody(unasked: bytes, when: str) -> None:
    """A reply that nobody asked for ends its connection, also when it comes in the moment before the next call."""

    async def act(line: Line) -> None:
        while await line.request():
            await line.say(*((OK + unasked,) if when == "with the reply" else (OK, unasked)))

    async def main() -> None:
        async with provided(act) as (provider, transport):
            call = Call(f"{provider.url}/x", b"{}", BEARER)
            for number in range(1, 6):
                arriving = await transport.send(call)
                if when == "after the reply, unseen":
                    assert (await arriving.read()).body == b"ok"
                    provider_says(provider, unasked)
                    arriving.close()
                else:
                    assert (await arriving.read()).body == b"ok"
                    arriving.close()
                    if when == "after the reply":
                        await eventually(lambda: provider.open == 0)
                assert len(provider.lines) == number

    both(main)


def provider_says(provider: RawProvider, data: bytes) -> None:
    """Say something at once, which our event loop has not seen when the next call begins."""
    provider.lines[-1].now(data)


@pytest.mark.parametrize("reply", [OLD, LAST])
def test_a_connection_that_is_to_end_is_not_used_again(reply: bytes) -> None:
    """HTTP/1.0, and a reply that says so, are the last on their connection."""

    async def act(line: Line) -> None:
        while await line.request():
            await line.say(reply)

    async def main() -> None:
        async with provided(act) as (provider, transport):
            for _ in range(3):
                assert (await sent(transport, Call(f"{provider.url}/x", b"{}"))).body == b"ok"
            assert [len(line.asked) for line in provider.lines] == [1, 1, 1]

    both(main)


def test_an_idle_connection_that_its_provider_closes_costs_nobody_a_call() -> None:
    """The next call has a new one, whatever its method: it is seen before anything is sent."""

    async def main() -> None:
        async with provided(answering(OK)) as (provider, transport):
            for _ in range(5):
                assert (await sent(transport, Call(f"{provider.url}/x", b"{}"))).body == b"ok"
                await eventually(lambda: provider.open == 0)
            assert [len(line.asked) for line in provider.lines] == [1] * 5

    both(main)


@pytest.mark.parametrize(("method", "again"), [("POST", False), ("GET", True), ("PUT", True), ("DELETE", True)])
@pytest.mark.parametrize("half", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_a_kept_connection_that_dies_with_a_call(method: str, again: bool, half: bytes) -> None:
    """What may be repeated is, once, unless a byte of the reply came; a POST may have been paid, and is an error."""

    async def act(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await line.request()
        await line.say(half)

    async def main() -> None:
        async with provided(act) as (provider, transport):
            await sent(transport, Call(f"{provider.url}/x", method=method))
            if again and not half:
                assert (await sent(transport, Call(f"{provider.url}/x", method=method))).body == b"ok"
                assert [len(line.asked) for line in provider.lines] == [2, 1]
                return
            with pytest.raises(InferenceError) as caught:
                await sent(transport, Call(f"{provider.url}/x", method=method))
            assert caught.value.kind is Kind.CUT_OFF
            assert str(caught.value) == f"Could not reach [{provider.url}/x]: the connection was closed"
            assert [len(line.asked) for line in provider.lines] == [2]

    both(main)


def test_a_new_connection_that_dies_is_not_tried_again() -> None:
    """A provider that hangs up on everybody is asked once a call."""

    async def main() -> None:
        async with provided(answering(b"")) as (provider, transport):
            with pytest.raises(InferenceError, match="the connection was closed"):
                await sent(transport, Call(f"{provider.url}/x", method="GET"))
            assert len(provider.lines) == 1

    both(main)


def test_an_idle_connection_is_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that nobody needs is not kept for ever."""
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.05)

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            await asyncio.gather(*(sent(transport, Call(f"{provider.url}/x", b"{}")) for _ in range(5)))
            await eventually(lambda: provider.open == 0)
            assert len(provider.lines) == 5
            assert (await sent(transport, Call(f"{provider.url}/x", b"{}"))).body == b"ok"

    both(main)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", OK[:-1]])
def test_whoever_stops_waiting_closes_the_connection(begun: bytes) -> None:
    """Cancelled before the head, within it or within the body: the provider sees its caller leave."""

    async def act(line: Line) -> None:
        await line.request()
        await line.say(begun)
        await line.left()

    async def main() -> None:
        async with provided(act) as (provider, transport):
            task = asyncio.create_task(sent(transport, Call(f"{provider.url}/x", b"{}")))
            await eventually(lambda: bool(provider.lines and provider.lines[0].asked))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await eventually(lambda: provider.open == 0)

    both(main)


def test_a_stream_that_is_left_is_closed() -> None:
    """Pieces come as they are said; who reads no more of them closes the connection."""

    async def act(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\none\r\n")
        await line.left()

    async def main() -> None:
        async with provided(act) as (provider, transport):
            arriving = await transport.send(Call(f"{provider.url}/x", b"{}"))
            async with aclosing(arriving.pieces()) as pieces:
                assert await anext(pieces) == b"one"
            arriving.close()
            await eventually(lambda: provider.open == 0)

    both(main)


def test_a_slow_reader_slows_its_provider() -> None:
    """Of a stream that nobody reads no more is taken in than a bounded buffer holds; read on, it is whole."""
    size = 64 * 1024 * 1024
    said = 0

    async def act(line: Line) -> None:
        nonlocal said
        said = 0
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            await line.say(b"x" * 65536)
            said += 65536

    async def main() -> None:
        async with provided(act) as (provider, transport):
            arriving = await transport.send(Call(f"{provider.url}/x", b"{}"))
            before = -1
            while before != said:
                before = said
                await asyncio.sleep(0.1)
            assert said < size / 2
            assert arriving._connection.buffered <= 4 * connection._BUFFERED
            read = 0
            async with aclosing(arriving.pieces()) as pieces:
                async for piece in pieces:
                    read += len(piece)
            assert read == size
            arriving.close()

    both(main)


def test_a_reply_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that is read whole is refused as soon as it is too large, and its connection closed."""
    monkeypatch.setattr(body, "LARGEST_REPLY", 1000)

    async def act(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000)
        await line.left()

    async def main() -> None:
        async with provided(act) as (provider, transport):
            with pytest.raises(InferenceError, match="larger than") as caught:
                await sent(transport, Call(f"{provider.url}/x", b"{}"))
            assert caught.value.kind is Kind.UNREADABLE
            await eventually(lambda: provider.open == 0)

    both(main)


def test_large_requests_are_sent_whole() -> None:
    """A body of megabytes arrives as it was given."""
    body = bytes(range(256)) * 40_000

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            for _ in range(2):
                assert (await sent(transport, Call(f"{provider.url}/x", body))).body == b"ok"
            assert [asked.body == body for line in provider.lines for asked in line.asked] == [True, True]

    both(main)


def test_an_early_answer_is_heard() -> None:
    """A provider that refuses before it has read the whole request is heard, and its connection not used again."""

    async def act(line: Line) -> None:
        await line.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await line.left()

    async def main() -> None:
        async with provided(act) as (provider, transport):
            assert (await sent(transport, Call(f"{provider.url}/x", b"x" * 50_000_000))).status == 413
            await eventually(lambda: provider.open == 0)

    both(main)


def test_closing_ends_what_is_under_way() -> None:
    """A client that is closed answers nobody any more."""

    async def act(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\n\r\nhal")
        await line.left()

    async def main() -> None:
        async with provided(act) as (provider, transport):
            task = asyncio.create_task(sent(transport, Call(f"{provider.url}/x", b"{}")))
            await eventually(lambda: bool(provider.lines and provider.lines[0].asked))
            await asyncio.sleep(0.01)
            await transport.close()
            with pytest.raises(InferenceError, match="cut off"):
                await task

    both(main)


@pytest.mark.parametrize(
    "headers", [{"a": "b\r\nc: d"}, {"a": "b\nc"}, {"a": "b\0c"}, {"a b": "c"}, {"a\r\nb": "c"}, {"a": "\udce9"}]
)
def test_what_cannot_be_written_is_told_without_it(headers: dict[str, str]) -> None:
    """A header that would be two is refused before anything is sent, and never shown: it is often a key."""

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            with pytest.raises(InferenceError) as caught:
                await sent(transport, Call(f"{provider.url}/x?q", b"{}", headers))
            assert caught.value.kind is Kind.INVALID
            assert str(caught.value).startswith(f"The call to [{provider.url}/x] could not be written: a header")
            assert not provider.lines

    both(main)
