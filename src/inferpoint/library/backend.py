"""The contract of what does the work of the library: an engine in this process, or a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from inferpoint.calls.batches import EndpointBatches
from inferpoint.library.chats import Chat
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Completion, Delta, InferenceResult


class Backend(ABC):
    """Endpoints and inference, between `open` and `close`. The repr names the place and holds no secret."""

    @abstractmethod
    async def open(self) -> None:
        """Get ready to work; what prevents it is an `InferenceError`, and nothing is left open then."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of all connections and files."""

    @abstractmethod
    async def put(self, inference_id: str, config: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
        """Create an endpoint, and show it."""

    @abstractmethod
    async def update(self, inference_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change an endpoint, and show it."""

    @abstractmethod
    async def get(self, inference_id: str) -> dict[str, Any]:
        """Show an endpoint."""

    @abstractmethod
    async def all(self, task_type: str | None) -> list[dict[str, Any]]:
        """Show all endpoints, or those of one task type."""

    @abstractmethod
    async def delete(self, inference_id: str) -> None:
        """Delete an endpoint."""

    @abstractmethod
    async def infer(self, inference_id: str, request: InferenceRequest, kind: TaskType | None) -> InferenceResult:
        """The whole result of texts or documents, of an endpoint of the task type *kind* where one is named."""

    def batches(self, _inference_id: str, /) -> EndpointBatches | None:
        """The batches of an endpoint; None where that is not in this process."""
        return None

    @abstractmethod
    def stream(self, inference_id: str, request: InferenceRequest) -> AsyncGenerator[Sequence[Delta]]:
        """The result of texts in pieces, those together that came together."""

    @abstractmethod
    async def chat(self, inference_id: str, chat: Chat) -> Completion:
        """A model's whole answer."""

    @abstractmethod
    def stream_chat(self, inference_id: str, chat: Chat) -> AsyncGenerator[Sequence[Delta]]:
        """A model's answer in pieces, those together that came together."""
