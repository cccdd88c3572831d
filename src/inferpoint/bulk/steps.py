"""The items of a shard, so many at a time that what is lost with a process is bounded in items and in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from inferpoint.bulk.job import Shard
from inferpoint.bulk.rows import Numbered
from inferpoint.bulk.sources.source import Item, Source, Span
from inferpoint.errors import InferenceError, Kind

STEP_CHARACTERS = 4 * 1024 * 1024  # of the texts of a step, unless one alone has more
_GONE = "The source has no such item any more"
_LOST = frozenset({Kind.INVALID, Kind.UNREADABLE})  # what no other try would read


class Steps:
    """The items of *shard* that are not done yet, read from *source* in a thread, at most *most* a step."""

    def __init__(self, source: Source, shard: Shard, most: int) -> None:
        self._source, self._shard, self._most = source, shard, most
        self._taken = shard.done
        self._items = self._from_here()
        self._left: Numbered | None = None

    def next(self) -> list[Numbered]:
        """The next items; none when all were given. After an error those that it was about may be asked for again."""
        try:
            step = self._read()
        except InferenceError:
            self._items, self._left = self._from_here(), None  # what has raised an error goes on no more
            raise
        self._taken += len(step)
        return step

    def _from_here(self) -> Iterator[Numbered]:
        return islice(_items(self._source, self._shard), self._taken, None)

    def _read(self) -> list[Numbered]:
        step = [] if self._left is None else [self._left]
        self._left = None
        characters = sum(len(item.text) for _, item in step)
        while len(step) < self._most and (numbered := next(self._items, None)) is not None:
            characters += len(numbered[1].text)
            if step and characters > STEP_CHARACTERS:
                self._left = numbered
                break
            step.append(numbered)
        return step


def _items(source: Source, shard: Shard) -> Iterator[Numbered]:
    """Every item that *shard* is about, with its number."""
    numbered = enumerate(every(source, shard), shard.first_item)
    if shard.only is None:
        return numbered
    wanted = frozenset(shard.only)
    return ((number, item) for number, item in numbered if number - shard.first_item in wanted)


def every(source: Source, shard: Shard) -> Iterator[Item]:
    """As many items as the span of *shard* has, whatever the source has of them still."""
    read = 0
    problem = _GONE
    try:
        for item in islice(source.read(Span(shard.object, shard.begin, shard.end, shard.items)), shard.items):
            yield item
            read += 1
    except InferenceError as error:
        if error.kind not in _LOST:
            raise
        problem = str(error)
    yield from (Item("", problem=problem) for _ in range(read, shard.items))
