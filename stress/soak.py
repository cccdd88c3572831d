"""Storm after storm at one server, for minutes, and between them callers who talk nonsense: it may not grow.

Run as `make soak`, or `make soak MINUTES=60 PLOT=memory.svg`, which draws the memory that it held.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import uvloop
from curve import curve
from storm import Storm, storm
from torture_server import Torture
from watched import Watched

WARM = 3  # storms, after which all that is kept for ever has been met
MORE = 1.15  # of the memory when warm; what is freed is not all given back to the system
_SECONDS = 1.0  # between two looks at the memory

Points = list[tuple[float, float]]


async def rude(port: int, count: int, seed: int) -> None:
    """So many callers at once, who break off, leave with a reset, or say what is no HTTP."""
    torture = Torture(seed, port)
    torture.ways = [torture.leaves, torture.resets, torture.garbage]
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(torture.call(number))


@contextmanager
def sampled(watched: Watched) -> Iterator[Points]:
    """The memory of a server at each second, in minutes since now and megabytes."""
    points: Points = []
    begun, over = time.monotonic(), threading.Event()

    def look() -> None:
        while not over.wait(_SECONDS):
            points.append(((time.monotonic() - begun) / 60, watched.megabytes()))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield points
    finally:
        over.set()
        looking.join()


def soaked(target: Storm, minutes: float, callers: int, times: int) -> list[int]:
    """The memory after each storm, in megabytes."""
    port = urlsplit(target.url).port
    assert port is not None
    sizes: list[int] = []
    end = time.monotonic() + minutes * 60
    while len(sizes) <= WARM or time.monotonic() < end:
        seed = random.randrange(10**6)
        uvloop.run(rude(port, callers, seed))
        done = target.rages(callers, times, seed)
        sizes.append(target.watched.megabytes())
        print(f"seed {seed}: {done} done; {sizes[-1]} MB, {target.watched.files()} files open", flush=True)
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--plot", type=Path, help="Where to draw the memory.")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, storm(Path(folder)) as target, sampled(target.watched) as points:
        sizes = soaked(target, flags.minutes, flags.callers, flags.times)
    if flags.plot:
        title = f"Resident memory, {len(sizes)} storms of {flags.callers} callers"
        flags.plot.write_text(curve(title, "MB", points), "utf-8")
    assert sizes[-1] <= sizes[WARM - 1] * MORE, f"grew from {sizes[WARM - 1]} to {sizes[-1]} MB"


if __name__ == "__main__":
    main()
