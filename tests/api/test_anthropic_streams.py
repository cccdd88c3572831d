"""Streams as Anthropic's clients read them: which events come, in which order, and what the last of them says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from asgi import Application
from world import Arrived

DONE = b"data: [DONE]\n\n"
ASKED = {"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": True}


def chunk(*choices: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": list(choices)}).encode() + b"\n\n"


def said(text: str) -> bytes:
    return chunk({"index": 0, "delta": {"content": text}})


def called(ordinal: int, arguments: str) -> bytes:
    function = {"name": f"f{ordinal}", "arguments": arguments}
    return chunk({"index": 0, "delta": {"tool_calls": [{"index": ordinal, "id": f"t{ordinal}", "function": function}]}})


def ended(reason: str, choice: int = 0) -> bytes:
    return chunk({"index": choice, "delta": {}, "finish_reason": reason})


def events(faces: Callable[..., Application], *pieces: bytes) -> list[tuple[str, Any]]:
    """What a client is told when the provider streams *pieces*."""
    told = faces(lambda _: Arrived(200, [*pieces, DONE]))("POST", "/v1/messages", ASKED)
    assert told.status == 200
    return told.events


def test_a_stream_without_a_word_is_a_message_all_the_same(faces: Callable[..., Application]) -> None:
    """When the provider says no more than that it ended, the message still begins and ends, as clients need it."""
    assert [name for name, _ in events(faces, ended("stop"))] == ["message_start", "message_delta", "message_stop"]


def test_one_block_closes_before_the_next_opens(faces: Callable[..., Application]) -> None:
    """Every block of a message is closed before the one after it opens, and the last before the message ends."""
    pieces = (said("a"), said("b"), called(0, "{}"), called(1, "{}"), said("c"), ended("tool_calls"))
    blocks = [(name, data["index"]) for name, data in events(faces, *pieces) if name.startswith("content_block_")]
    assert [each for each in blocks if each[0] != "content_block_delta"] == [
        (f"content_block_{happened}", index) for index in range(4) for happened in ("start", "stop")
    ]
    assert [index for name, index in blocks if name == "content_block_delta"] == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("whatever", "end_turn"),
    ],
)
def test_why_an_answer_ended_is_told_in_anthropics_words(
    faces: Callable[..., Application], reason: str, told: str
) -> None:
    """The reason is the one of the first choice, which is the message, whatever others of the provider's say."""
    pieces = (said("a"), ended(reason), ended("length" if reason != "length" else "stop", choice=1))
    (last,) = (data for name, data in events(faces, *pieces) if name == "message_delta")
    assert last["delta"] == {"stop_reason": told, "stop_sequence": None}
