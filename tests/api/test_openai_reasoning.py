"""Thoughts as items of `/v1/responses`, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_judge import judged

from inferpoint.api.openai.responses import reasoning
from inferpoint.api.openai.responses.items import messages
from inferpoint.errors import InferenceError
from inferpoint.model.chat import Message, Role, TextPart, Thought, ToolUse

WORDS = st.text(max_size=5)
SEALS = st.none() | st.text(min_size=1, max_size=5)


@given(WORDS, SEALS, SEALS)
def test_a_thought_comes_back_as_it_was(text: str, signature: str | None, redacted: str | None) -> None:
    """With its words, its seal, and the service that it is of, in a form that OpenAI describes."""
    item = judged("ReasoningItem", reasoning.item("rs_1", Thought(text, signature, redacted), "anthropic"))
    ((message),) = messages([item])
    assert message == Message(Role.ASSISTANT, (Thought(text, signature, redacted, "anthropic"),))


def test_a_thought_stands_before_what_followed_it() -> None:
    """The order in which a model thinks, speaks and calls is kept in one turn."""
    items = [
        reasoning.item("rs_1", Thought("Hm", "SIG"), "anthropic"),
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    ((message),) = messages(items)
    assert message.parts == (Thought("Hm", "SIG", None, "anthropic"), TextPart("I look."), ToolUse("c", "f", "{}"))


@pytest.mark.parametrize("sealed", ["gAAAAABoISQ24OyVRYbkYfukdJoqdzWT", "", "e30=", "Ww==", "é"])
def test_what_another_server_sealed_is_not_read(sealed: str) -> None:
    """A thought that began at OpenAI itself is for OpenAI alone."""
    assert messages([{"type": "reasoning", "summary": [], "encrypted_content": sealed}]) == ()


@pytest.mark.parametrize(("summary", "thought"), [([], None), (["a"], Thought("a")), (["a", "b"], Thought("a\n\nb"))])
def test_a_thought_without_a_seal_is_its_words(summary: list[str], thought: Thought | None) -> None:
    """Of whichever service; without words it is nothing."""
    parts = [{"type": "summary_text", "text": text} for text in summary]
    turns = messages([{"type": "reasoning", "summary": parts, "encrypted_content": None}])
    assert [message.parts for message in turns] == ([(thought,)] if thought else [])


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"summary": "a"}, "[input[0].summary] must be an array"),
        ({"summary": ["a"]}, "input[0].summary[0] must be an object"),
        ({"summary": [{"text": 1}]}, "[input[0].summary[0].text] must be a string"),
        ({"encrypted_content": {}}, "[input[0].encrypted_content] must be a string"),
        ({"flavour": 1}, "[input[0].flavour] is not supported"),
    ],
)
def test_what_is_wrong_with_a_thought_is_named(item: dict[str, object], problem: str) -> None:
    """As with every other item."""
    with pytest.raises(InferenceError) as error:
        messages([{"type": "reasoning", **item}])
    assert problem in str(error.value)
