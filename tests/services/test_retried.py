"""Which of a provider's refusals are worth another try, as each service says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from asgi import post
from world import CHAT, COMPLETION, EMBEDDING, World, in_turn

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Reply

KEY = {"api_key": "k", "model_id": "m"}
DEPLOYED = {"api_key": "k", "url": "https://tei.test"}
AWS = {"access_key": "a", "secret_key": "s", "region": "us-east-1", "provider": "amazontitan", "model": "m"}
ASKED = {
    CHAT: {"messages": [{"role": "user", "content": "x"}]},
    TaskType.RERANK: {"query": "q", "input": ["x"]},
}
STATUSES = {400, 401, 404, 422, 429, 500, 502, 503, 529}


def config(service: str, settings: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return {"service": service, "service_settings": dict(settings), "task_settings": options}


@pytest.mark.parametrize(
    ("kind", "config", "retried"),
    [
        (EMBEDDING, config("openai", KEY), {429, 500, 503}),
        (COMPLETION, config("openai", KEY), {429, 500, 503}),
        (COMPLETION, config("anthropic", KEY, max_tokens=9), {429, 500, 529}),
        (CHAT, config("anthropic", KEY, max_tokens=9), {429, 500, 529}),
        (EMBEDDING, config("hugging_face", DEPLOYED), {429, 502, 503}),
        (TaskType.SPARSE_EMBEDDING, config("hugging_face", DEPLOYED), {429, 502, 503}),
        (TaskType.RERANK, config("hugging_face", DEPLOYED), {429, 502, 503}),
        (CHAT, config("hugging_face", {**DEPLOYED, "model_id": "m"}), {429, 500, 502, 503}),
        (EMBEDDING, config("amazonbedrock", AWS), {429, 500, 503}),
        (COMPLETION, config("amazonbedrock", AWS), {429, 500, 503}),
    ],
)
def test_a_refusal_is_tried_again_where_the_service_says_so(
    make_world: Callable[..., World], kind: TaskType, config: dict[str, Any], retried: set[int]
) -> None:
    """A status that the provider answers while it is busy or wakes is worth a second call, any other is not."""
    calls: dict[int, int] = {}
    for status in STATUSES:
        world = make_world(in_turn(Reply(status), Reply(400)), validate=False)
        world.create(f"e{status}", kind, config)
        assert post(world, f"/_inference/e{status}", ASKED.get(kind, {"input": "x"})).status >= 400
        calls[status] = len(world.provider.calls)
    assert calls == {status: 2 if status in retried else 1 for status in STATUSES}
