"""Whole answers and refusals in OpenAI's format, as servers really write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conversing import usual_choice

from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.chat import Thought
from inferpoint.model.http import Reply
from inferpoint.model.results import Choice, Completion, ToolCall
from inferpoint.protocols.openai import completions
from inferpoint.protocols.openai.failures import complaint
from inferpoint.protocols.openai.replies import completion

CALL = {"id": "a", "function": {"name": "get", "arguments": '{"a":1}'}}


def answered(message: Any, **members: Any) -> Choice:
    """The choice that a *message* is."""
    body = {"choices": [{"message": message, **members}]}
    (choice,) = completion(Reply(200, json.dumps(body).encode()), "chat").choices
    return choice


@pytest.mark.parametrize(
    ("message", "members", "choice"),
    [
        ({"content": None}, {"finish_reason": "length"}, usual_choice("", reason="length")),
        ({"content": None}, {"finish_reason": "content_filter"}, usual_choice("", reason="content_filter")),
        (None, {"finish_reason": "stop"}, usual_choice("", reason="stop")),
        ({}, {"finish_reason": "eos_token"}, usual_choice("", reason="stop")),
        ({"content": "a"}, {"finish_reason": None}, usual_choice("a", reason="stop")),
        ({"content": ""}, {}, usual_choice("", reason="stop")),
        ({"content": None, "refusal": "No."}, {}, usual_choice("No.", reason="stop")),
        (
            {"content": ["a", {"type": "text", "text": "b"}, {"type": "image"}, None]},
            {},
            usual_choice("ab", reason="stop"),
        ),
        (
            {"content": None, "reasoning_content": "hm"},
            {"finish_reason": "length"},
            usual_choice("", reason="length", thoughts=(Thought("hm", member="reasoning_content"),)),
        ),
        (
            {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]},
            {},
            usual_choice("a", reason="stop", thoughts=(Thought("hm", member="content"),)),
        ),
        (
            {"tool_calls": [CALL]},
            {"finish_reason": "stop"},
            usual_choice("", (ToolCall(0, "a", "get", '{"a":1}'),), "tool_calls"),
        ),
    ],
)
def test_an_answer_in_any_shape_is_an_answer(message: Any, members: dict[str, Any], choice: Choice) -> None:
    """Content may be null, parts or missing: an answer is there when anything is, also why there is no more."""
    assert answered(message, **members) == choice


@pytest.mark.parametrize("message", [None, {}, {"content": None}, {"content": None, "reasoning": "", "tool_calls": []}])
def test_an_answer_of_nothing_is_none(message: Any) -> None:
    """A message without content, thought, call and reason to end cannot be read."""
    with pytest.raises(InferenceError) as caught:
        answered(message)
    assert caught.value.kind is Kind.UNREADABLE


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"a": 1.0}, '{"a":1.0}'), (None, "{}"), ("", "{}"), ("{}", "{}"), ({}, "{}"), ('{"cut', '{"cut')],
)
def test_arguments_are_text(arguments: Any, text: str) -> None:
    """Arguments are the string that clients read: an object is its JSON, none are `{}`, cut ones stay as they are."""
    choice = answered({"tool_calls": [{"id": "a", "function": {"name": "get", "arguments": arguments}}]})
    assert choice.tool_calls == (ToolCall(0, "a", "get", text),)


def test_calls_of_a_whole_answer_keep_the_promises_of_streams() -> None:
    """Calls count from 0 whatever their indexes say, and an id is a call's alone."""
    calls = [{"index": 3, **CALL}, {"index": 3, **CALL}, {**CALL, "id": ""}]
    choice = answered({"tool_calls": [None, *calls]})
    assert [(call.ordinal, call.id) for call in choice.tool_calls] == [(0, "a"), (1, None), (2, None)]


def test_a_call_without_a_name_cannot_be_read() -> None:
    """What nobody can call is not handed on."""
    with pytest.raises(InferenceError) as caught:
        answered({"tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]})
    assert caught.value.kind is Kind.UNREADABLE


@pytest.mark.parametrize(
    "told",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"extra_content": {"google": {"thought_signature": "SIG=="}}},
        {"tool_calls": [{**CALL, "type": "function", "extra_content": {"google": {"thought_signature": "SIG=="}}}]},
    ],
)
def test_what_a_server_tells_of_thoughts_is_told(told: dict[str, Any]) -> None:
    """Clients have it under the name that it came by, so that it can go back under that name."""
    message = {"role": "assistant", "content": "a", **told}
    written = completions.written(Completion([answered(message)]))
    assert written["choices"][0]["message"] == message


@pytest.mark.parametrize(
    ("body", "upstream"),
    [
        ({"error": {"message": "no", "type": "t", "code": "c", "param": "p"}}, Upstream(400, "no", "t", "c", "p")),
        ({"error": {"message": "no", "type": None, "code": 429}}, Upstream(400, "no", None, "429")),
        ({"error": "no"}, Upstream(400, "no")),
        ({"error": "no", "error_type": "validation"}, Upstream(400, "no", "validation")),
        ({"error": ["no", "never"]}, Upstream(400, "no; never")),
        ({"object": "error", "message": "no", "type": "BadRequestError", "code": 400},
         Upstream(400, "no", "BadRequestError", "400")),
        ({"code": 400, "details": "no"}, Upstream(400, "no", None, "400")),
        ({"error_code": 17, "error_msg": "no"}, Upstream(400, "no", None, "17")),
        ({"detail": "no"}, Upstream(400, "no")),
        ({"detail": [{"msg": "no"}, {"msg": "never"}]}, Upstream(400, "no; never")),
        ({"errors": [{"code": "c", "message": "no"}], "trace": "t"}, Upstream(400, "no")),
        ({"detail": [{"problem": "no", "place": 1}]}, Upstream(400, '[{"problem":"no","place":1}]')),
        ({"message": {"detail": [{"msg": "no"}]}, "type": "t"}, Upstream(400, "no", "t")),
        ([{"error": {"message": "no", "status": "INVALID_ARGUMENT", "code": 400}}],
         Upstream(400, "no", "INVALID_ARGUMENT", "400")),
    ],
)  # fmt: skip
def test_a_refusals_words_are_found_wherever_they_stand(body: Any, upstream: Upstream) -> None:
    """Servers that speak OpenAI's format write their errors in many forms, and all of them are read."""
    assert complaint(Reply(400, json.dumps(body).encode())) == upstream
