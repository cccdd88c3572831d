"""Conversations in OpenAI's format: what clients send, and what of it goes on to a server."""

from __future__ import annotations

from typing import Any

import pytest

from inferpoint.model.chat import CacheHint, Conversation, Message, Role, TextPart, Thinking, Thought
from inferpoint.model.hints import Hint, without
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.openai import messages
from inferpoint.protocols.openai.requests import request_body
from inferpoint.services.openai import CHAT, Account

HI = {"role": "user", "content": "Hi"}
CALL: dict[str, Any] = {"id": "a", "type": "function", "function": {"name": "shot", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "12"}
PICTURE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}


def sent(*turns: dict[str, Any], thoughts: str = "") -> list[dict[str, Any]]:
    """The messages that a server is sent when a client sends *turns*."""
    return request_body(messages.read(list(turns)), thoughts=thoughts)["messages"]


@pytest.mark.parametrize(
    "told",
    [
        {"reasoning_content": "hm"},
        {"reasoning_content": ""},
        {"reasoning": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
        {"extra_content": {"google": {"thought_signature": "SIG=="}}},
        {"tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "SIG=="}}}]},
    ],
)
def test_what_a_model_thought_goes_back_as_it_came(told: dict[str, Any]) -> None:
    """The next turn has it under the name that it came by, untouched; without the hint nothing of it is left."""
    turn = {"role": "assistant", "content": "ok", "tool_calls": [CALL], **told}
    assert sent(HI, turn, RESULT)[1] == turn
    asked = InferenceRequest(messages.read([HI, turn, RESULT]))
    bare = request_body(without(asked, frozenset({Hint.THOUGHTS})).conversation)["messages"][1]
    assert bare == {"role": "assistant", "content": "ok", "tool_calls": [CALL]}


@pytest.mark.parametrize(
    ("url", "origin", "taken"),
    [
        (None, "https://api.openai.com/v1", False),
        (None, "https://eu.api.openai.com/v1", False),
        ("https://api.openai.com/v1/chat/completions", "https://a.test/v1", False),
        ("https://a.test/chat", "https://api.openai.com/v1", True),
        (None, "https://a.test/v1", True),
    ],
)
def test_openai_itself_takes_no_thoughts(url: str | None, origin: str, *, taken: bool) -> None:
    """At its own addresses they are dropped as a hint; a server that speaks its format elsewhere has them back."""
    assert (Hint.THOUGHTS in CHAT.hints(Account(api_key="k", model_id="m", url=url), origin)) is taken


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_a_server_may_call_thoughts_by_one_name(name: str) -> None:
    """Thoughts of another server go to one that knows one name by that name, and nothing else of them."""
    turn = {"role": "assistant", "content": "ok", name: "hm", "reasoning_details": [{"type": "x"}]}
    assert sent(HI, turn, HI, thoughts="reasoning")[1] == {"role": "assistant", "content": "ok", "reasoning": "hm"}


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
WORDS = {"type": "text", "text": "ok"}


@pytest.mark.parametrize(
    ("turn", "thoughts", "told"),
    [
        ({"content": [THINKING, WORDS]}, "", {"content": [THINKING, WORDS]}),
        ({"content": [THINKING, WORDS]}, "reasoning", {"content": "ok", "reasoning": "hm"}),
        ({"content": "ok", "reasoning": "hm"}, "content", {"content": [THINKING, WORDS]}),
        ({"content": [{"type": "thinking", "thinking": "hm"}, WORDS]}, "", {"content": [THINKING, WORDS]}),
        ({"content": [{"type": "thinking", "thinking": []}, WORDS]}, "content", {"content": "ok"}),
    ],
)
def test_thoughts_may_be_parts_of_the_content(turn: Any, thoughts: str, told: Any) -> None:
    """Mistral has them there, in their order; other servers have a member for them."""
    assert sent(HI, {"role": "assistant", **turn}, HI, thoughts=thoughts)[1] == {"role": "assistant", **told}


@pytest.mark.parametrize("odd", [{"reasoning": {"a": 1}}, {"reasoning_details": []}, {"extra_content": None}])
def test_thoughts_of_another_form_say_nothing(odd: dict[str, Any]) -> None:
    """What is no text and nothing to keep is passed over, as clients keep members that say nothing."""
    turn = {"role": "assistant", "content": "ok"}
    assert sent(HI, {**turn, **odd})[1] == turn


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        *((model, True) for model in ("o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5.1-codex", "openai/gpt-oss-20b")),
        *((model, False) for model in ("gpt-4o", "gpt-4.1", "o1-mini", "o1-preview", "gpt-5-chat-latest", "gpt-5-pro")),
        ("my-gpt-5", False),
    ],
)
def test_models_that_reason_are_asked_to_think(model: str, *, taken: bool) -> None:
    """Other models would refuse a request with an effort, so that thinking is dropped there as a hint."""
    account = Account(api_key="k", model_id=model)
    assert (Hint.THINKING in CHAT.hints(account, "https://api.openai.com/v1")) is taken


@pytest.mark.parametrize(
    ("thinking", "effort", "told"),
    [
        (None, None, None),
        (None, "none", "none"),
        (Thinking(), "high", "high"),
        (Thinking(), None, "medium"),
        (Thinking(enabled=False), None, "low"),
        (Thinking(budget=4_999), None, "low"),
        (Thinking(budget=5_000), None, "medium"),
        (Thinking(budget=10_000), None, "high"),
    ],
)
def test_thinking_is_an_effort(thinking: Thinking | None, effort: str | None, told: str | None) -> None:
    """Its budget says how hard to think, unless the caller says that too."""
    turn = Message(Role.USER, (TextPart("hi"),))
    body = request_body(Conversation((turn,), thinking=thinking, reasoning_effort=effort))
    assert body.get("reasoning_effort") == told


@pytest.mark.parametrize(("thoughts", "name"), [("", "reasoning_content"), ("reasoning", "reasoning")])
def test_a_thought_that_nobody_sealed_is_sent(thoughts: str, name: str) -> None:
    """Clients of other formats keep no name of the member that it came by: it has the one that most servers know."""
    turn = Message(Role.ASSISTANT, (Thought("hm"), TextPart("ok")))
    (told,) = request_body(Conversation((turn,)), thoughts=thoughts)["messages"]
    assert told == {"role": "assistant", "content": "ok", name: "hm"}


def test_a_sealed_thought_of_another_format_is_not_sent() -> None:
    """Servers of this format have no place for what Anthropic's models thought."""
    turn = Message(Role.ASSISTANT, (Thought("hm", "seal"), TextPart("ok")))
    assert request_body(Conversation((turn,)))["messages"] == [{"role": "assistant", "content": "ok"}]


@pytest.mark.parametrize("arguments", ['{"a":1}', {"a": 1}])
def test_arguments_are_a_string_for_servers(arguments: Any) -> None:
    """A client that says a call's arguments as an object, as its server said them, is understood."""
    turn = {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "shot", "arguments": arguments}}]}
    (call,) = sent(HI, turn)[1]["tool_calls"]
    assert call["function"]["arguments"] == '{"a":1}'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"type": "text", "text": "page 1"}, PICTURE], "page 1"),
        ([PICTURE], "The result is in the user's message below."),
    ],
)
def test_pictures_of_a_tool_follow_its_results(content: list[Any], words: str) -> None:
    """Results are text alone; after the last of a run a user's message shows the pictures, each with its call's id."""
    calls = [CALL, {**CALL, "id": "b"}]
    turns = sent(
        HI,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": content},
        {"role": "tool", "tool_call_id": "b", "content": "empty"},
        {"role": "assistant", "content": "ok"},
    )
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "tool", "user", "assistant"]
    assert (turns[2]["content"], turns[3]["content"]) == (words, "empty")
    assert turns[4]["content"] == [{"type": "text", "text": "The result of the tool call a:"}, PICTURE]


def test_pictures_of_a_tool_that_failed_are_shown_too() -> None:
    """That a tool failed is said in words, and what it showed is not lost by that."""
    turn = messages.read([HI, {"role": "assistant", "tool_calls": [CALL]}, {**RESULT, "content": [PICTURE]}])
    failed = Message(Role.TOOL, turn.messages[2].parts, "a", failed=True)
    _, result, shown = request_body(Conversation((*turn.messages[1:2], failed)))["messages"]
    assert (result["content"], shown["content"][1]) == ("Error: The result is in the user's message below.", PICTURE)


@pytest.mark.parametrize(
    ("mark", "hint"),
    [
        ({"type": "ephemeral"}, CacheHint()),
        ({"type": "ephemeral", "ttl": "1h"}, CacheHint("1h")),
        ({"type": "other"}, None),
        ("ephemeral", None),
        (None, None),
    ],
)
def test_marks_for_a_cache_are_read(mark: Any, hint: CacheHint | None) -> None:
    """A mark is read on a part, on a message, where it is its last part's, and on a tool; any other says nothing."""
    marked = {"cache_control": mark}
    part, message = {"type": "text", "text": "a", **marked}, {"role": "user", "content": "b", **marked}
    tools = [{"type": "function", "function": {"name": "f"}, **marked}, {"function": {"name": "g", **marked}}]
    read = messages.read([{"role": "system", "content": [part]}, message], tools)
    assert [turn.parts for turn in read.messages] == [(TextPart("a", hint),), (TextPart("b", hint),)]
    assert [tool.cache for tool in read.tools] == [hint, hint]


def test_a_mark_on_a_tools_result_is_the_results() -> None:
    """A tool's turn is one result, and its mark is that of the whole."""
    read = messages.read([HI, {"role": "assistant", "tool_calls": [CALL]}, {**RESULT, **MARK}])
    assert (read.messages[2].cache, read.messages[2].parts) == (CacheHint(), (TextPart("12"),))


def test_a_mark_on_a_message_without_content_is_its_calls() -> None:
    """What a message ends with is what may be kept."""
    read = messages.read([HI, {"role": "assistant", "tool_calls": [CALL], **MARK}])
    assert read.messages[1].tool_uses[0].cache == CacheHint()


@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}])
def test_no_tools_in_a_list_are_no_tools(choice: Any) -> None:
    """An empty list of tools is none at all, and a choice among them goes with it."""
    assert messages.read([HI], [], choice) == messages.read([HI])


def test_a_stop_that_is_empty_is_none() -> None:
    """Words at which to stop are sent as they are, blank ones too; empty ones go."""
    assert request_body(Conversation((), stop=("", "\n", "a")))["stop"] == ["\n", "a"]
    assert request_body(Conversation((), stop=("",)))["stop"] is None


@pytest.mark.parametrize("inside", [False, True])
def test_further_members_of_a_tool_are_hints(*, inside: bool) -> None:
    """What Anthropic's tools may say more is kept for it, wherever a client writes it; no other server is sent it."""
    more: dict[str, Any] = {"eager_input_streaming": True, "input_examples": [{}]}
    tool: dict[str, Any] = {"function": {"name": "f", **more}} if inside else {"function": {"name": "f"}, **more}
    conversation = messages.read([HI], [tool])
    assert conversation.tools[0].hints == more
    assert request_body(conversation)["tools"] == [{"type": "function", "function": {"name": "f"}}]
