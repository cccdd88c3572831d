"""The contract of the endpoint that a job asks, in an engine of this process or on a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import InferenceResult


class Inference(ABC):
    """One endpoint. What goes wrong is an `InferenceError`; limits, packing, retries and caches are behind it."""

    @abstractmethod
    async def shown(self) -> Mapping[str, Any]:
        """The endpoint's configuration, as it is shown: without its secrets."""

    @abstractmethod
    async def infer(self, request: InferenceRequest) -> InferenceResult:
        """The whole result of *request*."""
