"""One alias, one space: it moves between embedding endpoints only when their vectors compare, unless that is forced.

Whoever asks under an alias searches with the vectors that they had from it. Those of another model fit into the same
index as soon as they are of the same length, and nothing ever says that the results mean nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model import settings
from inferpoint.model.endpoint import Endpoint
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, InferenceResult, SparseEmbeddings
from inferpoint.model.space import space
from inferpoint.storage.names import Former

PROBES = ("how big", "Vectors of one space agree in any language: le chat dort.", "SELECT name FROM endpoints")
LEAST_COSINE = 0.999

Ask = Callable[[Resolved, InferenceRequest], Awaitable[InferenceResult]]


def vectors_of(endpoint: Endpoint) -> Former:
    """What an alias stands for while it is the *endpoint*'s."""
    own = space(endpoint.service, settings.public(endpoint.settings))
    return Former(endpoint.inference_id, own, endpoint.dimensions)


def refuse_other_length(before: Endpoint, after: Endpoint) -> None:
    """`INVALID` when an endpoint's vectors are of another length *after* a change than *before*: of another model."""
    if before.dimensions is not None and before.dimensions != after.dimensions:
        raise invalid(
            f"The vectors of [{before.inference_id}] have [{before.dimensions}] numbers, and would have"
            f" [{after.dimensions}]: another model answers. What was embedded under it would have to be embedded anew;"
            ' say ["force": true] to change it all the same',
            subject=Subject.SETTINGS,
        )


async def refuse_other_space(
    alias: str, before: Former, owner: Resolved | None, after: Resolved, ask: Ask | None
) -> None:
    """`INVALID` unless the vectors of *after* are of the space for which *alias* stood *before*.

    They are when service and model are the same, or when both endpoints say so of a few texts: for that *owner*, who
    had the alias, must still be there, and *ask* asks either.
    """
    now = vectors_of(after.endpoint)
    if None not in (before.dimensions, now.dimensions) and before.dimensions != now.dimensions:
        raise _refused(alias, before, now, f"its vectors have [{now.dimensions}] numbers and not [{before.dimensions}]")
    if before.space == now.space:
        return
    if owner is None or vectors_of(owner.endpoint).space != before.space:
        raise _refused(alias, before, now, "that one is gone, so that their vectors cannot be compared")
    if ask is None:
        raise _refused(alias, before, now, "their vectors were not compared, as nothing is to be tried")
    request = InferenceRequest(PROBES)
    try:
        results = await asyncio.gather(ask(owner, request), ask(after, request))
    except InferenceError as error:
        if error.retry_after is not None:
            raise
        raise _refused(alias, before, now, "their vectors could not be compared") from error
    cosine = min(map(_cosine, *map(_rows, results)), default=0.0)
    if cosine < LEAST_COSINE:
        reason = f"of [{len(PROBES)}] texts the least cosine of their vectors is [{cosine:.4f}], below [{LEAST_COSINE}]"
        raise _refused(alias, before, now, reason)


def _refused(alias: str, before: Former, now: Former, reason: str) -> InferenceError:
    return invalid(
        f"The alias [{alias}] stands for vectors of [{before.inference_id}], and those of [{now.inference_id}] are of"
        f" another model: {reason}. What was embedded under it would have to be embedded anew;"
        ' say ["force": true] to move it all the same',
        subject=Subject.SETTINGS,
    )


def _rows(result: InferenceResult) -> Sequence[dict[str, float]]:
    """The vectors of a result, each by its dimensions."""
    if isinstance(result, Embeddings):
        return [{str(place): number for place, number in enumerate(vector)} for vector in result.numbers()]
    if isinstance(result, SparseEmbeddings):
        return [dict(weights) for weights, _ in result.weights]
    raise InferenceError(Kind.INTERNAL, "The result is no embedding")


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    product = sum(number * other.get(name, 0.0) for name, number in one.items())
    lengths = math.hypot(*one.values()) * math.hypot(*other.values())
    return product / lengths if lengths else float(one == other)
