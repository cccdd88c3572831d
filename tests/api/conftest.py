"""A server with endpoints on a provider whose answers a test writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application
from world import EMBEDDING, Answer, World, hugging_face, openai

from inferpoint.model.endpoint import TaskType

VECTORS = "vectors"
CHAT = "chat"
CLAUDE = "claude"


@pytest.fixture
def faces(make_world: Callable[..., World]) -> Callable[..., Application]:
    """A function that makes a server of all faces, given how its provider answers."""

    def make(answer: Answer | None = None) -> Application:
        world = make_world(answer, validate=False)
        world.create(VECTORS, EMBEDDING, openai())
        world.create("tei", EMBEDDING, hugging_face())
        world.create(CHAT, TaskType.CHAT_COMPLETION, openai())
        account: dict[str, Any] = {"api_key": "k", "model_id": "m"}
        config = {"service": "anthropic", "service_settings": account, "task_settings": {"max_tokens": 9}}
        world.create(CLAUDE, TaskType.CHAT_COMPLETION, config)
        world.create("ranks", TaskType.RERANK, hugging_face({"url": "https://tei.test/rerank"}))
        return Application(world)

    return make


@pytest.fixture
def ask(faces: Callable[..., Application]) -> Application:
    """A server whose provider answers like OpenAI."""
    return faces()
