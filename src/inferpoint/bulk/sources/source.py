"""The contract of a source: what it has, cut into spans, and the items of a span."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind


class Span(msgspec.Struct, frozen=True):
    """A stretch of one object: of a file, bytes or rows from `begin` to before `end`, in which there are `items`."""

    object: str
    begin: int
    end: int
    items: int


class Item(msgspec.Struct, frozen=True, gc=False):
    """A record of a source, as far as a job needs it.

    `id` is None where the job has no field for it. `problem` says why there is nothing to read; `text` is empty then.
    """

    text: str
    id: str | None = None
    fields: Mapping[str, Any] = {}
    problem: str | None = None


class Fields(msgspec.Struct, frozen=True):
    """Which fields of a record make an item; names are dotted where a field is in another."""

    text: str
    id: str | None = None
    keep: tuple[str, ...] = ()


class Source(ABC):
    """Objects with records, read in a thread: nothing here awaits. What cannot be read is an `InferenceError`.

    An object never changes while a job is about it: its fingerprint tells.
    """

    @abstractmethod
    def fingerprints(self) -> Mapping[str, str]:
        """For each object, in the order of its name, a text that differs when its content does; quick to make."""

    @abstractmethod
    def spans(self, most: int) -> Iterator[Span]:
        """All there is, in order and without gaps, *most* items at a time or fewer; a span of none is left out.

        A span has so few bytes that its items fit into memory, or one item.
        """

    @abstractmethod
    def read(self, span: Span, skip: int = 0) -> Iterator[Item]:
        """The items of *span*, but for the first *skip*; `UNREADABLE` after the last one where there are too few."""

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Let go of what is open."""


def short(span: Span, items: int) -> InferenceError:
    """The error for a *span* that has only so many *items*."""
    return InferenceError(Kind.UNREADABLE, f"[{span.object}] has {items} items where {span.items} were planned")
