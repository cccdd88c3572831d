"""Batches of requests that a provider answers within a day, as values that are written down."""

from __future__ import annotations

import re

import msgspec

from inferpoint.errors import InferenceError, Upstream

# A name has what every provider takes: in the ids of lines, which are no longer than 64, as a token and in a path.
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 48


class BatchLimits(msgspec.Struct, frozen=True):
    """The most that one batch takes: lines, bytes of all of them, inputs over all lines. None is no limit."""

    lines: int
    bytes: int
    inputs: int | None = None


class Submitted(msgspec.Struct, frozen=True):
    """A batch at its provider: the `name` that we gave it, and the provider's `id` of it."""

    name: str
    id: str


class PlannedBatch(msgspec.Struct, frozen=True):
    """A batch, or a part of it, as it is written down before it is handed in; there is no secret in it.

    `lines` has for each of its requests, by their numbers, how many inputs are in each line. `count` is how many lines
    the whole batch has, `planned` when that was, in seconds of the day; `id` is the provider's, once it is known.
    """

    name: str
    lines: dict[int, list[int]]
    count: int
    planned: float
    id: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            raise ValueError(f"[{self.name}] is no name of a batch")

    @property
    def submitted(self) -> Submitted:
        """The batch by the names that its provider knows."""
        return Submitted(self.name, self.id)

    @property
    def inputs(self) -> int:
        """How many inputs its lines have."""
        return sum(map(sum, self.lines.values()))

    def ids(self, request: int) -> list[str]:
        """The ids of the lines of one request, by its number."""
        return [f"{self.name}-{request}-{place}" for place in range(len(self.lines[request]))]

    def is_of(self, line: str) -> bool:
        """Whether the whole batch may have a line of that id."""
        return line.startswith(f"{self.name}-")


class Waiting(msgspec.Struct, frozen=True):
    """A batch that goes on, and how many of its lines are done; providers tell that late, if at all."""

    answered: int = 0
    failed: int = 0
    total: int = 0


class Ended(msgspec.Struct, frozen=True):
    """A batch that has ended. Each of `results` names a file of answers; there may be fewer answers than lines.

    All of them have so many `answers` at the least. `refusal` is why no line of it was looked at. `sent` names the file
    that was handed in.
    """

    results: tuple[str, ...] = ()
    answers: int = 0
    refusal: Upstream | None = None
    sent: str = ""


class FateUnknownError(InferenceError):
    """That a batch may have been made, or not: whoever asks its provider for it will know."""
