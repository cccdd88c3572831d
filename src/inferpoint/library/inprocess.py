"""The library's work done by an engine in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import platformdirs
from typing_extensions import override

from inferpoint import services
from inferpoint.app import MODELS, Home, Parts, assembled
from inferpoint.calls.batches import EndpointBatches
from inferpoint.endpoints.lifecycle import Lifecycle
from inferpoint.engine.engine import Engine, Policy
from inferpoint.library.backend import Backend
from inferpoint.library.chats import Chat
from inferpoint.model.endpoint import TaskType
from inferpoint.model.endpoint import task_type as type_of
from inferpoint.model.limits import Limits
from inferpoint.model.requests import INTERNAL, InferenceRequest
from inferpoint.model.results import Completion, Delta, InferenceResult
from inferpoint.telemetry.events import Answered

_LIMITS = Limits(inputs=sys.maxsize, chunking_bytes=sys.maxsize)


class InProcess(Backend):
    """An engine whose endpoints are kept in *folder*, which is this program's alone, or else in memory."""

    def __init__(self, folder: Path | None, *, validate: bool) -> None:
        self._home = Home(folder, (folder or Path(platformdirs.user_data_dir("inferpoint"))) / MODELS)
        services.check_brought()
        self._policy = Policy(dict(os.environ), validate, limits=_LIMITS)
        self._opened: AbstractAsyncContextManager[Parts] | None = None
        self._parts: Parts | None = None

    @override
    async def open(self) -> None:
        opened = assembled(self._home, self._policy, os.environ, _unwritten)
        self._parts = await opened.__aenter__()
        self._opened = opened

    @override
    async def close(self) -> None:
        opened, self._opened, self._parts = self._opened, None, None
        if opened is not None:
            await opened.__aexit__(None, None, None)

    @override
    async def put(self, inference_id: str, config: Mapping[str, Any], timeout: float | None) -> dict[str, Any]:
        return (await self._lifecycle.create(INTERNAL, inference_id, config, seconds=timeout)).shown()

    @override
    async def update(self, inference_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._lifecycle.update(INTERNAL, inference_id, changes)).shown()

    @override
    async def get(self, inference_id: str) -> dict[str, Any]:
        return self._lifecycle.get(INTERNAL, inference_id).shown()

    @override
    async def all(self, task_type: str | None) -> list[dict[str, Any]]:
        kind = None if task_type is None else type_of(task_type)
        return [resolved.shown() for resolved in self._lifecycle.all(INTERNAL, kind)]

    @override
    async def delete(self, inference_id: str) -> None:
        await self._lifecycle.delete(INTERNAL, inference_id)

    @override
    async def infer(self, inference_id: str, request: InferenceRequest, kind: TaskType | None) -> InferenceResult:
        return await self._engine.infer(self._engine.find(INTERNAL, inference_id), request, kind)

    @override
    def batches(self, inference_id: str, /) -> EndpointBatches:
        return self._engine.batches(self._engine.find(INTERNAL, inference_id))

    @override
    def stream(self, inference_id: str, request: InferenceRequest) -> AsyncGenerator[Sequence[Delta]]:
        return self._engine.stream(self._engine.find(INTERNAL, inference_id), request)

    @override
    async def chat(self, inference_id: str, chat: Chat) -> Completion:
        resolved = self._engine.find(INTERNAL, inference_id)
        result = await self._engine.infer(resolved, chat.request(), TaskType.CHAT_COMPLETION)
        assert isinstance(result, Completion)
        return result

    @override
    def stream_chat(self, inference_id: str, chat: Chat) -> AsyncGenerator[Sequence[Delta]]:
        resolved = self._engine.find(INTERNAL, inference_id)
        return self._engine.stream(resolved, chat.request(), TaskType.CHAT_COMPLETION)

    @property
    def _engine(self) -> Engine:
        assert self._parts is not None
        return self._parts.engine

    @property
    def _lifecycle(self) -> Lifecycle:
        return self._engine.lifecycle

    def __repr__(self) -> str:
        return "in memory" if self._home.folder is None else repr(str(self._home.folder))


def _unwritten(_answered: Answered) -> None:
    """Leave an access log unwritten: a library writes none."""
