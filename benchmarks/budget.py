"""Calls of Python functions and builtins for each kind of request, against the numbers in `budget.json`: `make budget`.

They are counted by `sys.setprofile` in the thread that serves, client and server of HTTP included, between two signals,
so that neither a busy machine nor a slow one moves the figure. What is more than 5 % above its number fails. `--write`
writes the numbers anew, which a change that costs calls does in its own commit.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


def serve(pipe: int, arguments: list[str]) -> None:
    """Serve, and write to *pipe* how many calls there were between the signals."""
    from inferpoint import app, flags  # noqa: PLC0415 - who counts does not need what serves
    from inferpoint.telemetry import log  # noqa: PLC0415

    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def begin(*_: Any) -> None:
        nonlocal calls
        calls = 0
        os.write(pipe, b"counting\n")
        sys.setprofile(count)

    def end(*_: Any) -> None:
        sys.setprofile(None)
        os.write(pipe, b"%d\n" % calls)

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


def counted(post: Post, pid: int, lines: Any) -> int:
    """The calls of one request, of which several are made one after the other."""
    runs: list[int] = []
    for _ in range(_RUNS):
        os.kill(pid, _BEGIN)
        lines.readline()
        uvloop.run(ask(post, 1, range(_REQUESTS)))
        os.kill(pid, _END)
        runs.append(int(lines.readline()))
    return round(statistics.median(runs) / _REQUESTS)


def measured() -> dict[str, int]:
    """The calls of each kind of request."""
    canned = str(Path(__file__).parent / "provider.py")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with started([canned], folder / "provider.log") as (provider, _), counting(folder) as (url, pid, lines):
            calls: dict[str, int] = {}
            for work in KINDS:
                make(url, provider, work)
                post = Post(url + work.path, json.dumps(work.body).encode())
                uvloop.run(ask(post, 1, range(_REQUESTS)))  # what is made once is made
                calls[work.name] = counted(post, pid, lines)
            return calls


def main() -> None:
    """Count, and compare or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="Write the numbers anew.")
    parser.add_argument("--numbers", type=Path, default=NUMBERS, help="The file that has them.")
    given = parser.parse_args()
    calls, numbers = measured(), json.loads(given.numbers.read_text("utf-8"))
    for name, count in calls.items():
        print(f"{name:24}{count:6} calls, of {numbers.get(name, 0)}")
    if given.write:
        given.numbers.write_text(json.dumps(calls, indent=1) + "\n", "utf-8")
    elif over := [name for name, count in calls.items() if count > numbers.get(name, 0) * SLACK]:
        sys.exit(f"More calls than their budget allows: {', '.join(over)}. See benchmarks/budget.py.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]), sys.argv[3:])
    else:
        main()
