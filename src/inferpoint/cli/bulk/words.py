"""A job in words: how far it has come, what it cost, how to go on with it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from inferpoint.bulk.job import Counts
from inferpoint.cli.bulk.options import DATA_DIR, FOLDER
from inferpoint.cli.bulk.pace import Pace
from inferpoint.errors import InferenceError
from inferpoint.model.price import NANO

_STILL = 20.0  # seconds after which it is told that nothing is done
_LONGEST = 120  # of a reason on one line


def progress(counts: Counts, pace: Pace, waiting: InferenceError | None) -> str:
    """One line: so many items of so many, how fast, tokens, money, time left, failures, and why the work waits."""
    speed, left = pace.a_second(), pace.seconds_left(counts)
    parts = [f"{counts.done + counts.failed:,} of {counts.planned:,}"]
    parts += [f"{speed:,.0f} a second"] if speed is not None else []
    parts += [f"{counts.tokens:,} tokens"] if counts.tokens else []
    parts += [] if counts.nano_usd is None else [dollars(counts.nano_usd)]
    parts += [f"{duration(left)} left"] if left is not None and waiting is None else []
    parts += [f"{counts.failed:,} failed"] if counts.failed else []
    parts += [f"nothing for {duration(pace.still())}"] if pace.still() > _STILL else []
    parts += [f"waits: {short(str(waiting))}"] if waiting is not None else []
    return ", ".join(parts)


def dollars(nano_usd: int) -> str:
    """An amount of money, with as many places as it takes to see it."""
    amount = nano_usd / NANO
    return f"${amount:,.2f}" if amount >= 1 or not nano_usd else f"${amount:.4g}"


def duration(seconds: float) -> str:
    """A time as clocks show it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short(text: str) -> str:
    """The beginning of *text* on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def command(verb: str, name: str, data_dir: Path) -> str:
    """The command that does *verb* to the job called *name*."""
    usual = os.environ.get(DATA_DIR) or FOLDER
    folder = "" if str(data_dir) == str(usual) else f" --data-dir {shlex.quote(str(data_dir))}"
    return f"inferpoint jobs {verb} {name}{folder}"
