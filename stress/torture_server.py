"""Callers who do everything that can be done to an HTTP server: each gets its own answers in order, or a refusal.

Run as part of `make torture`. Half of them read what they are told by h11. Afterwards no connection is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import h11
from echoing import Echo, echo, server
from torture import flat, from_command_line

from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.inbound.server import HttpServer

HOST = b"Host: localhost\r\n"
PATIENCE = 60.0
SLOW_SECONDS = 3  # and one more for each hundred callers at once, who share a processor with the server
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
ILLEGAL = [
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c: d\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    b"GET / HTTP/1.1\nHost: localhost\n\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"A: b\0\r\n\r\n",
]

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Torture:
    """Callers of one server, whose ways are drawn anew each time."""

    def __init__(self, seed: int, port: int) -> None:
        self._chance = random.Random(seed)
        self._port = port
        self.outcomes: Counter[str] = Counter()
        self.ways: list[Callable[[int], Coroutine[Any, Any, None]]] = [
            self.whole, self.cut, self.pipelined, self.with_h11, self.large, self.leaves, self.resets, self.illegal,
            self.garbage, self.stops, self.waits, self.huge,
        ]  # fmt: skip

    async def call(self, number: int) -> None:
        """Do one thing."""
        way = self._chance.choice(self.ways)
        async with asyncio.timeout(PATIENCE):
            await way(number)
        self.outcomes[way.__name__] += 1

    async def calls(self, numbers: range) -> None:
        """Do one thing after the other."""
        for number in numbers:
            await self.call(number)

    async def whole(self, number: int) -> None:
        """One request after another on one connection."""
        async with self._line() as line:
            for part in range(self._chance.randint(1, 5)):
                request, right = self._request(f"{number}-{part}")
                line[1].write(request)
                assert await _answer(line) == right

    async def cut(self, number: int) -> None:
        """A request in pieces of any size."""
        async with self._line() as line:
            request, right = self._request(str(number))
            cuts = sorted(self._chance.randrange(len(request)) for _ in range(self._chance.randint(1, 20)))
            for begin, end in zip([0, *cuts], [*cuts, len(request)], strict=True):
                line[1].write(request[begin:end])
                await asyncio.sleep(self._chance.random() / 1000)
            assert await _answer(line) == right

    async def pipelined(self, number: int) -> None:
        """Many requests at once, whose answers come in their order."""
        async with self._line() as line:
            asked = [self._request(f"{number}-{part}") for part in range(self._chance.randint(2, 50))]
            line[1].write(b"".join(request for request, _ in asked))
            for _, right in asked:
                assert await _answer(line) == right

    async def with_h11(self, number: int) -> None:
        """A request by another's client, which is strict with what it is told."""
        client = h11.Connection(h11.CLIENT)
        body = os.urandom(self._chance.randint(0, 100_000))
        path = self._chance.choice(["/pieces", "/"])
        framing = self._chance.choice([("Transfer-Encoding", "chunked"), ("Content-Length", str(len(body)))])
        async with self._line() as line:
            reader, writer = line
            head = h11.Request(method="POST", target=f"{path}?{number}", headers=[("Host", "localhost"), framing])
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                writer.write(client.send(event) or b"")
            told = b""
            while not isinstance(event := client.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    client.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Data):
                    told += bytes(event.data)
            assert told == echo("POST", path, str(number), body)

    async def large(self, number: int) -> None:
        """A large answer, read slowly, or not to its end."""
        async with self._line() as line:
            line[1].write(b"GET /large?%d HTTP/1.1\r\n" % number + HOST + b"\r\n")
            if self._chance.random() < 0.5:
                await line[0].read(self._chance.randint(1, 100_000))
                return
            await asyncio.sleep(self._chance.random() / 10)
            assert (await _answer(line)).rstrip() == echo("GET", "/large", str(number), b"")

    async def leaves(self, number: int) -> None:
        """Somebody who goes in the middle of a request, or before its answer."""
        async with self._line() as line:
            request, _ = self._request(str(number))
            line[1].write(request[: self._chance.randint(0, len(request))])
            await asyncio.sleep(self._chance.random() / 1000)

    async def resets(self, number: int) -> None:
        """Somebody whose connection breaks."""
        async with self._line() as line:
            line[1].write(b"GET /never?%d HTTP/1.1\r\n" % number + HOST + b"\r\n")
            await asyncio.sleep(self._chance.random() / 1000)
            line[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line[1].transport.abort()

    async def illegal(self, _number: int) -> None:
        """A request within another, behind one that is answered: one refusal, and nothing more."""
        async with self._line() as line:
            request, right = self._request("before")
            line[1].write(request + self._chance.choice(ILLEGAL) + SMUGGLED)
            assert await _answer(line) == right
            rest = await line[0].read()
            assert rest.startswith(b"HTTP/1.1 400 "), rest
            assert rest.count(b"HTTP/1.1") <= 2  # words of the refusal may say it
            assert b"smuggled" not in rest

    async def garbage(self, _number: int) -> None:
        """What is no HTTP."""
        async with self._line() as line:
            line[1].write(self._chance.randbytes(self._chance.randint(1, 5000)) + b"\r\n\r\n")
            assert (await line[0].read()).startswith(b"HTTP/1.1 4")

    async def waits(self, number: int) -> None:
        """A body that is sent once it is asked for, as curl sends large ones."""
        async with self._line() as (reader, writer):
            body = self._chance.randbytes(self._chance.randint(1, 100_000))
            head = b"POST /?%d HTTP/1.1\r\n" % number + HOST + b"Content-Length: %d\r\n" % len(body)
            writer.write(head + b"Expect: 100-continue\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(body)
            assert await _answer((reader, writer)) == echo("POST", "/", str(number), body)

    async def huge(self, number: int) -> None:
        """A head beyond all measure, as one header, as many, or as its URL: a refusal before it has ended."""
        async with self._line() as (reader, writer):
            more = self._chance.choice([b"A: " + b"b" * 100_000, b"A: b\r\n" * 1000 + b"\r\n", b""])
            url = b"/?%d" % number + (b"" if more else b"c" * 100_000)
            writer.write(b"GET " + url + b" HTTP/1.1\r\n" + HOST + more)
            with contextlib.suppress(ConnectionError):
                assert (await reader.read()).startswith((b"HTTP/1.1 414", b"HTTP/1.1 431"))

    async def stops(self, number: int) -> None:
        """A request that never ends: a refusal once it took too long."""
        async with self._line() as line:
            request, _ = self._request(str(number))
            line[1].write(request[: self._chance.randint(1, len(request) - 1)])
            with contextlib.suppress(ConnectionError):
                assert (await line[0].read()).startswith((b"HTTP/1.1 408", b"HTTP/1.1 100", b"HTTP/1.1 200"))

    def _request(self, name: str) -> tuple[bytes, bytes]:
        """A request in any of its forms, and its right answer."""
        body = self._chance.randbytes(self._chance.choice([0, 1, 10, 1000, 100_000]))
        path = self._chance.choice(["/", "/pieces"])
        head = f"POST {path}?{name} HTTP/1.1\r\n".encode() + HOST
        if self._chance.random() < 0.2:
            head += b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
        right = echo("POST", path, name, body)
        if self._chance.random() < 0.5:
            return head + b"Content-Length: %d\r\n\r\n" % len(body) + body, right
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + self._chunked(body), right

    def _chunked(self, body: bytes) -> bytes:
        text = b""
        while body:
            size = self._chance.randint(max(1, len(body) // 50), len(body))
            text += b"%x;a=b\r\n%b\r\n" % (size, body[:size])
            body = body[size:]
        return text + self._chance.choice([b"0\r\n\r\n", b"0\r\nX-After: x\r\n\r\n"])

    @contextlib.asynccontextmanager
    async def _line(self) -> AsyncGenerator[Line]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _answer(line: Line) -> bytes:
    """The body of the next answer."""
    reader, _ = line
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
    headers = dict(field.split(b": ", 1) for field in head.rstrip().split(b"\r\n")[1:])
    if b"content-length" in headers:
        return await reader.readexactly(int(headers[b"content-length"]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


@contextlib.asynccontextmanager
async def served(slow_seconds: int) -> AsyncGenerator[tuple[HttpServer, int]]:
    """A server of echoes, and its port; it stops at the end, and all that was open is closed then."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    serving = server(Echo(), ConnectionLimits(slow_seconds=slow_seconds))
    running = asyncio.ensure_future(serving.serve(listener))
    try:
        yield serving, port
    finally:
        serving.stop()
        async with asyncio.timeout(PATIENCE):
            await running


async def tortured(seed: int, sequential: int, concurrent: int) -> Counter[str]:
    """What was done one after another, and at once; afterwards the server has no connection."""
    async with served(SLOW_SECONDS + concurrent // 100) as (serving, port):
        torture = Torture(seed, port)
        torture.ways.remove(torture.stops)  # each of which takes seconds
        await flat(torture.calls, sequential)
        torture.ways.append(torture.stops)
        async with asyncio.TaskGroup() as group:
            for number in range(concurrent):
                group.create_task(torture.call(number))
        async with asyncio.timeout(PATIENCE):
            while serving.connections:  # noqa: ASYNC110 - it is asked of a server
                await asyncio.sleep(0.01)
    return torture.outcomes


if __name__ == "__main__":
    from_command_line(tortured, __doc__)
