"""Steps bound what is held of a shard at once, in items and in characters."""

from __future__ import annotations

import pytest
from bulk_places import MemorySource, items
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.bulk.job import Shard
from inferpoint.bulk.sources.source import Item
from inferpoint.bulk.steps import STEP_CHARACTERS, Steps
from inferpoint.errors import InferenceError, Kind


def taken(source: MemorySource, shard: Shard, most: int) -> list[list[int]]:
    """The numbers of the items of each step."""
    reader = Steps(source, shard, most)
    every: list[list[int]] = []
    while step := reader.next():
        every.append([number for number, _ in step])
    return every


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 40), st.sets(st.integers(0, 39)))
def test_every_item_that_is_not_done_comes_once(count: int, most: int, done: int, only: set[int]) -> None:
    """The steps of a shard hold its items from the first that is not done on, in order, and no step too many."""
    places = tuple(sorted(place for place in only if place < count)) or None
    source = MemorySource(items(100))
    shard = Shard(0, "a", 10, 10 + count, 500, count, min(done, count), only=places)
    wanted = [500 + place for place in (places or range(count))][shard.done :]
    every = taken(source, shard, most)
    assert [number for step in every for number in step] == wanted
    assert all(len(step) <= most for step in every)


def test_a_step_has_few_characters_or_one_item() -> None:
    """Texts that are long together come in several steps, and one that is too long by itself alone."""
    long, half = Item("x" * (STEP_CHARACTERS + 1)), Item("y" * (STEP_CHARACTERS // 2))
    source = MemorySource([half, half, half, long, half])
    assert taken(source, Shard(0, "a", 0, 5, 0, 5), 512) == [[0, 1], [2], [3], [4]]


def test_what_a_source_has_no_more_is_told_of_each_item() -> None:
    """Where a source ends early, or cannot be read, each item that is missing says so."""
    source = MemorySource(items(5), 3, InferenceError(Kind.UNREADABLE, "damaged"))
    problems = [item.problem for _, item in Steps(source, Shard(0, "a", 0, 5, 0, 5), 512).next()]
    assert problems == [None, None, None, "damaged", "damaged"]


def test_what_could_not_be_read_for_now_is_read_again() -> None:
    """After an error that passes the items come again that it was about, each once, and none is left out."""
    source = MemorySource(items(30), 17, InferenceError(Kind.CUT_OFF, "no connection"))
    reader = Steps(source, Shard(0, "a", 0, 30, 0, 30), 10)
    assert [number for number, _ in reader.next()] == [*range(10)]
    for _ in range(2):
        with pytest.raises(InferenceError, match="no connection"):
            reader.next()
    source.error = None
    assert [number for number, _ in reader.next() + reader.next()] == [*range(10, 30)]
    assert reader.next() == []
