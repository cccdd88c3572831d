"""Items and their answers become rows, and failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from inferpoint.bulk.asking import Answers, Value
from inferpoint.bulk.job import Failure, FailureKind
from inferpoint.bulk.sinks.sink import Row
from inferpoint.bulk.sources.source import Item
from inferpoint.model.results import Chunk

Numbered = tuple[int, Item]  # an item with its number in the job


def item_id(number: int, item: Item) -> str:
    """The id of an item: its own, or its number in the job."""
    return str(number) if item.id is None else item.id


def texts(items: Sequence[Numbered]) -> Mapping[int, str]:
    """What is to be asked for, by its place among *items*."""
    return {place: item.text for place, (_, item) in enumerate(items) if item.problem is None and item.text.strip()}


def rows(items: Sequence[Numbered], answers: Answers) -> list[Row]:
    """A row for each item that was answered, or for each of its chunks."""
    written: list[Row] = []
    for place, (number, item) in enumerate(items):
        if place in answers.values:
            written += _of_item(item_id(number, item), item, answers.values[place])
    return written


def failures(items: Sequence[Numbered], answers: Answers, rejected: Mapping[str, str]) -> list[Failure]:
    """Why items have no row: what is wrong with them, what the provider says, or what the sink does."""
    failed: list[Failure] = []
    for place, (number, item) in enumerate(items):
        own_id = item_id(number, item)
        if item.problem is not None:
            failed.append(Failure(number, own_id, FailureKind.UNREADABLE, item.problem))
        elif place in answers.failures:
            failed.append(Failure(number, own_id, *answers.failures[place]))
        elif place not in answers.values:
            failed.append(Failure(number, own_id, FailureKind.EMPTY, "There is no text"))
        elif own_id in rejected:
            failed.append(Failure(number, own_id, FailureKind.REJECTED, rejected[own_id]))
    return failed


def _of_item(own_id: str, item: Item, value: Value) -> list[Row]:
    if type(value) is not tuple and type(value) is not list:
        return [Row(own_id, own_id, item.text, value, fields=item.fields)]
    chunks = cast("Sequence[Chunk]", value)
    return [
        Row(
            f"{own_id}#{number}",
            own_id,
            chunk.text or "",
            chunk.vector,
            number,
            chunk.start_offset,
            chunk.end_offset,
            item.fields,
        )
        for number, chunk in enumerate(chunks)
    ]
