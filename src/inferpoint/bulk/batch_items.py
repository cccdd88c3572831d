"""The items of a shard that is in a batch: what is asked for them, and what their answers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inferpoint.bulk import rows
from inferpoint.bulk.asking import OF_THE_ITEM, Answers, Asking, for_now, read, text_of
from inferpoint.bulk.batch_shards import part_of
from inferpoint.bulk.job import SHARD_ITEMS, Shard
from inferpoint.bulk.sources.source import Source
from inferpoint.bulk.steps import Steps
from inferpoint.calls.batches import Answer
from inferpoint.errors import InferenceError
from inferpoint.model.batches import PlannedBatch
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Completion, Usage


@dataclass(frozen=True)
class BatchItems:
    """A shard with its items that are not done, and the requests for their texts, each with the places in it."""

    shard: Shard
    items: list[rows.Numbered]
    requests: list[tuple[list[int], InferenceRequest]]

    @property
    def part(self) -> PlannedBatch:
        """The part of a batch that the shard is."""
        part = part_of(self.shard)
        assert part is not None
        return part

    @property
    def characters(self) -> int:
        """How long all texts are."""
        return sum(len(text) for _, request in self.requests for text in request.texts)

    def numbered(self, first: int) -> dict[int, InferenceRequest]:
        """The requests with numbers, from the *first* on."""
        return {number: request for number, (_, request) in enumerate(self.requests, first)}


@dataclass
class Sorted:
    """What the answers to a shard's items are: `answers`, and the texts of those that have none, by their places.

    What is `unclear` was refused together with others; what is `owed` failed for now.
    """

    answers: Answers = field(default_factory=Answers)
    unclear: dict[int, str] = field(default_factory=dict[int, str])
    owed: dict[int, str] = field(default_factory=dict[int, str])


def items_of(source: Source, shard: Shard, asking: Asking) -> BatchItems:
    """The items of *shard*, read to the end."""
    steps = Steps(source, shard, SHARD_ITEMS)
    items: list[rows.Numbered] = []
    while step := steps.next():
        items += step
    texts = rows.texts(items)
    return BatchItems(shard, items, asking.requests(texts) if texts else [])


def sort(of: BatchItems, answered: Mapping[int, Answer]) -> Sorted:
    """Sort what became of the items *of* a shard; what concerns the endpoint as a whole is raised."""
    result = Sorted()
    result.answers.calls = sum(map(len, of.part.lines.values()))
    for number, (places, request) in enumerate(of.requests, min(of.part.lines)):
        texts = dict(zip(places, request.texts, strict=True))
        answer = answered[number]
        if isinstance(answer, InferenceError):
            for place in places:
                _fail(result, answer, place, texts, alone=len(places) == 1)
        elif isinstance(answer, Completion):
            result.answers.usage += answer.usage or Usage()
            result.answers.values[places[0]] = text_of(answer)
        else:
            values, usage, errors = read(answer)
            result.answers.usage += usage or Usage()
            for index, place in enumerate(places):
                if index in errors:
                    _fail(result, errors[index], place, texts, alone=errors[index].index is not None)
                else:
                    result.answers.values[place] = values[index]
    return result


def _fail(result: Sorted, error: InferenceError, place: int, texts: Mapping[int, str], *, alone: bool) -> None:
    if error.kind in OF_THE_ITEM and not alone:
        result.unclear[place] = texts[place]
    elif for_now(error, result.answers, [place]) is not None:
        result.owed[place] = texts[place]
