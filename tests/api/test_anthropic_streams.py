"""Streams as Anthropic's clients read them: which events come, in which order, and what the last of them says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import Application
from world import Arrived, json_reply

from inferpoint.api.anthropic.events import Events
from inferpoint.api.anthropic.write import Teller
from inferpoint.model.results import Delta, Finished, Reasoning, Started, Text, ToolCall, Usage, Used
from inferpoint.protocols.sse import ServerSentEvents

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


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_is_of_the_model_that_was_asked_for(faces: Callable[..., Application], *, stream: bool) -> None:
    """It names the inference id, not the provider's model: Claude Code takes back the thoughts of no other model."""
    whole = {"id": "c", "model": "m", "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}
    reply = Arrived(200, [said("a"), ended("stop"), DONE]) if stream else json_reply(whole)
    told = faces(lambda _: reply)("POST", "/v1/messages", {**ASKED, "stream": stream})
    assert (told.events[0][1]["message"] if stream else told.json)["model"] == ASKED["model"]


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


def begun(ordinal: int, arguments: str = "") -> ToolCall:
    return ToolCall(ordinal, f"t{ordinal}", "f", arguments)


def more(ordinal: int, arguments: str) -> ToolCall:
    return ToolCall(ordinal, arguments=arguments)


def written(*deltas: Delta, service: str = "anthropic", thinking: bool = True) -> list[dict[str, Any]]:
    """The data of the events of *deltas*, each of which comes alone."""
    events = Events(Teller("i", "m", service, thinking))
    stream = b"".join([*(events.feed([delta]) for delta in deltas), events.end()])
    return [json.loads(event.data) for event in ServerSentEvents().feed(stream)]


def joined(events: list[dict[str, Any]]) -> list[Any]:
    """The blocks of a stream as a client joins them; one block is open at a time, and only that one goes on."""
    blocks: list[Any] = []
    open_block: int | None = None
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert (open_block, event["index"]) == (None, len(blocks))
                open_block = event["index"]
                blocks.append(dict(event["content_block"]))
            case "content_block_delta":
                assert event["index"] == open_block
                for name, piece in event["delta"].items():
                    if name != "type":
                        blocks[-1][name] = blocks[-1].get(name, "") + piece
            case "content_block_stop":
                assert event["index"] == open_block
                open_block = None
            case _:
                assert open_block is None
    return [block.get("partial_json", block.get("text", block)) for block in blocks]


@pytest.mark.parametrize(
    ("deltas", "blocks"),
    [
        ([begun(0, '{"a":'), begun(1, '{"b":'), more(0, "1}"), more(1, "2}")], ['{"a":1}', '{"b":2}']),
        ([begun(0), begun(1), more(1, '{"b":2}'), more(0, '{"a":1}')], ['{"a":1}', '{"b":2}']),
        ([begun(0, "{"), begun(1, "{"), begun(2, "{"), more(2, "}"), more(1, "}"), more(0, "}")], ["{}"] * 3),
        ([begun(0, "{"), Text("so"), more(0, "}"), Text("!")], ["{}", "so!"]),
        ([begun(0, "{"), begun(1, "{}"), Text("so")], ["{", "{}", "so"]),
        ([begun(0, '{"a":"{}'), begun(1, "{}"), more(0, '"}')], ['{"a":"{}"}', "{}"]),
        ([Text("a"), begun(0, "{}"), begun(1, "{}"), Text("b")], ["a", "{}", "{}", "b"]),
    ],
)
def test_calls_whose_pieces_alternate_are_told_one_after_the_other(deltas: list[Delta], blocks: list[str]) -> None:
    """A block that was closed cannot go on: what comes meanwhile waits until the open call is whole, or all ends."""
    assert joined(written(*deltas, Finished(0, "tool_calls"))) == blocks


@given(st.permutations([0] * 3 + [1] * 3 + [2] * 3))
def test_calls_are_whole_in_whatever_order_their_pieces_come(order: list[int]) -> None:
    """Each with its own pieces."""
    left = {ordinal: iter(('{"a":', str(ordinal), "}")) for ordinal in range(3)}
    seen: set[int] = set()
    deltas: list[Delta] = []
    for ordinal in order:
        deltas.append((more if ordinal in seen else begun)(ordinal, next(left[ordinal])))
        seen.add(ordinal)
    assert sorted(joined(written(*deltas))) == ['{"a":0}', '{"a":1}', '{"a":2}']


THOUGHTS: list[Delta] = [Reasoning("H"), Reasoning("m."), Reasoning(signature="EqQB"), Reasoning(redacted="RqQB")]


@pytest.mark.parametrize(("service", "mark"), [("anthropic", ""), ("amazonbedrock", "amazonbedrock:")])
def test_thoughts_are_blocks_with_their_seals(service: str, mark: str) -> None:
    """The signature ends its block; two thoughts are two blocks; whose they are is told but for Anthropic's own."""
    assert joined(written(*THOUGHTS, *THOUGHTS[:3], Text("So."), service=service)) == [
        {"type": "thinking", "thinking": "Hm.", "signature": f"{mark}EqQB"},
        {"type": "redacted_thinking", "data": f"{mark}RqQB"},
        {"type": "thinking", "thinking": "Hm.", "signature": f"{mark}EqQB"},
        "So.",
    ]
    assert joined(written(*THOUGHTS, Text("So."), thinking=False)) == ["So."]


@pytest.mark.parametrize(("service", "seal"), [("openai", "openai:"), ("anthropic", "")])
def test_a_thought_that_nobody_signed_is_sealed_by_its_services_name(service: str, seal: str) -> None:
    """As other makers' models have them: clients send back no thought that has no signature."""
    assert joined(written(Reasoning("Hm."), Text("So."), service=service)) == [
        {"type": "thinking", "thinking": "Hm.", "signature": seal},
        "So.",
    ]


def test_what_stood_beside_an_answer_is_kept_with_a_thought() -> None:
    """With the thought that it came with or before; without any, in a block of its own at the end."""
    beside = Reasoning(extra={"reasoning_details": [{"data": "x"}]})
    seal = 'openai:{"extra":{"reasoning_details":[{"data":"x"}]}}'
    thought = {"type": "thinking", "thinking": "Hm.", "signature": seal}
    assert joined(written(Reasoning("Hm."), beside, Text("So."), service="openai")) == [thought, "So."]
    assert joined(written(beside, Reasoning("Hm."), Text("So."), service="openai")) == [thought, "So."]
    assert joined(written(Text("So."), beside, service="openai")) == ["So.", {**thought, "thinking": ""}]


def test_the_cost_that_is_known_at_the_start_is_told_there() -> None:
    """Agents read the size of the prompt from it; the end tells all."""
    events = Events(Teller("i", "m", "anthropic", thinking=True))
    begin = events.feed([Started("i", "m"), Used(Usage(1110, 1, cached=1000, cache_written=100))])
    end = events.feed([Finished(0, "stop", "END"), Used(Usage(1110, 15, cached=1000, cache_written=100))])
    first, last, _ = (json.loads(event.data) for event in ServerSentEvents().feed(begin + end + events.end()))
    cached = {"cache_creation_input_tokens": 100, "cache_read_input_tokens": 1000}
    assert first["message"]["usage"] == {"input_tokens": 10, "output_tokens": 1, **cached}
    assert last["usage"] == {"input_tokens": 10, "output_tokens": 15, **cached}
    assert last["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
