"""The contract of a reader, which knows one format, and what those share that are read forward only."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BufferedReader
from itertools import islice
from typing import Any

import msgspec

from inferpoint.bulk.objects import Objects, Stat
from inferpoint.bulk.sources.source import Item

CURSORS = 4  # of one object: several shards are open at once, and claimed in about their order


class File(msgspec.Struct, frozen=True):
    """One object, to be opened as it was when it was listed."""

    objects: Objects
    name: str
    stat: Stat

    def open(self, end: int | None = None) -> BufferedReader:
        """The bytes of the object; from *end* on nothing is fetched ahead."""
        return self.objects.open(self.name, self.stat, end)


class Extent(msgspec.Struct, frozen=True):
    """A stretch of one object, from *begin* to before *end*, in which there are *items*."""

    begin: int
    end: int
    items: int


class Reader(ABC):
    """The records of one object. What it raises for a file that is not of its format is worded by who calls it."""

    def digest(self) -> str:
        """What tells, beside size and version, whether the content is the one that it was."""
        return ""

    @abstractmethod
    def extents(self, most: int) -> Iterator[Extent]:
        """All there is, *most* items at a time or fewer."""

    @abstractmethod
    def items(self, extent: Extent) -> Iterator[Item]:
        """The items of an extent; fewer than it says where there are no more."""

    def close(self) -> None:  # noqa: B027 - some hold nothing open
        """Let go of what is open."""


class Forward:
    """Items that can be reached only from some before them: how far others were read is kept, to go on from there.

    `start` gives the items from a number on. May be used by several threads.
    """

    def __init__(self, start: Callable[[int], Iterator[Item]]) -> None:
        self._start = start
        self._cursors: list[tuple[int, Iterator[Item]]] = []  # with the numbers of their next items; the last used last
        self._lock = threading.Lock()

    def take(self, begin: int, end: int) -> list[Item]:
        """The items from number *begin* to before *end*, read whole, so that who comes next goes on from there."""
        with self._lock:
            behind = [cursor for cursor in self._cursors if cursor[0] <= begin]
            if behind:
                at, items = cursor = max(behind, key=lambda cursor: cursor[0])
                self._cursors.remove(cursor)
            else:
                at, items = begin, self._start(begin)
            taken = list(islice(items, begin - at, end - at))
            self._cursors.append((end, items))
            for _, oldest in self._cursors[:-CURSORS]:
                _end(oldest)
            del self._cursors[:-CURSORS]
        return taken

    def close(self) -> None:
        """Let go of what is open."""
        with self._lock:
            for _, items in self._cursors:
                _end(items)
            self._cursors.clear()


def _end(items: Any) -> None:
    """End a generator, which closes what it reads."""
    with closing(items):
        pass
