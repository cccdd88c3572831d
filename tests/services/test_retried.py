"""Which of a provider's refusals are worth another try: the same for each service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from in_process import post
from service_accounts import key_file
from world import CHAT, COMPLETION, EMBEDDING, World, in_turn, json_reply

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply

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


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
EXHAUSTED = {"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [RETRY_INFO]}}
GROQ = {"error": {"message": "Rate limit reached. Please try again in 34.5s. Visit us", "code": "rate_limit_exceeded"}}
GOOGLE = {"service_account_json": key_file(), "location": "us-east1", "project_id": "p", "model_id": "m"}
AZURE = {"api_key": "k", "resource_name": "r", "deployment_id": "d", "api_version": "v"}


@pytest.mark.parametrize(
    ("kind", "config", "status", "body"),
    [
        (EMBEDDING, config("googleaistudio", KEY), 429, EXHAUSTED),
        (COMPLETION, config("googleaistudio", KEY), 429, EXHAUSTED),
        (COMPLETION, config("googleaistudio", KEY), 200, [EXHAUSTED]),  # as a stream that never began
        (CHAT, config("googlevertexai", GOOGLE), 429, EXHAUSTED),
        (CHAT, config("groq", KEY), 429, GROQ),
        (COMPLETION, config("openai", KEY), 429, GROQ),
        (CHAT, config("azureopenai", AZURE), 429, {"error": {"message": "Please retry after 34.5 seconds."}}),
    ],
)
def test_a_pause_that_a_body_tells_is_told_on(
    make_world: Callable[..., World], kind: TaskType, config: dict[str, Any], status: int, body: Any
) -> None:
    """Whoever would have to wait too long is told when to come again, and the whole rate group pauses until then."""

    def answer(call: Call) -> Reply:
        granted = b"grant_type=" in call.body
        return json_reply({"access_token": "t", "expires_in": 3600} if granted else body, 200 if granted else status)

    world = make_world(answer, validate=False)
    world.create("e", kind, config)
    for _ in range(2):
        refused = post(world, "/_inference/e?timeout=10s", ASKED.get(kind, {"input": "x"}))
        assert (refused.status, refused.headers["retry-after"]) == (429, "35")
