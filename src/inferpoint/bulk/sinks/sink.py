"""The contract of a sink: what holds the results of a job, each once, whatever was interrupted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from inferpoint.bulk.job import Space


class Row(msgspec.Struct, frozen=True, gc=False):
    """One result: of an item, or of a chunk of it, from `start` to before `end` in code points.

    `value` is a vector as it came (`msgspec.Raw`: an array of numbers, or base64 of little-endian floats), the weights
    of tokens, or a text. `id` is the item's, or the item's with `#` and the number of the chunk; `document` is the
    item's always.
    """

    id: str
    document: str
    text: str
    value: Any
    chunk: int | None = None
    start: int | None = None
    end: int | None = None
    fields: Mapping[str, Any] = {}


class Part(msgspec.Struct, frozen=True):
    """What is written at once: items from `begin` on of a shard, by the *n*-th attempt at it."""

    shard: int
    begin: int
    attempt: int

    @property
    def name(self) -> str:
        """A name that no other part of the job has, in the order of the items."""
        return f"part-{self.shard:06d}-{self.begin:05d}-{self.attempt}"


class Receipt(msgspec.Struct, frozen=True):
    """What became of a part: its `rows`, the `file` that holds it and its digest where it is one of its own.

    `rejected` are items (by the id of their document) that the sink does not take, and in whose words.
    """

    rows: int
    file: str | None = None
    digest: str | None = None
    rejected: Mapping[str, str] = {}


class Sink(ABC):
    """Where rows are kept, written in a thread: nothing here awaits, and several threads may write parts at once.

    A part that is written again, whole or after it was cut off, leaves each of its rows once; of a document that has
    fewer chunks than before, the others go. What cannot be written for now (no room, no connection, a 429) is an
    `InferenceError`, and the part is to be written again.
    """

    @abstractmethod
    def open(self, space: Space) -> None:
        """Make what is missing, for rows of *space*; `INVALID` when rows of another one are there already."""

    @abstractmethod
    def write(self, part: Part, rows: Sequence[Row]) -> Receipt:
        """Keep *rows*, so that they are there after a crash, and say what became of them."""

    @abstractmethod
    def finish(self, receipts: Sequence[Receipt]) -> None:
        """Have the sink hold what the *receipts* of the job name and nothing that was left over; may be repeated."""

    @abstractmethod
    def ids(self, receipts: Sequence[Receipt]) -> Iterator[str]:
        """The ids of all rows of the job that the sink holds, as read from it; one that is there twice comes twice.

        A sink that others write to as well gives all that it holds.
        """

    def close(self) -> None:  # noqa: B027 - not all have something open
        """Let go of what is open."""
