"""Conversations that one provider would refuse, made so that it takes them: what is meant does not change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from conversing import asking
from played import endpoint

from inferpoint.endpoints.resolved import Resolved
from inferpoint.model.endpoint import TaskType

HI = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "look"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
AMAZON = {"access_key": "a", "secret_key": "s", "region": "us-east-1", "model": "m"}


def chats(service: str, settings: Mapping[str, Any], **options: Any) -> Resolved:
    return endpoint(TaskType.CHAT_COMPLETION, service, dict(settings), options)


OPENAI = chats("openai", {"api_key": "k", "model_id": "m"})
GROQ = chats("groq", {"api_key": "k", "model_id": "m"})
ANTHROPIC = chats("anthropic", {"api_key": "k", "model_id": "m"}, max_tokens=9)
BEDROCK = chats("amazonbedrock", {**AMAZON, "provider": "anthropic"})
META = chats("amazonbedrock", {**AMAZON, "provider": "meta"})


def sent(resolved: Resolved, *messages: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    stored = resolved.endpoint
    asked = asking({"messages": list(messages), **members})
    return json.loads(resolved.task.encode(asked, stored.settings, stored.options, "https://a.test").body)


def called(*names: str) -> dict[str, Any]:
    calls = [{"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}} for name in names]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(name: str, content: Any = "12:31") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": name, "content": content}


STOPS: dict[str, tuple[Resolved, Callable[[Any], Any]]] = {
    "openai": (OPENAI, lambda body: body.get("stop")),
    "groq": (GROQ, lambda body: body.get("stop")),
    "anthropic": (ANTHROPIC, lambda body: body.get("stop_sequences")),
    "claude on amazonbedrock": (BEDROCK, lambda body: body.get("inferenceConfig", {}).get("stopSequences")),
    "meta on amazonbedrock": (META, lambda body: body.get("inferenceConfig", {}).get("stopSequences")),
}
TAKE_BLANKS = {"openai", "groq", "meta on amazonbedrock"}


@pytest.mark.parametrize("name", STOPS)
def test_a_word_to_stop_at_is_not_empty(name: str) -> None:
    """Clients say none by an empty one; of white space alone it reaches models that take it."""
    resolved, told = STOPS[name]
    assert told(sent(resolved, HI, stop=[""])) is None
    assert told(sent(resolved, HI, stop=["", "\n", "END"])) == (["\n", "END"] if name in TAKE_BLANKS else ["END"])


@pytest.mark.parametrize("resolved", [ANTHROPIC, BEDROCK], ids=["anthropic", "amazonbedrock"])
def test_an_answer_begun_for_the_model_does_not_end_in_white_space(resolved: Resolved) -> None:
    """Only the last turn is trimmed, and only at its end."""
    begun = {"role": "assistant", "content": " Answer: \n"}
    messages = json.dumps(sent(resolved, HI, begun, HI, begun)["messages"])
    assert re.findall(r'" Answer:( \\n)?"', messages) == [r" \n", ""]


@pytest.mark.parametrize(
    ("resolved", "asked", "answered"),
    [(ANTHROPIC, r'"id": "([^"]*)"', r'"tool_use_id": "([^"]*)"'), (BEDROCK, *[r'"toolUseId": "([^"]*)"'] * 2)],
    ids=["anthropic", "amazonbedrock"],
)
def test_a_call_keeps_one_id_that_the_provider_takes(resolved: Resolved, asked: str, answered: str) -> None:
    """Ids of other makers hold signs, or are longer, than these take; no two become one, and good ones stay."""
    names = ["functions.look:0", "functions.look:1", "functions_look_0", "é", "x" * 65, "toolu_01-A"]
    body = json.dumps(sent(resolved, HI, called(*names), *map(result, names), tools=[TOOL])["messages"])
    uses, results = re.findall(asked, body)[: len(names)], re.findall(answered, body)[-len(names) :]
    assert uses == results
    assert len(set(uses)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", use) for use in uses)
    assert {"functions_look_0", "toolu_01-A"} < set(uses)


@pytest.mark.parametrize("choice", [{}, {"tools": [TOOL], "tool_choice": "none"}], ids=["no tools", "none"])
def test_bedrock_is_told_of_tools_that_were_called_before(choice: dict[str, Any]) -> None:
    """An agent's last turn has no tools, and Bedrock wants those of the history, which say that they are not called."""
    body = sent(BEDROCK, HI, called("a"), result("a"), HI, **choice)
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["look"]
    assert "toolChoice" not in body["toolConfig"]
    assert "cannot be called" in body["toolConfig"]["tools"][0]["toolSpec"]["description"]
    other = sent(META, HI, called("a"), result("a"), HI)
    assert [tool["toolSpec"]["name"] for tool in other["toolConfig"]["tools"]] == ["look"]
    assert "additionalModelRequestFields" not in other


def test_what_a_tool_shows_is_the_users_where_a_tool_has_only_words() -> None:
    """An image stands after the last of the results it came with, and says which call it answers."""
    page, other = [{"type": "text", "text": "page 1"}, IMAGE], [IMAGE]
    messages = sent(OPENAI, HI, called("a", "b", "c"), result("a", page), result("b"), result("c", other), HI)[
        "messages"
    ]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "tool", "user", "user"]
    assert [message["content"] for message in messages[2:4]] == ["page 1", "12:31"]
    assert "below" in messages[4]["content"]
    texts = [part["text"] for part in messages[5]["content"] if part["type"] == "text"]
    assert [re.findall(r"call (.):", text) for text in texts] == [["a"], ["c"]]
    assert [part for part in messages[5]["content"] if part["type"] == "image_url"] == [IMAGE, IMAGE]
    assert sent(OPENAI, HI, called("a"), result("a", other))["messages"][-1]["role"] == "user"
