"""By when a request is to be answered, and what is told when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

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
    return replace(request, deadline=Deadline(clock.monotonic() + timeout, timeout))


class InTime:
    """A context that ends at the deadline of a request.

    `TIMED_OUT` then, or what is told of a queue where nothing of the request has *begun*.
    """

    def __init__(self, resolved: Resolved, request: InferenceRequest, begun: Callable[[], bool], clock: Clock) -> None:
        self._resolved = resolved
        self._request = request
        self._begun = begun
        left = request.deadline.left(clock.monotonic())
        self._timeout = asyncio.timeout(left) if left > 0 else None

    async def __aenter__(self) -> None:
        if self._timeout is None:  # nothing is begun that nobody waits for
            raise self._error()
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timeout is not None
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise self._error() from None
        if isinstance(error, TimeoutError):
            raise self._error() from None

    def _error(self) -> InferenceError:
        timeout, inference_id = self._request.deadline.timeout, self._resolved.endpoint.inference_id
        if timeout >= _INSTANT and not self._begun():
            return too_late(ticket(self._resolved, self._request.caller, lane(self._request)), inference_id, timeout)
        problem = f"Request timed out after [{human(timeout)}] for inference id [{inference_id}]"
        return InferenceError(Kind.TIMED_OUT, problem)
