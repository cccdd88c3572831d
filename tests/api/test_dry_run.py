"""A dry run: the endpoint that would be made, and the call by which it would be tried, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from in_process import Application
from world import World

SECRET = "canary-of-a-secret"
CUSTOM = {
    "secret_parameters": {"api_key": SECRET},
    "url": "https://provider.test/v1",
    "query_parameters": [["key", "${api_key}"]],
    "headers": {"Authorization": "Bearer ${api_key}"},
    "request": '{"input": ${input}, "key": ${api_key}, "model": ${model}}',
    "response": {"json_parser": {"text_embeddings": "$.data[*].embedding"}},
}
CUSTOM_CALL = {
    "method": "POST",
    "url": "https://provider.test/v1?key=***",
    "headers": {"content-type": "application/json", "authorization": "Bearer ***"},
    "body": {"input": ["how big"], "key": "***", "model": "m"},
}


@pytest.mark.parametrize(
    ("service", "settings", "options", "call"),
    [
        ("custom", CUSTOM, {"parameters": {"model": "m"}}, CUSTOM_CALL),
        ("hugging_face", {"api_key": SECRET, "url": "https://tei.test"}, {}, {
            "method": "POST",
            "url": "https://tei.test",
            "headers": {"content-type": "application/json", "authorization": "Bearer ***"},
            "body": {"inputs": ["how big"]},
        }),
        ("openai", {"client_id": "c", "client_secret": SECRET, "scopes": ["s"], "token_url": "https://t.test/",
                    "model_id": "m"}, {}, {
            "method": "POST",
            "url": "https://api.openai.com/v1/embeddings",
            "headers": {"content-type": "application/json", "authorization": "Bearer ***"},
            "body": {"input": ["how big"], "model": "m", "encoding_format": "float"},
        }),
    ],
)  # fmt: skip
def test_the_call_is_shown_and_not_made(
    world: World, service: str, settings: Mapping[str, Any], options: Mapping[str, Any], call: Mapping[str, Any]
) -> None:
    """Nothing is sent and nothing is kept; the endpoint is shown as it would be."""
    config = {"service": service, "service_settings": settings, "task_settings": options}
    answer = Application(world)("PUT", "/_inference/text_embedding/e?dry_run=true", config)
    assert answer.status == 200
    assert SECRET.encode() not in answer.body
    assert answer.json["call"] == call
    assert answer.json["endpoint"]["service"] == service
    assert world.provider.calls == []
    assert not world.endpoints.exists("e")


def test_a_dry_run_tells_what_is_missing(world: World) -> None:
    """The placeholder and the template's field, without a call."""
    config = {"service": "custom", "service_settings": CUSTOM}
    answer = Application(world)("PUT", "/_inference/text_embedding/e?dry_run", config)
    assert answer.status == 400
    assert "Found placeholder [${model}] in field [request]" in answer.json["error"]["reason"]
    assert world.provider.calls == []
