"""What a batch consists of: which inputs of which request are in which line, and results made of lines again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import msgspec

from inferpoint.batching.pool import rows
from inferpoint.calls.batches import Answer
from inferpoint.calls.sizing import Load, Sizing, loads_of, together
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError
from inferpoint.model.quota import Rate
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, Usage


def divided(resolved: Resolved, request: InferenceRequest) -> list[int]:
    """How many inputs each line of *request* has: as many as one call may hold by what its service declares."""
    if resolved.endpoint.task_type.generates:
        return [len(request.texts)]
    sizing = Sizing(resolved.task.rates.limits(resolved.endpoint.settings), Rate())
    sizes, load = list[int](), Load()
    for one in loads_of(request.texts):
        load.add(one)
        if load.inputs > 1 and not sizing.fits(load):
            sizes.append(load.inputs - 1)
            load = together([one])
    return [*sizes, load.inputs] if load.inputs else sizes


def parts(request: InferenceRequest, sizes: Sequence[int]) -> Iterator[InferenceRequest]:
    """The requests of so many inputs each that the lines of *request* are."""
    bounds = itertools.accumulate(sizes, initial=0)
    for begin, end in itertools.pairwise(bounds):
        yield msgspec.structs.replace(request, input=request.texts[begin:end], chunking=None)


def joined(answers: Sequence[Answer], sizes: Sequence[int], numbers: int | None) -> Embeddings:
    """The embeddings of one request of the *answers* to its lines, of so many inputs each.

    A line's own error is that of each of its inputs, and is about an input only where it is the only one.
    """
    vectors, cut, errors, usage = list[object](), set[int](), dict[int, InferenceError](), list[Usage]()
    for answer, size in zip(answers, sizes, strict=True):
        begin = len(vectors)
        try:
            if isinstance(answer, InferenceError):
                raise answer
            row = rows(answer, size, numbers)
        except InferenceError as error:
            vectors += [None] * size
            errors |= {begin + place: error.of_input(begin if size == 1 else None) for place in range(size)}
            continue
        vectors += [None if place in row.errors else value for place, value in enumerate(row.values)]
        cut |= {begin + place for place in row.cut}
        errors |= {begin + place: error.of_input(begin + place) for place, error in row.errors.items()}
        usage += [] if answer.usage is None else [answer.usage]
    return Embeddings(vectors, sum(usage, Usage()) if usage else None, frozenset(cut), errors)
