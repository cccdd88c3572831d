"""By when a request is to be answered, and what is told when it is not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace

from inferpoint.engine.endpoints import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.inference import InferenceRequest
from inferpoint.model.times import human
from inferpoint.runtime.clock import Clock

GENERATING_SECONDS = 120.0
OTHER_SECONDS = 30.0


def timed(resolved: Resolved, request: InferenceRequest, clock: Clock) -> InferenceRequest:
    """*request* with the moment by which to answer it: Elasticsearch's for the task where it says none."""
    usual = GENERATING_SECONDS if resolved.endpoint.task_type.generates else OTHER_SECONDS
    timeout = usual if request.timeout is None else request.timeout
    return replace(request, timeout=timeout, deadline=clock.monotonic() + timeout)


@contextlib.asynccontextmanager
async def until(resolved: Resolved, request: InferenceRequest, clock: Clock) -> AsyncGenerator[None]:
    """`TIMED_OUT` when what is done inside is not done by the deadline of *request*."""
    try:
        assert request.deadline is not None
        left = request.deadline - clock.monotonic()
        if left <= 0:  # nothing is begun that nobody waits for
            raise TimeoutError
        async with asyncio.timeout(left):
            yield
    except TimeoutError:
        given, inference_id = human(request.timeout or 0.0), resolved.endpoint.inference_id
        problem = f"Request timed out after [{given}] for inference id [{inference_id}]"
        raise InferenceError(Kind.TIMED_OUT, problem) from None
