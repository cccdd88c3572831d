"""The contract of the endpoint that a job asks, in an engine of this process or on a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from inferpoint.calls.batches import EndpointBatches
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import InferenceResult

ELSEWHERE = (
    "Batches are handed in where the endpoint is kept: run the job there without --server, or have that server run it"
    " (POST /_inference/_jobs)"
)


class Inference(ABC):
    """One endpoint. What goes wrong is an `InferenceError`; limits, packing, retries and caches are behind it."""

    @abstractmethod
    async def shown(self) -> Mapping[str, Any]:
        """The endpoint's configuration, as it is shown: without its secrets."""

    @abstractmethod
    async def infer(self, request: InferenceRequest) -> InferenceResult:
        """The whole result of *request*."""

    def batches(self) -> EndpointBatches:
        """The batches of the endpoint; `UNSUPPORTED` where it has none, or where it is not in this process."""
        raise InferenceError(Kind.UNSUPPORTED, ELSEWHERE)
