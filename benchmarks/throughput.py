"""Requests a second of the server's processor: medians of runs that take turns.

Run as `.venv/bin/python benchmarks/throughput.py`. The seconds are what the server's process spent, in itself and in
the system for it: who asks and who answers are processes of their own, and do not count. `--profile` says how to see
where they go.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import uvloop

_TICKS = os.sysconf("SC_CLK_TCK")
_TEXT = "The quick brown fox jumps over the lazy dog."
_NUMBER = b"########"  # stands for a number of its own in each request: the same texts at once would be asked for once


@dataclass
class Work:
    """One kind of request to an endpoint, how often it is made in a run, and what was measured."""

    name: str
    model: str
    endpoint: str
    path: str
    body: dict[str, object]
    requests: int
    measured: list[float] = field(default_factory=list[float])


def works() -> list[Work]:
    many = [f"{_TEXT} {place:02} {_NUMBER.decode()}" for place in range(64)]
    return [
        _work("completion of 1 kB", "chat", "completion/chat", {"input": _TEXT * 5}, 6000),
        _work("1 embedding of 1536", "one", "text_embedding/one", {"input": [f"{_TEXT} {_NUMBER.decode()}"]}, 6000),
        _work("64 embeddings of 1536", "many", "text_embedding/many", {"input": many}, 400),
        _work("stream of 100 chunks", "stream", "completion/stream", {"input": _TEXT * 5}, 2000, "/_stream"),
    ]


def _work(name: str, model: str, endpoint: str, body: dict[str, object], requests: int, more: str = "") -> Work:
    return Work(name, model, endpoint, f"/_inference/{endpoint}{more}", body, requests)


class _Asker(asyncio.Protocol):
    """One connection, which asks the same again and again until there are no requests left."""

    def __init__(self, asked: bytes, end: bytes, left: list[int], done: asyncio.Future[None]) -> None:
        self._asked = asked
        self._end = end
        self._left = left
        self._done = done
        self._missing = 0
        self._tail = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if self._left[0] <= 0:
            self._transport.close()
            return
        self._left[0] -= 1
        self._transport.write(self._asked.replace(_NUMBER, b"%08d" % self._left[0]))

    def data_received(self, data: bytes) -> None:
        if not self._tail and not self._missing:
            if not data.startswith(b"HTTP/1.1 200 "):
                self._done.set_exception(AssertionError(data[:500]))
                return
            length = re.search(rb"content-length: (\d+)", data[:1000])
            self._missing = data.find(b"\r\n\r\n") + 4 + int(length[1]) if length else 0
        if self._missing:
            self._missing -= len(data)
            whole = not self._missing
        else:
            self._tail = (self._tail + data)[-len(self._end) :]
            whole = self._tail == self._end
        if whole:
            self._tail = b""
            self._ask()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def ask(url: str, work: Work, connections: int, requests: int) -> None:
    """Make *requests* over so many connections, each waiting for one answer before it asks again."""
    parts = urlsplit(url)
    body = json.dumps(work.body).encode()
    head = f"POST {work.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    asked = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    left, ended = [requests], [loop.create_future() for _ in range(connections)]
    for done in ended:
        await loop.create_connection(
            lambda done=done: _Asker(asked, b"\r\n0\r\n\r\n", left, done), parts.hostname, parts.port
        )
    await asyncio.gather(*ended)


def processor_seconds(pid: int) -> float:
    """What a process has spent, in itself and in the system for it."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def started(arguments: list[str], log: Path, pipes: tuple[int, ...] = ()) -> Iterator[tuple[str, int]]:
    """A program that says where it listens, in its *log*, and has some *pipes* of ours; its address and its number."""
    command = [sys.executable, *arguments]
    with log.open("wb") as to, subprocess.Popen(command, stdout=to, stderr=to, pass_fds=pipes) as process:
        try:
            address = None
            while address is None and process.poll() is None:
                address = re.search(r"http://\S+?:\d+", log.read_text())
            assert address is not None, log.read_text()
            yield address[0], process.pid
        finally:
            process.terminate()


def make(url: str, provider: str, work: Work) -> None:
    """The endpoint that a kind of request is made to."""
    given = {"api_key": "sk-test", "model_id": work.model, "url": provider}
    config = {"service": "openai", "service_settings": {**given, "rate_limit": {"requests_per_minute": 1_000_000_000}}}
    path = f"{url}/_inference/{work.endpoint}?skip_validation=true"
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(path, json.dumps(config).encode(), headers, method="PUT")) as answer:
        assert answer.status == 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", help="One kind of request, by its model: chat, one, many, stream.")
    parser.add_argument("--share", type=float, default=1.0, help="Which part of the usual requests to make.")
    parser.add_argument("--profile", action="store_true", help="Say how to see where the time goes.")
    given = parser.parse_args()
    chosen = [work for work in works() if given.only in (None, work.model)]
    provider = str(Path(__file__).parent / "canned_provider.py")
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        serve = ["-m", "inferpoint", "serve", "--port=0", f"--data-dir={at / 'data'}"]
        with started([provider], at / "provider.log") as (canned, _), started(serve, at / "server.log") as (url, pid):
            if given.profile:
                print(f"meanwhile: py-spy record --pid {pid} --rate 500 --format raw --output where.txt")
            for work in chosen:
                make(url, canned, work)
                uvloop.run(ask(url, work, given.connections, given.connections))  # what is made once is made
            for _ in range(given.rounds):
                for work in chosen:
                    requests = int(work.requests * given.share)
                    began = processor_seconds(pid)
                    uvloop.run(ask(url, work, given.connections, requests))
                    spent = max(processor_seconds(pid) - began, 1 / _TICKS)
                    work.measured.append(requests / spent)
    for work in chosen:
        least, most = min(work.measured), max(work.measured)
        middle = statistics.median(work.measured)
        print(f"{work.name:24}{middle:8.0f} a second of the processor  ({least:.0f} to {most:.0f})")


if __name__ == "__main__":
    main()
