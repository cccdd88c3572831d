"""Chats at OpenAI's face, whole and streamed, where providers differ from one another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application
from world import Arrived, json_reply

Faces = Callable[..., Application]
ASKED = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}


def choices(faces: Faces, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a whole answer when those of the provider hold *messages*."""
    answered = [{"index": index, "message": message} for index, message in enumerate(messages)]
    told = faces(lambda _: json_reply({"choices": answered}))("POST", "/v1/chat/completions", ASKED)
    assert told.status == 200
    return told.json["choices"]


def chunk(*choices: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": list(choices)}).encode() + b"\n\n"


def streamed(faces: Faces, *pieces: bytes) -> list[Any]:
    """What a client reads of the provider's stream, an event at a time."""
    told = faces(lambda _: Arrived(200, pieces))("POST", "/v1/chat/completions", {**ASKED, "stream": True})
    assert told.status == 200
    return [data for _, data in told.events]


def test_every_choice_has_its_own_index(faces: Faces) -> None:
    """Choices that a provider makes of its own accord come in its order, each with its number."""
    found = choices(faces, {"content": "a"}, {"content": "b"}, {"content": "c"})
    assert [(each["index"], each["message"]["content"]) for each in found] == [(0, "a"), (1, "b"), (2, "c")]


def test_a_choice_ends_under_its_own_index(faces: Faces) -> None:
    """In a stream, too, the reason why a choice ended is told of that choice."""
    pieces = [
        chunk({"index": index, "delta": {}, "finish_reason": reason}) for index, reason in ((1, "length"), (0, "stop"))
    ]
    ended = [each["choices"][0] for each in streamed(faces, *pieces, b"data: [DONE]\n\n")[:-1]]
    assert [(each["index"], each["finish_reason"]) for each in ended if "finish_reason" in each] == [
        (1, "length"),
        (0, "stop"),
    ]


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": "a"}, "a"),
        ({"content": ""}, ""),
        ({"content": None, "refusal": "No."}, "No."),
        ({"content": None, "tool_calls": [{"id": "t", "function": {"name": "f"}}]}, None),
    ],
)
def test_only_a_call_of_tools_has_no_content(faces: Faces, message: dict[str, Any], content: str | None) -> None:
    """A message is a string for clients, though an empty one, unless it calls tools without a word."""
    (found,) = choices(faces, message)
    assert found["message"]["content"] == content


@pytest.mark.parametrize("arguments", [None, "", "{}"])
def test_no_arguments_are_an_empty_object(faces: Faces, arguments: str | None) -> None:
    """A tool that is called without arguments is called with ones that clients can read as JSON."""
    calls = [{"id": "t", "function": {"name": "f", "arguments": arguments}}]
    (found,) = choices(faces, {"content": None, "tool_calls": calls})
    assert found["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


@pytest.mark.parametrize("end", [b"[DONE]", b"[done]", b" [Done] ", b"[DONE]\t"])
def test_a_streams_end_may_be_written_in_any_way(faces: Faces, end: bytes) -> None:
    """Servers that speak like OpenAI write the mark in other letters, or with blanks, and their streams end with it."""
    begun, said, last, done = streamed(faces, chunk({"index": 0, "delta": {"content": "a"}}), b"data: " + end + b"\n\n")
    assert (begun["choices"][0]["delta"]["role"], said["choices"][0]["delta"]) == ("assistant", {"content": "a"})
    assert (last["choices"][0]["finish_reason"], done) == ("stop", "[DONE]")


def test_a_refusal_is_streamed_as_what_the_model_says(faces: Faces) -> None:
    """A model that refuses does it in a member of its own; clients read it where they read every answer."""
    pieces = [chunk({"index": 0, "delta": {"content": None, "refusal": piece}}) for piece in ("I ", "won't.")]
    *found, done = streamed(
        faces, *pieces, chunk({"index": 0, "delta": {}, "finish_reason": "stop"}), b"data: [DONE]\n\n"
    )
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in found) == "I won't."
    assert done == "[DONE]"


def calling(**call: Any) -> dict[str, Any]:
    return {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}, **call}]}


@pytest.mark.parametrize("call", [{}, {"id": None}, {"id": ""}])
def test_a_call_without_an_id_has_one(faces: Faces, call: dict[str, Any]) -> None:
    """An id is made for a call that has none, of the request and the call's place, as no agent answers one without."""
    (whole,) = choices(faces, calling(**call))
    (piece,) = [
        delta["tool_calls"][0]
        for event in streamed(faces, chunk({"index": 0, "delta": calling(**call)}), b"data: [DONE]\n\n")[:-1]
        if (delta := event["choices"][0]["delta"]).get("tool_calls") and delta["tool_calls"][0].get("id")
    ]
    ids = whole["message"]["tool_calls"][0]["id"], piece["id"]
    assert all(re.fullmatch("call_[0-9a-f]{16}_0", name) for name in ids)
    assert len(set(ids)) == 2, "another request's call has another id"


@pytest.mark.parametrize("member", ["reasoning", "reasoning_content"])
def test_thoughts_are_streamed_under_the_name_they_came_by(faces: Faces, member: str) -> None:
    """A client that keeps them sends them back under that name, which the provider knows."""
    pieces = [chunk({"index": 0, "delta": {member: piece}}) for piece in ("h", "m")]
    events = streamed(faces, *pieces, chunk({"index": 0, "delta": {"content": "a"}}), b"data: [DONE]\n\n")[:-1]
    assert "".join(event["choices"][0]["delta"].get(member, "") for event in events) == "hm"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_context_that_overflows_is_told_as_openai_tells_it(faces: Faces, status: int, *, stream: bool) -> None:
    """Clients look for one status and one code, whatever the provider says; its words stay."""
    words = "This model's maximum context length is 100 tokens."
    refusal = json_reply({"error": {"message": words, "type": "BadRequestError", "code": status}}, status)
    told = faces(lambda _: refusal)("POST", "/v1/chat/completions", {**ASKED, "stream": stream})
    error = told.json["error"]
    assert (told.status, error["type"], error["code"]) == (400, "invalid_request_error", "context_length_exceeded")
    assert words in error["message"]
