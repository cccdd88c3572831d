"""What is shown of a job that is worked on: a bar, a line a minute, or events for programs."""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from typing_extensions import override

from inferpoint.bulk.job import Counts, Job, JobState
from inferpoint.cli.bulk import words
from inferpoint.cli.bulk.pace import Pace
from inferpoint.cli.screen import show
from inferpoint.errors import InferenceError

_COLUMNS = ("job", "state", "items", "done", "failed", "rows", "calls", "tokens", "cost", "took")


class Display(ABC):
    """The progress of one job, told as it comes; *now* gives the time in seconds."""

    every = 1.0  # seconds between two looks

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._pace = Pace()
        self._waiting: InferenceError | None = None
        self._begun = self._now()

    def start(self, job: Job, counts: Counts) -> None:
        """Tell that the work begins, or goes on."""
        self._begun = self._now()
        self._pace.add(self._begun, counts)
        going = "goes on" if counts.done + counts.failed else "begins" if counts.planned else "has nothing to do"
        spec = job.spec
        self.say(f"The job [{job.name}] {going}: {counts.planned:,} items of {spec.source} by [{spec.endpoint}]")

    def advance(self, counts: Counts) -> None:
        """Tell how far the job has come."""
        self._pace.add(self._now(), counts)
        self._tell(counts)

    def wait(self, error: InferenceError | None) -> None:
        """Remember why the work stands still, and None when it goes on."""
        self._waiting = error

    def end(self, job: Job, counts: Counts) -> None:
        """Tell what became of the job, as a table."""
        self.close()
        show([self._row(job, counts)], "table", _COLUMNS)

    def say(self, line: str) -> None:
        """Tell one thing beside the progress."""
        print(line, file=sys.stderr, flush=True)

    def close(self) -> None:  # noqa: B027 - not all have something open
        """Leave the terminal as it was."""

    @abstractmethod
    def _tell(self, counts: Counts) -> None:
        """Show how far the job has come, at the pace that is known."""

    def _row(self, job: Job, counts: Counts) -> dict[str, Any]:
        return {
            "job": job.name,
            "state": "interrupted" if job.state is JobState.RUNNING else job.state.value,
            "items": f"{counts.planned:,}",
            "done": f"{counts.done:,}",
            "failed": f"{counts.failed:,}",
            "rows": f"{counts.rows:,}",
            "calls": f"{counts.calls:,}" if counts.calls else "",
            "tokens": f"{counts.tokens:,}" if counts.tokens else "",
            "cost": "" if counts.nano_usd is None else words.dollars(counts.nano_usd),
            "took": words.duration(self._now() - self._begun),
        }


class Bar(Display):
    """A bar on a terminal."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(now)
        columns = (BarColumn(), TextColumn("{task.description}", markup=False))
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=None)

    @override
    def start(self, job: Job, counts: Counts) -> None:
        super().start(job, counts)
        self._tell(counts)
        self._progress.start()

    @override
    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False)

    @override
    def close(self) -> None:
        self._progress.stop()

    @override
    def _tell(self, counts: Counts) -> None:
        line = words.progress(counts, self._pace, self._waiting)
        self._progress.update(self._task, description=line, completed=counts.done + counts.failed, total=counts.planned)


class Lines(Display):
    """A line a minute, where no terminal is."""

    _between = 60.0

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(now)
        self._told = self._now()

    @override
    def _tell(self, counts: Counts) -> None:
        if self._now() - self._told >= self._between:
            self._told = self._now()
            self.say(words.progress(counts, self._pace, self._waiting))


class Events(Display):
    """JSON, an event a line: `started`, `progress`, `waiting`, `message`, and `finished` with what became of it."""

    every = 5.0

    @override
    def start(self, job: Job, counts: Counts) -> None:
        self._begun = self._now()
        self._pace.add(self._begun, counts)
        self._event("started", job=job.name, spec=msgspec.to_builtins(job.spec), counts=msgspec.to_builtins(counts))

    @override
    def wait(self, error: InferenceError | None) -> None:
        if error is not None:
            self._event("waiting", kind=error.kind.value, reason=str(error))
        super().wait(error)

    @override
    def end(self, job: Job, counts: Counts) -> None:
        seconds = round(self._now() - self._begun, 3)
        whole = {"job": job.name, "state": job.state.value, "reason": job.reason, "seconds": seconds}
        self._event("finished", **whole, counts=msgspec.to_builtins(counts))

    @override
    def say(self, line: str) -> None:
        self._event("message", text=line)

    @override
    def _tell(self, counts: Counts) -> None:
        speed, left = self._pace.a_second(), self._pace.seconds_left(counts)
        self._event("progress", counts=msgspec.to_builtins(counts), a_second=speed, seconds_left=left)

    def _event(self, event: str, **members: Any) -> None:
        print(json.dumps({"event": event, **members}, ensure_ascii=False), flush=True)


def display(*, events: bool) -> Display:
    """How progress is shown: as *events*, or by what standard error is."""
    if events:
        return Events()
    return Bar() if sys.stderr.isatty() else Lines()
