"""Which of a provider's refusals are worth another try: the same for each service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from in_process import post
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
STATUSES = {400, 401, 404, 422, 429, 500, 501, 502, 503, 504, 529}
RETRIED = {429, 500, 502, 503, 504, 529}


def config(service: str, settings: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return {"service": service, "service_settings": dict(settings), "task_settings": options}


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (EMBEDDING, config("openai", KEY)),
        (COMPLETION, config("openai", KEY)),
        (COMPLETION, config("anthropic", KEY, max_tokens=9)),
        (CHAT, config("anthropic", KEY, max_tokens=9)),
        (EMBEDDING, config("hugging_face", DEPLOYED)),
        (TaskType.SPARSE_EMBEDDING, config("hugging_face", DEPLOYED)),
        (TaskType.RERANK, config("hugging_face", DEPLOYED)),
        (CHAT, config("hugging_face", {**DEPLOYED, "model_id": "m"})),
        (EMBEDDING, config("amazonbedrock", AWS)),
        (COMPLETION, config("amazonbedrock", AWS)),
    ],
)
def test_a_refusal_is_tried_again_whatever_the_service(
    make_world: Callable[..., World], kind: TaskType, config: dict[str, Any]
) -> None:
    """A status that a provider answers while it is busy, fails or wakes is worth a second call, any other is not."""
    calls: dict[int, int] = {}
    for status in STATUSES:
        world = make_world(in_turn(Reply(status), Reply(400)), validate=False)
        world.create(f"e{status}", kind, config)
        assert post(world, f"/_inference/e{status}", ASKED.get(kind, {"input": "x"})).status >= 400
        calls[status] = len(world.provider.calls)
    assert calls == {status: 2 if status in RETRIED else 1 for status in STATUSES}
