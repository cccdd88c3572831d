"""Calls to a provider that fails in every way: each ends in its own answer or in a clear error, and nothing is left.

Run as `make torture`, or `make torture SEED=7` for the same faults again.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import random
import resource
import zlib
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import uvloop
from raw_calls import eventually
from raw_provider import Line, RawProvider

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call
from inferpoint.outbound.http.transport import HttpTransport

STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
OWNERS = 20
PATIENCE = 60.0
MORE = 1.1  # of the memory in use, at the end
LEAVING = 0.05  # of the callers, in the middle
# Who asks is answered, whatever the connection was before: nothing of these is a reason for an error.
HARMLESS = frozenset(
    ("whole", "chunks", "pieces", "interim", "closes", "until closed", "compressed", "trailers", "unasked")
)


class Torture:
    """A provider whose answers to a number are that number many times; each fault is drawn anew."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._speaking = 0  # how many connections are about to say what nobody asked for
        self.outcomes: Counter[str] = Counter()
        self.ways: dict[str, Callable[[Line, bytes], object]] = {
            "whole": self.whole, "chunks": self.chunks, "pieces": self.pieces, "interim": self.interim,
            "closes": self.closes, "until closed": self.until_closed, "compressed": self.compressed,
            "trailers": self.trailers, "unasked": self.unasked, "unasked later": self.unasked_later,
            "hangs up": self.hangs_up, "resets": self.resets, "cut off": self.cut_off, "too short": self.too_short,
            "too long": self.too_long, "garbage": self.garbage, "huge head": self.huge_head,
            "too many interim": self.too_many_interim, "leaves later": self.leaves_later,
        }  # fmt: skip

    def answer(self, number: bytes) -> bytes:
        """The one right answer to *number*."""
        return number * (1 + zlib.crc32(number) % 300)

    async def act(self, line: Line) -> None:
        """Serve a connection until it fails: a way ends it by answering True."""
        while (asked := await line.request()) is not None:
            way = asked.headers["x-way"]
            if await self.ways[way](line, self.answer(asked.body)):  # type: ignore[misc]
                return

    async def whole(self, line: Line, body: bytes) -> None:
        await line.say(_head(body) + body)

    async def pieces(self, line: Line, body: bytes) -> None:
        reply = _head(body) + body
        cuts = sorted(self._chance.randrange(len(reply)) for _ in range(5))
        for begin, end in zip([0, *cuts], [*cuts, len(reply)], strict=True):
            await line.say(reply[begin:end])
            await asyncio.sleep(self._chance.random() / 1000)

    async def chunks(self, line: Line, body: bytes) -> None:
        await line.say(self._chunked(body) + b"\r\n")

    async def trailers(self, line: Line, body: bytes) -> None:
        await line.say(self._chunked(body) + b"X-After: x\r\nX-More: y\r\n\r\n")

    async def interim(self, line: Line, body: bytes) -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * self._chance.randint(1, 10)
        await line.say(hints + _head(body) + body)

    async def too_many_interim(self, line: Line, body: bytes) -> bool:
        await line.say(b"HTTP/1.1 100 Continue\r\n\r\n" * 11 + _head(body) + body)
        return True

    async def closes(self, line: Line, body: bytes) -> bool:
        await line.say(_head(body, b"Connection: close\r\n") + body)
        return True

    async def until_closed(self, line: Line, body: bytes) -> bool:
        await line.say(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        return True

    async def compressed(self, line: Line, body: bytes) -> None:
        data = gzip.compress(body)
        await line.say(_head(data, b"Content-Encoding: gzip\r\n") + data)

    async def unasked(self, line: Line, body: bytes) -> None:
        await line.say(_head(body) + body + STOLEN[: self._chance.randint(1, len(STOLEN))])

    async def unasked_later(self, line: Line, body: bytes) -> None:
        self._speaking += 1
        try:
            await line.say(_head(body) + body)
            await asyncio.sleep(self._chance.random() / 1000)
            line.now(STOLEN)
        finally:  # the caller may have left: the others wait until nobody is about to speak
            self._speaking -= 1

    async def leaves_later(self, line: Line, body: bytes) -> bool:
        await line.say(_head(body) + body)
        await asyncio.sleep(self._chance.random() / 1000)
        return True

    async def hangs_up(self, _line: Line, _body: bytes) -> bool:
        return True

    async def resets(self, line: Line, body: bytes) -> bool:
        reply = _head(body) + body
        await line.say(reply[: self._chance.randrange(len(reply))])
        line.reset()
        return True

    async def cut_off(self, line: Line, body: bytes) -> bool:
        reply = self._chance.choice([_head(body) + body, self._chunked(body) + b"\r\n"])
        await line.say(reply[: self._chance.randrange(len(reply))])
        return True

    async def too_short(self, line: Line, body: bytes) -> bool:
        await line.say(_head(body + b"more") + body)
        return True

    async def too_long(self, line: Line, body: bytes) -> None:
        await line.say(_head(body[:-1]) + body)

    async def garbage(self, line: Line, body: bytes) -> bool:
        await line.say(self._chance.randbytes(200) + body)
        return True

    async def huge_head(self, line: Line, body: bytes) -> bool:
        await line.say(_head(body, b"X-Long: " + b"y" * 80_000 + b"\r\n") + body)
        return True

    def _chunked(self, body: bytes) -> bytes:
        """*body* in chunks of any size, up to the last line."""
        text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        while body:
            size = self._chance.randint(1, len(body))
            text += b"%x;a=b\r\n%b\r\n" % (size, body[:size])
            body = body[size:]
        return text + b"0\r\n"

    async def calls(self, transport: HttpTransport, url: str, numbers: range) -> None:
        """One caller, who asks one thing after the other, reads whole or in pieces, and sometimes leaves."""
        for number in numbers:
            text = b"<%d>" % number
            way = self._chance.choice([*self.ways, *HARMLESS])
            method = self._chance.choice(["POST", "PUT"])
            # What is said after the next call was sent on its connection answers that call, for all that one can tell.
            alone = len(numbers) == 1 and way == "unasked later"
            owner = f"Bearer {number if alone else number % OWNERS}"
            while self._speaking and not alone:  # noqa: ASYNC110 - another connection's event is none of ours
                await asyncio.sleep(0)
            call = Call(f"{url}/x", text, {"authorization": owner, "x-way": way}, method)
            patience = self._chance.random() / 100 if self._chance.random() < LEAVING else PATIENCE
            try:
                async with asyncio.timeout(patience):
                    outcome = await self._asked(transport, call)
            except InferenceError as error:
                outcome = error
            except TimeoutError:
                self.outcomes["left"] += 1
                assert patience < PATIENCE, way
                continue
            self._look(way, self.answer(text), outcome)

    def _look(self, way: str, right: bytes, outcome: bytes | InferenceError) -> None:
        """See that a call ended in the *right* answer, or in an error for which the *way* is a reason."""
        if isinstance(outcome, bytes):
            self.outcomes["answers"] += 1
            assert outcome == (right[:-1] if way == "too long" else right), (way, outcome[:50])
            return
        self.outcomes["errors"] += 1
        assert outcome.kind in (Kind.CUT_OFF, Kind.UNREADABLE), outcome
        # A kept connection may end in the moment in which a call is sent on it.
        assert way not in HARMLESS or "the connection was closed" in str(outcome), (way, outcome)

    async def _asked(self, transport: HttpTransport, call: Call) -> bytes:
        arriving = await transport.send(call)
        try:
            if self._chance.random() < 0.5:
                return (await arriving.read()).body
            async with aclosing(arriving.pieces()) as pieces:
                return b"".join([piece async for piece in pieces])
        finally:
            arriving.close()


def _head(body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n" % (more, len(body))


def megabytes() -> float:
    """The resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


async def flat(act: Callable[[range], Coroutine[Any, Any, None]], count: int) -> None:
    """Do *act* for all numbers below *count*; of its ten parts the last leaves no more memory in use than the third."""
    sizes: list[float] = []
    for part in range(10):
        await act(range(count * part // 10, count * (part + 1) // 10))
        sizes.append(megabytes())
    print("MB after each tenth:", *map(round, sizes))
    assert sizes[-1] <= sizes[2] * MORE, sizes


def files() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


async def tortured(seed: int, sequential: int, concurrent: int) -> Counter[str]:
    """What became of so many calls one after another, and at once; afterwards no connection is left on either side."""
    torture = Torture(seed)
    transport = HttpTransport("0")
    async with RawProvider(torture.act) as provider:
        before = files()

        async def call(numbers: range) -> None:
            await torture.calls(transport, provider.url, numbers)
            provider.lines.clear()  # what was asked over each, which grows with the calls

        await flat(call, sequential)
        async with asyncio.TaskGroup() as group:
            for number in range(sequential, sequential + concurrent):
                group.create_task(torture.calls(transport, provider.url, range(number, number + 1)))
        await transport.close()
        await eventually(lambda: provider.open == 0)
        assert files() <= before, (files(), before)
    return torture.outcomes


def from_command_line(tortured: Callable[[int, int, int], Coroutine[Any, Any, Counter[str]]], purpose: str) -> None:
    """Torture on each of the event loops, as often and by the seed that the flags say."""
    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("--sequential", type=int, default=10_000)
    parser.add_argument("--concurrent", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    flags = parser.parse_args()
    print(f"seed {flags.seed}")
    for run in (uvloop.run, asyncio.run):
        print(run.__module__, dict(run(tortured(flags.seed, flags.sequential, flags.concurrent))))


if __name__ == "__main__":
    from_command_line(tortured, __doc__)
