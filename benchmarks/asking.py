"""Who asks in Python: the same request again and again over some connections. `wrk` is faster, where it is."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from works import NUMBER

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n0\r\n\r\n"  # of an answer in chunks


@dataclass(frozen=True)
class Post:
    """A request, with NUMBER wherever each is to have a number of its own."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def written(self) -> bytes:
        """The request as it is sent."""
        parts = urlsplit(self.url)
        headers = {"Host": parts.netloc, "Content-Type": "application/json", **self.headers}
        lines = [f"POST {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body


class _Asker(asyncio.Protocol):
    """One connection, which asks until there are no numbers left."""

    def __init__(self, asked: bytes, numbers: Iterator[int], seconds: list[float], done: asyncio.Future[None]) -> None:
        self._asked = asked
        self._numbers = numbers
        self._seconds = seconds
        self._done = done
        self._missing = 0
        self._tail = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(self._asked.replace(NUMBER.encode(), b"%08d" % number))

    def data_received(self, data: bytes) -> None:
        if not self._tail and not self._missing:
            if not data.startswith(b"HTTP/1.1 200 "):
                self._done.set_exception(AssertionError(data[:500]))
                self._transport.abort()
                return
            length = _LENGTH.search(data[: data.find(b"\r\n\r\n")])
            self._missing = data.find(b"\r\n\r\n") + 4 + int(length[1]) if length else 0
        if self._missing:
            self._missing -= len(data)
            whole = not self._missing
        else:
            self._tail = (self._tail + data)[-len(_END) :]
            whole = self._tail == _END
        if whole:
            self._tail = b""
            self._seconds.append(time.perf_counter() - self._began)
            self._ask()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def ask(post: Post, connections: int, numbers: Iterable[int]) -> list[float]:
    """Ask once for each of the *numbers*; returned are the seconds that each answer took."""
    parts = urlsplit(post.url)
    asked, left, seconds = post.written(), iter(numbers), list[float]()
    loop = asyncio.get_running_loop()
    ended = [loop.create_future() for _ in range(connections)]
    for done in ended:
        await loop.create_connection(lambda done=done: _Asker(asked, left, seconds, done), parts.hostname, parts.port)
    await asyncio.gather(*ended)
    return seconds


def numbers_for(seconds: float) -> Iterator[int]:
    """Numbers until so many *seconds* have passed."""
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        yield number
        number += 1
