"""An endpoint that answers as a test tells it, for the library in process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from bulk_places import Scripted

from inferpoint.library.inprocess import InProcess
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import InferenceResult


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """An endpoint in place of all that an engine has: the vector of a text is its length."""
    scripted = Scripted()

    async def get(_self: InProcess, _inference_id: str) -> Mapping[str, Any]:
        return await scripted.shown()

    async def infer(
        _self: InProcess, _inference_id: str, request: InferenceRequest, _kind: TaskType | None
    ) -> InferenceResult:
        return await scripted.infer(request)

    monkeypatch.setattr(InProcess, "get", get)
    monkeypatch.setattr(InProcess, "infer", infer)
    return scripted
