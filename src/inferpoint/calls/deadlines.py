"""The deadline of a request, and the error when it has passed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

import msgspec

from inferpoint.calls.job import lane, ticket
from inferpoint.calls.refusals import too_late
from inferpoint.clock import Clock
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.deadline import Deadline
from inferpoint.model.quota import Lane
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.times import human

GENERATING_SECONDS = 120.0
OTHER_SECONDS = 30.0
_INSTANT = 0.1  # seconds; what is over sooner was not begun for want of time, not because of a queue


def timed(resolved: Resolved, request: InferenceRequest, clock: Clock, longest: float) -> InferenceRequest:
    """*request* with its deadline: after Elasticsearch's timeout for the task where it names none.

    What is ingested may take as long as it likes, all else the *longest* that is allowed.
    """
    usual = GENERATING_SECONDS if resolved.endpoint.task_type.generates else OTHER_SECONDS
    timeout = usual if request.timeout is None else request.timeout
    if timeout > longest and lane(request) is not Lane.INGEST:
        timeout = longest
    now = clock.monotonic()
    deadline = Deadline(now + timeout, timeout, now + request.patience)
    return msgspec.structs.replace(request, deadline=deadline)


class InTime:
    """A context that ends at the deadline of *request*, by cancelling what it holds, as `asyncio.timeout` does.

    `TIMED_OUT` then, or what is told of a queue where nothing of the request has *begun*.
    """

    def __init__(self, resolved: Resolved, request: InferenceRequest, begun: Callable[[], bool], clock: Clock) -> None:
        self._resolved = resolved
        self._request = request
        self._begun = begun
        self._clock = clock
        self._over = False

    def __enter__(self) -> None:
        left = self._request.deadline.at - self._clock.monotonic()
        if left <= 0:  # nothing is begun that nobody waits for
            raise self._error()
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._timer = loop.call_later(left, self._end)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if kind is None and not self._over:
            return
        ended = self._over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError
        if ended or isinstance(error, TimeoutError):
            raise self._error() from None

    def _end(self) -> None:
        self._over = True
        self._task.cancel()

    def _error(self) -> InferenceError:
        return _timed_out(self._resolved, self._request, begun=self._begun())


def _timed_out(resolved: Resolved, request: InferenceRequest, *, begun: bool) -> InferenceError:
    timeout, inference_id = request.deadline.timeout, resolved.endpoint.inference_id
    if timeout >= _INSTANT and not begun:
        return too_late(ticket(resolved, request.caller, lane(request)), inference_id, timeout)
    problem = f"Request timed out after [{human(timeout)}] for inference id [{inference_id}]"
    return InferenceError(Kind.TIMED_OUT, problem)
