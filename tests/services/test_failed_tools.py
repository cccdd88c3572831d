"""That a tool failed: told to each provider in its own form."""

from __future__ import annotations

import json
from typing import Any

from played import endpoint

from inferpoint.model.chat import Conversation, Message, Role, TextPart, Tool, ToolUse
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import InferenceRequest

AWS = {"access_key": "AKIDEXAMPLE", "secret_key": "s", "region": "us-east-1", "model": "m"}
TALK = Conversation(
    (
        Message(Role.USER, (TextPart("Weather?"),)),
        Message(Role.ASSISTANT, (ToolUse("c1", "weather", "{}"),)),
        Message(Role.TOOL, (TextPart("no such city"),), tool_call_id="c1", failed=True),
    ),
    (Tool("weather"),),
)


def last_message(service: str, settings: dict[str, Any], options: dict[str, Any]) -> Any:
    resolved = endpoint(TaskType.CHAT_COMPLETION, service, settings, options)
    stored = resolved.endpoint
    call = resolved.task.encode(InferenceRequest(TALK), stored.settings, stored.options, "https://a.test")
    return json.loads(call.body)["messages"][-1]


def test_anthropic_is_told_in_its_own_member() -> None:
    """The result is marked as an error."""
    (result,) = last_message("anthropic", {"api_key": "k", "model_id": "m"}, {"max_tokens": 9})["content"]
    assert (result["is_error"], result["content"][0]["text"]) == (True, "no such city")


def test_openai_is_told_in_words() -> None:
    """Where the format has no place for it, the words begin with it."""
    found = last_message("openai", {"api_key": "k", "model_id": "m"}, {})
    assert found == {"role": "tool", "content": "Error: no such city", "tool_call_id": "c1"}


def test_claude_on_bedrock_is_told_by_a_status() -> None:
    """Converse has a status for it, which Claude takes."""
    (block,) = last_message("amazonbedrock", {**AWS, "provider": "anthropic"}, {})["content"]
    assert block["toolResult"]["status"] == "error"


def test_other_models_of_bedrock_are_told_in_words() -> None:
    """A model that does not take the status reads what it would say."""
    (block,) = last_message("amazonbedrock", {**AWS, "provider": "mistral"}, {})["content"]
    assert block["toolResult"] == {"toolUseId": "c1", "content": [{"text": "Error:"}, {"text": "no such city"}]}
