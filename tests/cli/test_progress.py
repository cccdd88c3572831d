"""How far a job is, in words: its pace, its time left, its money, and why it waits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inferpoint.bulk.job import Counts, Job, JobState, Pinned, Space, Spec
from inferpoint.cli.bulk import running, words
from inferpoint.cli.bulk.display import Events, Lines
from inferpoint.cli.bulk.pace import Pace
from inferpoint.errors import InferenceError, Kind

SPEC = Spec(endpoint="e", source="docs.jsonl", sink="out/")
PINNED = Pinned("text_embedding", "openai", Space("m", 3, "cosine"), None, {})
LIMITED = InferenceError(Kind.RATE_LIMITED, "The provider allows no more now:\n  later")


def job(state: JobState = JobState.RUNNING, **spec: Any) -> Job:
    return Job("docs", state, Spec(endpoint="e", source="docs.jsonl", sink="out/", **spec), PINNED, 0.0)


def seen(*counted: tuple[float, int]) -> Pace:
    """The pace after so many items were done at moments."""
    pace = Pace()
    for at, done in counted:
        pace.add(at, Counts(planned=1000, done=done))
    return pace


@pytest.mark.parametrize(
    ("counted", "speed", "left"),
    [
        ([], None, None),
        ([(0.0, 0)], None, None),
        ([(0.0, 0), (10.0, 100)], 10.0, 90.0),
        ([(0.0, 0), (10.0, 0)], 0.0, None),
        ([(0.0, 0), (600.0, 100), (630.0, 100), (660.0, 400)], 5.0, 120.0),  # of the last minute alone
        ([(5.0, 7), (5.0, 7)], None, None),
    ],
)
def test_the_pace_is_that_of_the_last_minute(
    counted: list[tuple[float, int]], speed: float | None, left: float | None
) -> None:
    """What was done within the last minute says how fast a job goes, and when it is done."""
    pace = seen(*counted)
    assert pace.a_second() == speed
    assert pace.seconds_left(Counts(planned=1000, done=counted[-1][1] if counted else 0)) == left


@pytest.mark.parametrize(
    ("counts", "counted", "waiting", "line"),
    [
        (Counts(planned=1000), [], None, "0 of 1,000"),
        (
            Counts(planned=1000, done=99, failed=1),
            [(0.0, 0), (10.0, 100)],
            None,
            "100 of 1,000, 10 a second, 1:30 left, 1 failed",
        ),
        (
            Counts(planned=1000, done=100, tokens=12345, nano_usd=24_690_000),
            [(0.0, 0), (10.0, 100)],
            None,
            "100 of 1,000, 10 a second, 12,345 tokens, $0.02469, 1:30 left",
        ),
        (
            Counts(planned=1000, done=100),
            [(0.0, 0), (10.0, 100), (40.0, 100)],
            LIMITED,
            "100 of 1,000, 2 a second, nothing for 0:30, waits: The provider allows no more now: later",
        ),
    ],
)
def test_a_line_of_progress(
    counts: Counts, counted: list[tuple[float, int]], waiting: InferenceError | None, line: str
) -> None:
    """One line has what is known, and nothing else."""
    assert words.progress(counts, seen(*counted), waiting) == line


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0:00"), (61.0, "1:01"), (3599.6, "1:00:00"), (90061.0, "25:01:01")]
)
def test_a_time_is_as_on_clocks(seconds: float, shown: str) -> None:
    """Hours are told where there are some."""
    assert words.duration(seconds) == shown


@pytest.mark.parametrize(
    ("nano_usd", "shown"),
    [(0, "$0.00"), (1_234, "$1.234e-06"), (24_690_000, "$0.02469"), (1_234_567_890_000, "$1,234.57")],
)
def test_money_is_seen(nano_usd: int, shown: str) -> None:
    """An amount has as many places as it takes to see it."""
    assert words.dollars(nano_usd) == shown


@pytest.mark.parametrize(
    ("ended", "counts", "status"),
    [
        (job(JobState.DONE), Counts(planned=100, done=100), 0),
        (job(JobState.DONE), Counts(planned=100, done=99, failed=1), 3),
        (job(JobState.STOPPED), Counts(planned=100, done=10, failed=2), 4),
        (job(JobState.STOPPED, on_error="stop", max_failed=1.0), Counts(planned=100, failed=1), 4),
        (job(JobState.STOPPED), Counts(planned=100, done=10, failed=1), 1),
        (job(JobState.CANCELLED), Counts(planned=100), 1),
        (job(JobState.RUNNING), Counts(planned=100), 130),
        (job(JobState.PAUSED), Counts(planned=100), 130),
    ],
)
def test_a_status_says_what_became_of_a_job(ended: Job, counts: Counts, status: int) -> None:
    """Each end of a job has its own exit status."""
    assert running.status(ended, counts) == status


def test_without_a_terminal_a_minute_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress is written once a minute, on standard error; the result alone on standard output."""
    now = [0.0]
    lines = Lines(lambda: now[0])
    lines.start(job(), Counts(planned=1000))
    for second in range(125):
        now[0] = float(second)
        lines.advance(Counts(planned=1000, done=second))
    lines.end(job(JobState.DONE), Counts(planned=1000, done=1000))
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "The job [docs] begins: 1,000 items of docs.jsonl by [e]",
        "60 of 1,000, 1 a second, 15:40 left",
        "120 of 1,000, 1 a second, 14:40 left",
    ]
    assert "1,000" in printed.out


def test_events_tell_why_a_job_waits(capsys: pytest.CaptureFixture[str]) -> None:
    """Each event is a JSON object on a line of its own, on standard output alone."""
    now = [0.0]
    events = Events(lambda: now[0])
    events.start(job(), Counts(planned=10))
    now[0] = 2.0
    events.wait(LIMITED)
    events.advance(Counts(planned=10, done=4))
    events.wait(None)
    events.say("Finishing")
    events.end(job(JobState.DONE), Counts(planned=10, done=10))
    printed = capsys.readouterr()
    assert not printed.err
    told = [json.loads(line) for line in printed.out.splitlines()]
    assert [event["event"] for event in told] == ["started", "waiting", "progress", "message", "finished"]
    assert told[1]["kind"] == "rate_limited"
    assert (told[2]["a_second"], told[2]["seconds_left"]) == (2.0, 3.0)
    assert told[4]["seconds"] == 2.0
