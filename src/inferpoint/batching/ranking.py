"""Rankings of more documents than one call takes: cut into calls, and the scores of all put in order.

Only where scores do not depend on the documents beside: a cross-encoder scores each pair of query and document by
itself, a model that is shown a list does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from inferpoint.calls.calls import Calls
from inferpoint.calls.sizing import Load, Sizing, load_of
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError
from inferpoint.model.requests import InferenceRequest, Texts
from inferpoint.model.results import Ranked, Ranking, Usage
from inferpoint.protocols.rerank import most


async def ranking(calls: Calls, resolved: Resolved, request: InferenceRequest) -> Ranking:
    """The ranking of all documents, in as many calls as the provider takes; how much one holds is learnt.

    No more documents than were asked for, by the request or by the endpoint's option `top_n`.
    """
    documents = request.documents
    parts = await _parts(calls, resolved, request, 0, documents.texts)
    ranked = [document for part in parts for document in part.ranked]
    ranked.sort(key=lambda document: -document.score)
    return Ranking(ranked[: most(documents, resolved.endpoint.options)], _sum([part.usage for part in parts]))


async def _parts(
    calls: Calls, resolved: Resolved, request: InferenceRequest, first: int, texts: Texts
) -> Sequence[Ranking]:
    """The rankings of *texts*, of which the first has the index *first* in the request."""
    sizing, query = calls.sizing(resolved), request.documents.query
    load = _load(query, texts)
    if len(texts) < 2 or sizing.fits(load):
        try:
            return [await _part(calls, resolved, request, first, texts)]
        except InferenceError as error:
            _learn(resolved, sizing, load, error)
    lengths = _cut(sizing, query, texts)
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_parts(calls, resolved, request, first + start, texts[start : start + length]))
                for start, length in zip(starts, lengths, strict=True)
            ]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [part for task in tasks for part in task.result()]


async def _part(calls: Calls, resolved: Resolved, request: InferenceRequest, first: int, texts: Texts) -> Ranking:
    """One call, with the indices of its documents in the whole request."""
    documents = replace(request.documents, texts=texts)
    try:
        result = await calls.whole(calls.single(resolved, replace(request, input=documents)))
    except InferenceError as error:
        if error.index is None:
            raise
        index = first + error.index
        raise error.of_input(index, f"Document [{index}]: {error.problems[0]}") from error.__cause__
    assert isinstance(result, Ranking)
    used = 0 if result.usage is None else result.usage.input
    calls.sizing(resolved).count(_load(documents.query, texts), used)
    ranked = [Ranked(document.index + first, document.score, document.text) for document in result.ranked]
    return Ranking(ranked, result.usage)


def _learn(resolved: Resolved, sizing: Sizing, load: Load, error: InferenceError) -> None:
    """Learn from the refusal of what was too much for one call; raises every other *error*."""
    of = None if error.upstream is None else resolved.task.failures.oversize(error.upstream)
    if error.upstream is None or of is None or load.inputs < 2:
        raise error
    if sizing.fits(load):  # else another part has taught as much
        sizing.refuse(load, of, error.upstream.message)


def _cut(sizing: Sizing, query: str, texts: Texts) -> Sequence[int]:
    """How many documents go into each call, in their order: as many as fit, but never all of several."""
    lengths: list[int] = []
    load = Load()
    for text in texts:
        one = _load(query, (text,))
        load.add(one)
        if lengths and sizing.fits(load):
            lengths[-1] += 1
        else:
            lengths.append(1)
            load = one
    half = len(texts) // 2
    return lengths if len(lengths) > 1 else [half, len(texts) - half]


def _load(query: str, texts: Texts) -> Load:
    """The load of *texts*, each of which is read together with *query*."""
    load = Load()
    load.add(load_of(query), times=len(texts))
    for text in texts:
        load.add(load_of(text))
    return Load(len(texts), load.bytes)


def _sum(usages: Sequence[Usage | None]) -> Usage | None:
    """The cost of all parts; None when one of them did not tell."""
    told = [usage for usage in usages if usage is not None]
    return sum(told, Usage()) if told and len(told) == len(usages) else None
