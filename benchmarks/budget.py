"""Calls of Python functions and builtins for each kind of request, against the numbers in `budget.json`: `make budget`.

They are counted by `sys.setprofile` in the thread that serves, client and server of HTTP included, between two signals,
so that neither a busy machine nor a slow one moves the figure. What is more than 5 % above its number fails, and is
shown by the files that made the calls, as `--by-file` shows all; a builtin counts for who called it. Beside them stands
how many objects a request leaves in cycles, to the collector of garbage: they are no more than their number either.
`--write` writes the numbers anew, which a change that costs calls does in its own commit.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvloop
from asking import Post, ask
from processes import started
from works import CHAT, ELASTICSEARCH, make

NUMBERS = Path(__file__).with_suffix(".json")
SLACK = 1.05
_REQUESTS, _RUNS = 20, 5  # of the runs, the middle one counts
_BEGIN, _END = signal.SIGUSR1, signal.SIGUSR2
KINDS = (*ELASTICSEARCH, CHAT)


@dataclass(frozen=True)
class Cost:
    """What one request takes: its calls, by the file that made them, and the objects that it leaves in cycles."""

    files: Mapping[str, float]
    cycles: int

    @property
    def calls(self) -> int:
        """All calls, wherever they were made."""
        return round(sum(self.files.values()))


def serve(pipe: int, arguments: list[str]) -> None:
    """Serve, and write to *pipe* how many calls each file made between the signals, and what was left in cycles."""
    from inferpoint import app, flags  # noqa: PLC0415 - who counts does not need what serves
    from inferpoint.telemetry import log  # noqa: PLC0415

    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            calls[frame.f_code.co_filename] += 1

    def begin(*_: Any) -> None:
        calls.clear()
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        os.write(pipe, b"counting\n")
        sys.setprofile(count)

    def end(*_: Any) -> None:
        sys.setprofile(None)
        gc.collect()
        gc.set_debug(0)
        os.write(pipe, json.dumps([calls, len(gc.garbage)]).encode() + b"\n")
        gc.garbage.clear()

    signal.signal(_BEGIN, begin)
    signal.signal(_END, end)
    wanted, endpoints = flags.from_command_line(arguments, os.environ, "inferpoint serve")
    with log.opened(wanted.log_format, wanted.log_level) as lines:
        app.serve(wanted, os.environ, lines.answered, endpoints)


@contextmanager
def counting(folder: Path) -> Iterator[tuple[str, int, Any]]:
    """A server that counts: its address, its number, and the lines that it writes of it."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    arguments = [__file__, "--serve", str(writer), "--port=0", f"--data-dir={folder / 'data'}"]
    with started(arguments, folder / "server.log", (writer,)) as (url, pid), os.fdopen(reader) as lines:
        yield url, pid, lines


def counted(post: Post, pid: int, lines: Any) -> Cost:
    """The cost of one request, of which several are made one after the other."""
    runs: list[Cost] = []
    for _ in range(_RUNS):
        os.kill(pid, _BEGIN)
        lines.readline()
        uvloop.run(ask(post, 1, range(_REQUESTS)))
        os.kill(pid, _END)
        calls, cycles = json.loads(lines.readline())
        runs.append(Cost({_short(file): count / _REQUESTS for file, count in calls.items()}, cycles // _REQUESTS))
    middle = sorted(runs, key=lambda run: run.calls)[_RUNS // 2]
    return Cost(middle.files, min(run.cycles for run in runs))  # more is what others of the process have left


def _short(file: str) -> str:
    """The name of a *file* below the folder of its package, or of the standard library."""
    parts = Path(file).parts
    packages = [place for place, part in enumerate(parts) if part in ("src", "site-packages")]
    return "/".join(parts[max(packages, default=len(parts) - 3) + 1 :])


def measured() -> dict[str, Cost]:
    """The cost of each kind of request."""
    canned = str(Path(__file__).parent / "provider.py")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with started([canned], folder / "provider.log") as (provider, _), counting(folder) as (url, pid, lines):
            costs: dict[str, Cost] = {}
            for work in KINDS:
                make(url, provider, work)
                post = Post(url + work.path, json.dumps(work.body).encode())
                uvloop.run(ask(post, 1, range(_REQUESTS)))  # what is made once is made
                costs[work.name] = counted(post, pid, lines)
            return costs


def show(files: Mapping[str, float]) -> None:
    """Print the calls of each room, the most first, and those of its files."""
    rooms: dict[str, dict[str, float]] = {}
    for file, count in sorted(files.items(), key=lambda item: -item[1]):
        rooms.setdefault(file.rpartition("/")[0], {})[file] = count
    for room, own in sorted(rooms.items(), key=lambda item: -sum(item[1].values())):
        print(f"  {sum(own.values()):8.1f}  {room}")
        for file, count in own.items():
            print(f"    {count:8.1f}    {file.rpartition('/')[2]}")


def main() -> None:
    """Count, and compare or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="Write the numbers anew.")
    parser.add_argument("--by-file", action="store_true", help="Show which files make the calls.")
    parser.add_argument("--numbers", type=Path, default=NUMBERS, help="The file that has them.")
    given = parser.parse_args()
    costs, numbers = measured(), json.loads(given.numbers.read_text("utf-8"))
    over: list[str] = []
    for name, cost in costs.items():
        most = numbers.get(name, {"calls": 0, "cycles": 0})
        left = f"{cost.cycles} objects in cycles, of {most['cycles']}"
        print(f"{name:24}{cost.calls:6} calls, of {most['calls']}; {left}")
        if not given.write and (cost.calls > most["calls"] * SLACK or cost.cycles > most["cycles"]):
            over.append(name)
        if given.by_file or name in over:
            show(cost.files)
    if given.write:
        wanted = {name: {"calls": cost.calls, "cycles": cost.cycles} for name, cost in costs.items()}
        given.numbers.write_text(json.dumps(wanted, indent=1) + "\n", "utf-8")
    elif over:
        sys.exit(f"More than their budget allows: {', '.join(over)}. See benchmarks/budget.py.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]), sys.argv[3:])
    else:
        main()
