"""What goes into the log of a server, and what is left out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from inferpoint.telemetry import log
from inferpoint.telemetry.events import Answered, Level
from inferpoint.telemetry.log import Log

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def written(level: Level, write: Callable[[Log], None]) -> list[str]:
    """The lines of a log of *level*, without their times."""
    reading, writing = os.pipe()
    lines = Log("text", level, writing)
    write(lines)
    lines.close()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return [line.split(maxsplit=1)[1].rstrip() for line in pipe]


@pytest.mark.parametrize(("level", "count"), [(level, 4 - place) for place, level in enumerate(Level)])
def test_a_level_is_the_least_that_is_logged(level: Level, count: int) -> None:
    """Requests below it are left out."""

    def answer(lines: Log) -> None:
        for each in Level:
            lines.answered(Answered(NOW, each, "id", "me", "GET", "/", "/", 200, 0.1, 5))

    assert [line.split()[0] for line in written(level, answer)] == list(Level)[4 - count :]


def test_what_others_log_is_in_the_same_form() -> None:
    """Python's records are lines of the log, with their tracebacks, whichever library they are of."""

    def act(lines: Log) -> None:
        with log.handling(lines):
            log.inform("It begins", url="u")
            log.warn("Look at this")
            logging.getLogger("asyncio").error("a [%s]", "task")
            try:
                raise ValueError("b")
            except ValueError:
                logging.getLogger("inferpoint.api").exception("It failed")

    first, *rest, last = written(Level.INFO, act)
    assert [first, *rest[:4]] == [
        "info It begins",
        "warning Look at this",
        "error a [task]",
        "error It failed",
        "error Traceback (most recent call last):",
    ]
    assert last == "error ValueError: b"
