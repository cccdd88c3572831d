"""A command, run to its end: how long it took, what it spent of the processor, and the most that it held in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from processes import TICKS, resident_bytes, started, tree

ROOT = Path(__file__).parents[2]
_EVERY = 0.05  # seconds between two looks at a process


@dataclass(frozen=True)
class Run:
    """What became of a command; `served` is the provider's ledger of meanwhile."""

    seconds: float
    processor_seconds: float
    peak_bytes: int
    output: str
    served: Mapping[str, int] = field(default_factory=dict[str, int])


class Provider:
    """The provider at *url*, which counts texts by their numbers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, command: Sequence[str], count: int, environ: Mapping[str, str]) -> Run:
        """What becomes of *command*, which is to have *count* texts embedded."""
        self._ask(f"/reset?texts={count}")
        run = measured(command, environ)
        return Run(run.seconds, run.processor_seconds, run.peak_bytes, run.output, self._ask("/stats"))

    def _ask(self, path: str) -> dict[str, int]:
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)


@contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    """A provider in a process of its own."""
    with started([str(Path(__file__).parent / "provider.py")], folder / "provider.log") as (url, _):
        yield Provider(url)


def measured(command: Sequence[str], environ: Mapping[str, str]) -> Run:
    """What becomes of *command*; an `AssertionError` with its words when it fails."""
    began, spent, peak = time.perf_counter(), dict[int, int](), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ) as process:
        while process.poll() is None:
            time.sleep(_EVERY)
            peak = max(peak, resident_bytes(process.pid))
            spent.update(_spent(process.pid))
        seconds = time.perf_counter() - began
        assert process.stdout is not None
        output = process.stdout.read().decode()
    assert process.returncode == 0, output
    return Run(seconds, sum(spent.values()) / TICKS, peak, output)


def ours(*arguments: str) -> list[str]:
    """A command of ours."""
    return [sys.executable, "-m", "inferpoint", *arguments]


def _spent(pid: int) -> dict[int, int]:
    """The ticks that each process below *pid* has spent so far."""
    ticks: dict[int, int] = {}
    for process in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(") ")[2].split()
            ticks[process] = int(fields[11]) + int(fields[12])
    return ticks
