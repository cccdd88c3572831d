"""The thread that writes the log."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from inferpoint.telemetry.events import Level, Noted
from inferpoint.telemetry.log_lines import FORMS, LONGEST_LINE
from inferpoint.telemetry.log_writer import CAPACITY, LogWriter

PIPE = 65_536  # bytes that a pipe holds, of which nobody has read any
LINE = "x" * 1000


def noted(message: str) -> Noted:
    return Noted(datetime(2026, 1, 2, tzinfo=UTC), Level.INFO, message)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe; a test may have closed the one for reading."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)


def everything(reading: int, count: int) -> bytes:
    """What can be read until there are so many lines."""
    read = b""
    while read.count(b"\n") < count:
        read += os.read(reading, LONGEST_LINE)
    os.close(reading)
    return read


def test_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    """All that was put before the end, and each once."""
    writer = LogWriter(FORMS["text"], pipe[1])
    for number in range(100):
        writer.put(noted(str(number)))
    writer.close()
    assert [line.split()[-1] for line in everything(pipe[0], 100).splitlines()] == [b"%d" % n for n in range(100)]


@pytest.mark.parametrize("blocking", [True, False])
def test_who_does_not_read_holds_nobody_up(pipe: tuple[int, int], *, blocking: bool) -> None:
    """Lines beyond the bound are lost and counted, and the reader who comes back is told how many."""
    os.set_blocking(pipe[1], blocking)
    writer = LogWriter(FORMS["text"], pipe[1])
    count = 3 * CAPACITY
    for _ in range(count):
        writer.put(noted(LINE))
    whole, lost, rest = 0, 0, b""
    while whole + lost < count:
        rest += os.read(pipe[0], PIPE)
        *complete, rest = rest.split(b"\n")
        whole += sum(line.endswith(LINE.encode()) for line in complete)
        lost += sum(int(line.split()[2]) for line in complete if b"lost" in line)
    assert (whole + lost, lost > 0) == (count, True)
    os.close(pipe[0])
    writer.close()


def test_a_reader_who_has_left_is_no_failure(pipe: tuple[int, int]) -> None:
    """What cannot be written is lost, and the end comes."""
    os.close(pipe[0])
    writer = LogWriter(FORMS["text"], pipe[1])
    for _ in range(3):
        writer.put(noted(LINE))
    writer.close()
    assert "log" not in [thread.name for thread in threading.enumerate()]
