"""What every client is asked to embed, and how its script says what came of it.

The file that the command line names holds the job as JSON; a file beside it gets the result.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

AT_ONCE = 8  # calls at once, where that is for the user to choose


@dataclass
class Job:
    """`batch` is how many texts go in a call, where that is for the user to choose."""

    url: str
    key: str
    model: str
    rpm: int
    tpm: int
    batch: int
    texts: list[str]
    vectors: list[list[float] | None] = field(default_factory=list)
    inputs: list[str | list[int]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    async def in_batches(self, embed: Callable[[list[str]], Awaitable[list[list[float]]]]) -> None:
        """Embed all texts, a few calls at a time; what raises is lost."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(begin: int) -> None:
            async with room:
                try:
                    found = await embed(self.texts[begin : begin + self.batch])
                except Exception as error:  # noqa: BLE001 - whatever a client raises is counted
                    self.errors[type(error).__name__] += 1
                else:
                    self.vectors[begin : begin + self.batch] = found

        await asyncio.gather(*(one(begin) for begin in range(0, len(self.texts), self.batch)))


def run(embed: Callable[[Job], Awaitable[None]]) -> None:
    """Do the job."""
    path = Path(sys.argv[1])
    job = Job(**json.loads(path.read_text()))
    job.vectors = [None] * len(job.texts)
    began = time.perf_counter()
    asyncio.run(embed(job))
    result = {
        "seconds": time.perf_counter() - began,
        "vectors": job.vectors,
        "inputs": job.inputs or job.texts,
        "errors": job.errors,
    }
    path.with_suffix(".result").write_text(json.dumps(result))
