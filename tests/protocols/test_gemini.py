"""What a conversation asks of Gemini: how much to think, by the words that each model knows; and what it refuses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from inferpoint.errors import InferenceError
from inferpoint.model.chat import Conversation, FilePart, ImagePart, Message, Role, TextPart, Thinking, Thought
from inferpoint.model.chat import said as asked
from inferpoint.model.hints import Hint
from inferpoint.model.requests import InferenceRequest
from inferpoint.protocols.gemini import thinking
from inferpoint.protocols.gemini.requests import request_body

FLASH, PRO, LEVELS, LEVELS_PRO = "gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-flash-preview", "gemini-3.1-pro"
HI = asked("hi")


def body(conversation: Conversation, model: str = FLASH, **params: Any) -> Any:
    request = InferenceRequest(conversation, params=params)
    return msgspec.json.decode(msgspec.json.encode(request_body(request, model)))


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        (FLASH, "none", {"thinkingBudget": 0}),
        (FLASH, "minimal", {"thinkingBudget": 1024, "includeThoughts": True}),
        (FLASH, "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        (PRO, "none", {"thinkingBudget": 128}),
        (PRO, "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        (LEVELS, "none", {"thinkingLevel": "MINIMAL"}),
        (LEVELS, "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (LEVELS_PRO, "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        (LEVELS_PRO, "xhigh", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_an_effort_is_said_in_the_words_of_the_model(model: str, effort: str, config: Any) -> None:
    """A budget to models that know one, a level to others; a model that always thinks is asked for the least."""
    told = body(replace(HI, reasoning_effort=effort), model)
    assert told["generationConfig"] == {"thinkingConfig": config}


@pytest.mark.parametrize(
    ("asks", "config"),
    [
        (Thinking(budget=2000), {"thinkingBudget": 2000, "includeThoughts": True}),
        (Thinking(budget=-1, shown=False), {"thinkingBudget": -1}),
        (Thinking(), {"includeThoughts": True}),
        (Thinking(enabled=False), {"thinkingBudget": 0}),
    ],
)
def test_thinking_is_asked_for_by_its_budget(asks: Thinking, config: Any) -> None:
    """As it was said in Anthropic's terms; not to think is no budget."""
    assert body(replace(HI, thinking=asks))["generationConfig"] == {"thinkingConfig": config}


def test_who_says_nothing_is_sent_nothing() -> None:
    """No member that nobody asked for."""
    assert body(HI) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize(("model", "thinks"), [("gemini-2.0-flash", False), (FLASH, True), (LEVELS, True)])
def test_models_that_do_not_think_are_not_asked_to(model: str, *, thinks: bool) -> None:
    """The hint is dropped for them; seals of calls go back to every one."""
    assert (Hint.EFFORT in thinking.hints(model)) is thinks
    assert Hint.THOUGHTS in thinking.hints(model)


def test_a_thought_of_another_maker_is_left_out() -> None:
    """One that is told nothing of has no place; and a turn of nothing else is none."""
    turn = Message(Role.ASSISTANT, (Thought(redacted="x"),))
    told = body(Conversation((*HI.messages, turn, *HI.messages)))
    assert [content["role"] for content in told["contents"]] == ["user", "user"]


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ("data:application/pdf;base64,JVBERg==", {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}}),
        ("https://a.test/b.pdf", {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a.test/b.pdf"}}),
    ],
)
def test_files_are_sent_on(data: str, part: Any) -> None:
    """In the body, or by their address."""
    message = Message(Role.USER, (TextPart("?"), FilePart(data)))
    assert body(Conversation((message,)))["contents"][0]["parts"][1] == part


@pytest.mark.parametrize(
    ("conversation", "params", "problem"),
    [
        (replace(HI, reasoning_effort="huge"), {}, "[reasoning_effort] is [huge], not one of [none, minimal"),
        (HI, {"parallel_tool_calls": False}, "[parallel_tool_calls] is not supported"),
        (HI, {"logprobs": True}, "[logprobs] is not supported"),
        (
            Conversation((Message(Role.USER, (ImagePart("https://a.test/b"),)),)),
            {},
            "[url] in object [image_url] is an address that does not end with one of [png, jpg",
        ),
        (
            Conversation((Message(Role.ASSISTANT, (ImagePart("https://a.test/b.png"),)),)),
            {},
            "[content] of a message of the role [assistant] can only be text",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(conversation: Conversation, params: Any, problem: str) -> None:
    """With what is allowed."""
    with pytest.raises(InferenceError) as caught:
        body(conversation, **params)
    assert f"Field {problem}" in str(caught.value)
    assert str(caught.value).endswith("for the Gemini API")
