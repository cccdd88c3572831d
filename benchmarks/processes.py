"""Programs that a benchmark starts: where they listen, what they spend, what they hold."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CORES = sorted(os.sched_getaffinity(0))
GATEWAY = _CORES[:1]  # the core of what is measured
REST = _CORES[1:] or _CORES  # those of who asks and who answers


def here() -> str:
    """Hour, machine and Python, for a document."""
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text("utf-8"))
    name = cpu[1] if cpu else platform.machine()
    now = dt.datetime.now(dt.UTC)
    where = f"{now:%d %B %Y, %H:%M} UTC; {name}, {os.cpu_count()} cores"
    return f"{where}; Linux {platform.release()}, Python {platform.python_version()}"


def pinned(cores: Sequence[int], command: Sequence[str]) -> list[str]:
    """The *command* kept to these *cores*, where the machine has `taskset`."""
    return [*(("taskset", "-c", ",".join(map(str, cores))) if shutil.which("taskset") else ()), *command]


def address_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The address that a program says in its *log* as soon as it listens."""
    address = None
    while address is None and process.poll() is None:
        address = re.search(r"http://\S+?:\d+", log.read_text())
    assert address is not None, log.read_text()
    return address[0]


@contextmanager
def running(
    command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None, pipes: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that writes to this *log*, with more variables and some *pipes* of ours; ended with the block."""
    more = {**os.environ, **(environ or {})}
    with (
        log.open("wb") as to,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=to, stderr=to, pass_fds=pipes, env=more) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def started(arguments: list[str], log: Path, pipes: tuple[int, ...] = ()) -> Iterator[tuple[str, int]]:
    """A program in Python that says in its *log* where it listens: its address and its number."""
    with running([sys.executable, *arguments], log, pipes=pipes) as process:
        yield address_in(log, process), process.pid


def tree(pid: int) -> list[int]:
    """A process and all that come from it."""
    children: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text("ascii").split())
    return [pid, *(below for child in children for below in tree(child))]


def processor_seconds(pid: int) -> float:
    """What the tree of a process has spent, in itself and in the system for it."""
    ticks = 0
    for process in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(") ")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident_bytes(pid: int) -> int:
    """What the tree of a process holds in memory; pages that its processes share count once for each."""
    pages = 0
    for process in tree(pid):
        with suppress(OSError):
            pages += int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * _PAGE
