"""The lines of the access log."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from inferpoint.telemetry.access_log import access_log
from inferpoint.telemetry.events import Answered

ANSWERED = Answered(
    datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC),
    request_id="id",
    caller="me",
    method="POST",
    route="/a/{b}",
    path="/a/1",
    status=200,
    seconds=0.01234,
    size=45,
    opaque_id="mine",
)


def line(form: str, answered: Answered = ANSWERED) -> str:
    written = io.StringIO()
    access_log(form, written)(answered)
    (one,) = written.getvalue().splitlines(keepends=True)
    return one


def test_a_line_for_people() -> None:
    """When, what, how it ended, in how many milliseconds, how many bytes, for whom, and the request's id."""
    assert line("text") == "2026-01-02T03:04:05.678Z POST /a/1 200 12.3ms 45B me id\n"


def test_a_line_for_programs() -> None:
    """All that is known of the request, by its name."""
    assert json.loads(line("json")) == {**asdict(ANSWERED), "time": "2026-01-02T03:04:05.678900Z"}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", ["path", "opaque_id"])
def test_a_line_is_never_longer_than_a_pipe_takes_whole(form: str, name: str) -> None:
    """What a caller made long is shortened, with a mark, and nothing else is."""
    short, long = (line(form, replace(ANSWERED, **{name: "ü" * count})) for count in (600, 100_000))
    assert len(long.encode()) <= 4096
    assert long.replace("ü...", "ü") == short


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_that_is_short_enough_is_whole(form: str) -> None:
    """Up to 2000 characters nothing is cut."""
    rest = len(line(form)) - len(ANSWERED.path)
    whole, cut = (line(form, replace(ANSWERED, path="/" * (length - rest))) for length in (2000, 2001))
    assert (len(whole), len(cut)) == (2000, rest + 603)
