"""The lines of the log, in both of its forms."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from inferpoint.telemetry.events import Answered, Level, Noted
from inferpoint.telemetry.log_lines import FORMS, LONGEST_LINE, Record, bounded, bounded_answer

ANSWERED = Answered(
    datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC),
    level=Level.INFO,
    request_id="id",
    caller="me",
    method="POST",
    route="/a/{b}",
    path="/a/1",
    status=200,
    seconds=0.01234,
    size=45,
    opaque_id="mine",
    client="10.0.0.1",
    endpoint="chat",
    attempts=2,
)
FAILED = msgspec.structs.replace(
    ANSWERED, level=Level.ERROR, status=502, kind="cut_off", reason='no\x1b[2J "reply"\ncame'
)
NOTED = Noted(ANSWERED.time, Level.WARNING, "It fails", {"address": "https://a.test"})


def lines(form: str, record: Record) -> list[str]:
    short = bounded(record) if isinstance(record, Noted) else bounded_answer(record)
    return FORMS[form](short).decode().splitlines(keepends=True)


def line(form: str, record: Record = ANSWERED) -> str:
    (one,) = lines(form, record)
    return one


def test_a_line_for_people() -> None:
    """When, how much it matters, what, how it ended, in which time, how many bytes, for whom, and the request's id."""
    assert line("text") == "2026-01-02T03:04:05.678Z info POST /a/1 200 12.3ms 45B me id\n"


def test_a_line_for_people_says_why() -> None:
    """Of what failed also who asked, what was asked, how often its provider was, and the reason, without controls."""
    told = ' client=10.0.0.1 endpoint=chat attempts=2 kind=cut_off reason="no [2J \\"reply\\"\\ncame"\n'
    assert line("text", FAILED) == f"2026-01-02T03:04:05.678Z error POST /a/1 502 12.3ms 45B me id{told}"


@pytest.mark.parametrize("answered", [ANSWERED, FAILED])
def test_a_line_for_programs(answered: Answered) -> None:
    """All that is known of the request, by its name."""
    members = {**msgspec.structs.asdict(answered), "time": "2026-01-02T03:04:05.678900Z"}
    assert json.loads(line("json", answered)) == members


def test_what_is_no_request_has_the_same_head() -> None:
    """A warning is a line like the others, and has its members for programs."""
    assert line("text", NOTED) == "2026-01-02T03:04:05.678Z warning It fails\n"
    told = {"time": "2026-01-02T03:04:05.678Z", "level": "warning", "message": "It fails", "address": "https://a.test"}
    assert json.loads(line("json", NOTED)) == told


def test_each_line_of_a_traceback_has_a_head() -> None:
    """So no line of the log is without a time, and a program still has the whole in one."""
    noted = msgspec.structs.replace(NOTED, message="It failed\n  File a\n\x07ValueError: b")
    head = "2026-01-02T03:04:05.678Z warning "
    assert lines("text", noted) == [f"{head}It failed\n", f"{head}  File a\n", f"{head} ValueError: b\n"]
    assert json.loads(line("json", noted))["message"] == noted.message


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(("name", "most"), [("path", 600), ("opaque_id", 600), ("reason", 300)])
def test_what_a_caller_made_long_is_shortened(form: str, name: str, most: int) -> None:
    """Up to its bound a member is whole, beyond it there is a mark."""
    short, long = (line(form, msgspec.structs.replace(FAILED, **{name: "ü" * count})) for count in (most, 100_000))
    assert long.replace("ü...", "ü") == short


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("character", ["\\", '"', "\x01", "\U0001f600", "\n", "a"])
def test_no_line_is_longer_than_a_pipe_takes_whole(form: str, character: str) -> None:
    """Whatever was written into it."""
    long = character * 100_000
    path = "/" + long.encode("ascii", "ignore").decode().replace("\x01", "").replace("\n", "")
    answered = msgspec.structs.replace(FAILED, path=path, opaque_id="\\\xe9" * 50_000, reason=long)
    for record in (answered, msgspec.structs.replace(NOTED, message=long)):
        assert all(len(one.encode()) <= LONGEST_LINE for one in lines(form, record))
