"""Hundreds of callers at once, who come, go, and leave in the middle; afterwards the server is as it was.

Run as `make storm`, or `make storm CALLERS=500 TIMES=100`. The seed that is printed makes the same callers again.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import uvloop
from callers import LEFT, Callers
from ledger import Ledger
from raw_http import ask
from real_processes import Inferpoint, Program, environ, eventually
from watched import Watched


class EchoProvider(Program):
    """The provider of `echo_provider.py`."""

    def __init__(self, home: Path) -> None:
        program = Path(__file__).parent / "echo_provider.py"
        super().__init__([sys.executable, str(program)], environ(home))
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self.url = self.until(rb"listening on (http://127\.0\.0\.1:\d+)")[1].decode()
        except BaseException:
            self.kill()
            raise
        return self

    def count(self, what: str) -> int:
        """How many connections are `open`, or are `waiting` for an answer."""
        return ask(self.url, "GET", "/open").json[what]


class Storm:
    """A server in a storm."""

    def __init__(self, server: Inferpoint, provider: EchoProvider) -> None:
        self.watched = Watched(server)
        self.url = server.url
        self._provider = provider
        self._ledger = Ledger()

    def rages(self, callers: int, times: int, seed: int) -> int:
        """Let *callers* do *times* things each; how many things were done. Afterwards nothing is left of them."""
        done = uvloop.run(self._calls(callers, times, random.Random(seed)))
        eventually(lambda: self._provider.count("waiting") == 0)
        self.watched.rested(idle=lambda: self._provider.count("open"))
        return done

    async def _calls(self, count: int, times: int, chance: random.Random) -> int:
        async with Callers(self.url, self._provider.url, chance, self._ledger) as callers:
            await callers.prepare()
            async with asyncio.TaskGroup() as group:
                for _ in range(count):
                    group.create_task(callers.act(times))
            self._ledger.settled({each["inference_id"] for each in endpoints(self.url)} - {*LEFT})
            return callers.done


def endpoints(url: str) -> list[Any]:
    """All endpoints of a server."""
    return ask(url, "GET", "/_inference").json["endpoints"]


@contextmanager
def storm(folder: Path, *flags: str) -> Iterator[Storm]:
    """A server to storm at; at the end it stops as it is told, and knows no less when it starts again."""
    with EchoProvider(folder) as provider:
        with Inferpoint(folder / "data", *flags) as server:
            yield Storm(server, provider)
            before = endpoints(server.url)
            server.tell(signal.SIGTERM)
            assert server.ended() == 0
            assert b"Traceback" not in server.written + provider.written
        with Inferpoint(folder / "data") as server:
            assert endpoints(server.url) == before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=300)
    parser.add_argument("--times", type=int, default=60, help="How many things each caller does.")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(f"{given.callers} callers, {given.times} times each, seed {given.seed}")
    with tempfile.TemporaryDirectory() as folder, storm(Path(folder)) as target:
        done = target.rages(given.callers, given.times, given.seed)
        print(
            f"{done} done; memory {target.watched.megabytes('HWM')} MB at most, {target.watched.megabytes()} at the end"
        )


if __name__ == "__main__":
    main()
