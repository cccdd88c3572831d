"""The endpoint of a job in the engine of a server, asked in the name of who started the job."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from msgspec.structs import replace
from typing_extensions import override

from inferpoint.bulk.inference import Inference
from inferpoint.calls.batches import EndpointBatches
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import Caller, InferenceRequest, InputType
from inferpoint.model.results import InferenceResult


class Walk(Protocol):
    """What a server's engine does for jobs: the walk of any request, whoever asks."""

    async def refresh(self) -> None:
        """See the endpoints as other processes wrote them."""
        ...

    def find(self, caller: Caller, inference_id: str, /) -> Resolved:
        """The endpoint that *caller* asks for."""
        ...

    def infer(self, resolved: Resolved, request: InferenceRequest, /) -> Coroutine[Any, Any, InferenceResult]:
        """The whole result; raises at once where the request does not fit the endpoint."""
        ...

    def batches(self, resolved: Resolved, /) -> EndpointBatches:
        """The batches of an endpoint."""
        ...


class ServedInference(Inference):
    """The endpoint *inference_id*, in the lane of what is ingested; *who* is its caller, or raises what ended it.

    So the caller's limits count, and what its key may not do any more its jobs do not.
    """

    def __init__(self, walk: Walk, who: Callable[[], Caller], inference_id: str) -> None:
        self._walk = walk
        self._who = who
        self._inference_id = inference_id

    @override
    async def shown(self) -> Mapping[str, Any]:
        await self._walk.refresh()
        return self._walk.find(self._who(), self._inference_id).shown()

    @override
    async def infer(self, request: InferenceRequest) -> InferenceResult:
        await self._walk.refresh()
        caller = self._who()
        resolved = self._walk.find(caller, self._inference_id)
        return await self._walk.infer(resolved, replace(request, caller=caller, input_type=InputType.INGEST))

    @override
    def batches(self) -> EndpointBatches:
        """The batches of the endpoint; `FORBIDDEN` to a caller with limits, which a provider does not hold them to."""
        caller = self._who()
        if caller.limits is not None:
            raise InferenceError(
                Kind.FORBIDDEN, "A key with limits of its own has no batches: they are not held to them"
            )
        return self._walk.batches(self._walk.find(caller, self._inference_id))
