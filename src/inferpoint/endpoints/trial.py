"""The trial of an endpoint: one call that its provider must answer before anything of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, InferenceResult
from inferpoint.model.times import human
from inferpoint.model.vectors import length

Probe = Callable[[Resolved, InferenceRequest], Coroutine[Any, Any, InferenceResult]]

_BUSY = (Kind.RATE_LIMITED, Kind.OVERLOADED)


async def tried(draft: Resolved, ask: Probe, told: int | None = None) -> Resolved:
    """*draft* after one call, with the length of its vectors as that call found it."""
    endpoint = draft.endpoint
    unmeasured = replace(draft, endpoint=replace(endpoint, dimensions=None))
    try:
        result = await ask(unmeasured, draft.probe)
    except InferenceError as error:
        if error.kind in _BUSY and error.retry_after is not None:
            raise _not_now(error, error.retry_after) from error
        problem = "Could not complete inference endpoint creation as validation call to service threw an exception."
        raise invalid(problem) from error
    if not isinstance(result, Embeddings):
        return draft
    measured = length(result.vectors[0]) * draft.element.dimensions
    expected = getattr(endpoint.settings, "dimensions", None) or told
    if expected not in (None, measured):
        raise invalid(
            f"The retrieved embeddings size [{measured}] does not match the size specified in the settings"
            f" [{expected}]."
            f" Please recreate the [{endpoint.inference_id}] configuration with the correct dimensions"
        )
    return replace(draft, endpoint=replace(endpoint, dimensions=measured))


def _not_now(error: InferenceError, seconds: float) -> InferenceError:
    """What is told when the trial call of an endpoint would have to wait, as *error* tells."""
    problem = f"The endpoint is not kept, as it could not be tried now; come again in [{human(seconds)}]. {error}"
    whose_limit = error.whose_limit or "provider"
    return InferenceError(Kind.RATE_LIMITED, problem, retry_after=seconds, whose_limit=whose_limit)
