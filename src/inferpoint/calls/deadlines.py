"""The deadline of a request, and the error when it has passed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from inferpoint.calls.job import lane, ticket
from inferpoint.calls.refusals import too_late
from inferpoint.clock import Clock
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.deadline import Deadline
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.times import human

GENERATING_SECONDS = 120.0
OTHER_SECONDS = 30.0
_INSTANT = 0.1  # seconds; what is over sooner was not begun for want of time, not because of a queue


def timed(resolved: Resolved, request: InferenceRequest, clock: Clock) -> InferenceRequest:
    """*request* with its deadline: after Elasticsearch's timeout for the task where it names none."""
    usual = GENERATING_SECONDS if resolved.endpoint.task_type.generates else OTHER_SECONDS
    timeout = usual if request.timeout is None else request.timeout
    now = clock.monotonic()
    deadline = Deadline(now + timeout, timeout, now + request.patience)
    members: dict[str, Any] = {**vars(request), "deadline": deadline}  # what `replace` does, in a tenth of its steps
    return InferenceRequest(**members)


@asynccontextmanager
async def in_time(
    resolved: Resolved, request: InferenceRequest, begun: Callable[[], bool], clock: Clock
) -> AsyncGenerator[None]:
    """A context that ends at the deadline of *request*.

    `TIMED_OUT` then, or what is told of a queue where nothing of the request has *begun*.
    """
    left = request.deadline.left(clock.monotonic())
    try:
        if left <= 0:  # nothing is begun that nobody waits for
            raise TimeoutError
        async with asyncio.timeout(left):
            yield
    except TimeoutError:
        raise _timed_out(resolved, request, begun=begun()) from None


def _timed_out(resolved: Resolved, request: InferenceRequest, *, begun: bool) -> InferenceError:
    timeout, inference_id = request.deadline.timeout, resolved.endpoint.inference_id
    if timeout >= _INSTANT and not begun:
        return too_late(ticket(resolved, request.caller, lane(request)), inference_id, timeout)
    problem = f"Request timed out after [{human(timeout)}] for inference id [{inference_id}]"
    return InferenceError(Kind.TIMED_OUT, problem)
