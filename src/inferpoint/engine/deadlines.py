"""By when a request is to be answered, and what is told when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.inference import InferenceRequest
from inferpoint.model.times import human
from inferpoint.runtime.clock import Clock

R = TypeVar("R")

GENERATING_SECONDS = 120.0
OTHER_SECONDS = 30.0


def timed(resolved: Resolved, request: InferenceRequest, clock: Clock) -> InferenceRequest:
    """*request* with the moment by which to answer it: Elasticsearch's for the task where it says none."""
    usual = GENERATING_SECONDS if resolved.endpoint.task_type.generates else OTHER_SECONDS
    timeout = usual if request.timeout is None else request.timeout
    return replace(request, timeout=timeout, deadline=clock.monotonic() + timeout)


async def until(resolved: Resolved, request: InferenceRequest, clock: Clock, work: Callable[[], Awaitable[R]]) -> R:
    """What *work* gives; `TIMED_OUT` when it is not done by the deadline of *request*."""
    assert request.deadline is not None
    left = request.deadline - clock.monotonic()
    try:
        if left <= 0:  # nothing is begun that nobody waits for
            raise TimeoutError
        async with asyncio.timeout(left):
            return await work()
    except TimeoutError:
        given, inference_id = human(request.timeout or 0.0), resolved.endpoint.inference_id
        problem = f"Request timed out after [{given}] for inference id [{inference_id}]"
        raise InferenceError(Kind.TIMED_OUT, problem) from None
