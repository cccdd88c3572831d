"""One endpoint of the library's, as a bulk job asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from inferpoint.bulk.inference import Inference
from inferpoint.calls.batches import EndpointBatches
from inferpoint.library.backend import Backend
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import InferenceResult


class EndpointInference(Inference):
    """The endpoint *inference_id* of *backend*, which others open and close."""

    def __init__(self, backend: Backend, inference_id: str) -> None:
        self._backend = backend
        self._inference_id = inference_id

    @override
    async def shown(self) -> Mapping[str, Any]:
        return await self._backend.get(self._inference_id)

    @override
    async def infer(self, request: InferenceRequest) -> InferenceResult:
        return await self._backend.infer(self._inference_id, request, None)

    @override
    def batches(self) -> EndpointBatches:
        batches = self._backend.batches(self._inference_id)
        return super().batches() if batches is None else batches
