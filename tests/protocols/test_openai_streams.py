"""Streams in OpenAI's format, as servers really write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Event
from inferpoint.model.results import Delta, Finished, Reasoning, Started, Text, ToolCall, Usage, Used
from inferpoint.protocols.openai.stream import Chunks

DONE = Event(b"[DONE]")
OSLO, ROME = '{"city":"Oslo"}', '{"city":"Rome"}'


def piece(**members: Any) -> dict[str, Any]:
    """A piece of a tool call: `name` and `arguments` are the function's."""
    function = {name: members.pop(name) for name in ("name", "arguments") if name in members}
    return {**members, "function": function}


def calling(*pieces: dict[str, Any]) -> Event:
    return chunk({"delta": {"tool_calls": list(pieces)}})


def chunk(*choices: Any, **members: Any) -> Event:
    return Event(json.dumps({"id": "c", "model": "m", "choices": list(choices), **members}).encode())


def ended(reason: Any) -> Event:
    return chunk({"delta": {}, "finish_reason": reason})


def read(*events: Event) -> list[Delta]:
    """The deltas of a stream but for its beginning."""
    reader = Chunks("chat")
    deltas = [delta for event in events for delta in reader.feed(event)]
    return [delta for delta in (*deltas, *reader.end()) if not isinstance(delta, Started)]


def calls(*events: Event) -> list[tuple[str | None, str | None, str]]:
    """The calls of a stream that ends well: id, name and arguments of each; no piece says id or name again."""
    joined: list[tuple[str | None, str | None, str]] = []
    for delta in read(*events, ended("stop"), DONE):
        if isinstance(delta, ToolCall) and delta.name is not None:
            assert delta.ordinal == len(joined)
            joined.append((delta.id, delta.name, delta.arguments))
        elif isinstance(delta, ToolCall):
            assert delta.id is None
            called, name, arguments = joined[delta.ordinal]
            joined[delta.ordinal] = called, name, arguments + delta.arguments
    return joined


WHOLE_A, WHOLE_B = {"name": "get", "arguments": OSLO}, {"name": "get", "arguments": ROME}
PARTS = ('{"ci', 'ty":"Oslo"}')


@pytest.mark.parametrize(
    "events",
    [
        [calling(piece(index=0, id="a", **WHOLE_A)), calling(piece(index=1, id="b", **WHOLE_B))],
        [calling(piece(id="a", **WHOLE_A)), calling(piece(id="b", **WHOLE_B))],
        [calling(piece(id="a", **WHOLE_A), piece(id="b", **WHOLE_B))],
        [calling(piece(index=0, id="a", **WHOLE_A)), calling(piece(index=0, id="b", **WHOLE_B))],
        [calling(piece(index=0, id="a", **WHOLE_A), piece(index=0, id="b", **WHOLE_B))],
        [calling(piece(index=1, id="a", **WHOLE_A)), calling(piece(index=5, id="b", **WHOLE_B))],
        [calling(piece(index=None, id="a", **WHOLE_A)), calling(piece(index="1", id="b", **WHOLE_B))],
        # in parts
        [
            calling(piece(index=0, id="a", name="get", arguments="")),
            *(calling(piece(index=0, arguments=part)) for part in PARTS),
            calling(piece(index=1, id="b", **WHOLE_B)),
        ],
        # id and name in each
        [
            *(calling(piece(index=0, id="a", name="get", arguments=part)) for part in PARTS),
            calling(piece(index=1, id="b", **WHOLE_B)),
        ],
        # without index, id and name in each
        [
            *(calling(piece(id="a", name="get", arguments=part)) for part in PARTS),
            calling(piece(id="b", **WHOLE_B)),
        ],
        # an id made up for each
        [
            calling(piece(index=0, id="a", name="get", arguments=PARTS[0])),
            calling(piece(index=0, id="x", arguments=PARTS[1])),
            calling(piece(index=1, id="b", name="get", arguments="")),
            calling(piece(index=1, id="y", arguments=ROME)),
        ],
        # the whole call once more at its end
        [
            *(calling(piece(index=0, id="a", name="get", arguments=part)) for part in PARTS),
            calling(piece(index=0, id="a", **WHOLE_A)),
            calling(piece(index=1, id="b", **WHOLE_B)),
        ],
        # names last
        [
            calling(piece(index=0, id="a", arguments=PARTS[0])),
            calling(piece(index=0, name="get", arguments=PARTS[1])),
            calling(piece(index=1, id="b", arguments=ROME)),
            calling(piece(index=1, name="get")),
        ],
        # ids late
        [
            calling(piece(index=0, name="get")),
            calling(piece(index=0, id="a", arguments=OSLO)),
            calling(piece(index=1, name="get")),
            calling(piece(index=1, id="b", arguments=ROME)),
        ],
        # names in pieces
        [
            calling(piece(index=0, id="a", name="g")),
            calling(piece(index=0, name="et", arguments=OSLO)),
            calling(piece(index=1, id="b", name="g")),
            calling(piece(index=1, id="b", name="et", arguments=ROME)),
        ],
        # both at once
        [
            calling(piece(index=0, id="a", name="get", arguments=""), piece(index=1, id="b", name="get", arguments="")),
            calling(piece(index=0, arguments=PARTS[0])),
            calling(piece(index=1, arguments=ROME[:4])),
            calling(piece(index=0, arguments=PARTS[1])),
            calling(piece(index=1, arguments=ROME[4:])),
        ],
        # arguments that are JSON itself, and pieces of nothing
        [
            calling(piece(index=0, id="a", name="get", arguments={"city": "Oslo"})),
            calling(piece(index=0, arguments=None), piece(index=0)),
            calling(piece(index=1, id="b", name="get", arguments={"city": "Rome"})),
            chunk({"delta": {"tool_calls": [None]}}),
            chunk({"delta": {"tool_calls": [{"index": 1, "id": None, "function": None}]}}),
        ],
    ],
)  # fmt: skip
def test_two_calls_are_two_calls(events: Sequence[Event]) -> None:
    """Calls are told apart and put together by id, name and order, whatever index their pieces have."""
    assert calls(*events) == [("a", "get", OSLO), ("b", "get", ROME)]


@pytest.mark.parametrize(
    "events",
    [
        [calling(piece(**WHOLE_A)), calling(piece(**WHOLE_B))],
        [calling(piece(id="", **WHOLE_A), piece(id="", **WHOLE_B))],
        [calling(piece(index=0, **WHOLE_A)), calling(piece(index=0, **WHOLE_B))],
        [*(calling(piece(name="get", arguments=part)) for part in PARTS), calling(piece(**WHOLE_B))],
        [*(calling(piece(index=0, name="get", arguments=part)) for part in PARTS), calling(piece(index=1, **WHOLE_B))],
    ],
)
def test_calls_without_ids_are_told_apart_too(events: Sequence[Event]) -> None:
    """A name that comes when the arguments before it are whole begins another call."""
    assert calls(*events) == [(None, "get", OSLO), (None, "get", ROME)]


@pytest.mark.parametrize(
    "events",
    [
        [calling(piece(index=0, id="get", **WHOLE_A)), calling(piece(index=1, id="get", **WHOLE_B))],
        [calling(piece(id="get", **WHOLE_A)), calling(piece(id="get", **WHOLE_B))],
    ],
)
def test_an_id_of_two_calls_is_that_of_the_first(events: Sequence[Event]) -> None:
    """A server that takes the tool's name for an id makes two calls of which one has it, so that each is answered."""
    assert calls(*events) == [("get", "get", OSLO), (None, "get", ROME)]


@pytest.mark.parametrize("arguments", [{}, {"arguments": ""}, {"arguments": None}, {"arguments": "{}"}])
def test_a_call_without_arguments_has_an_empty_object(arguments: dict[str, Any]) -> None:
    """What clients read as JSON is JSON, also of calls that say no arguments, one after the other."""
    events = calling(piece(id="a", name="ping", **arguments)), calling(piece(id="b", name="pong", **arguments))
    assert calls(*events) == [("a", "ping", "{}"), ("b", "pong", "{}")]


def test_a_call_that_never_has_a_name_is_an_error() -> None:
    """Arguments for nobody knows what are not handed on, and not lost in silence."""
    with pytest.raises(InferenceError) as caught:
        read(calling(piece(index=0, id="a", arguments=OSLO)), ended("tool_calls"), DONE)
    assert caught.value.kind is Kind.UNREADABLE


def test_what_a_server_puts_beside_a_call_is_kept() -> None:
    """Gemini's signature of a thought is on the call that it is about."""
    signature = {"google": {"thought_signature": "SIG=="}}
    (first, *_) = read(calling(piece(index=0, id="a", extra_content=signature, **WHOLE_A)), ended("stop"), DONE)
    assert first == ToolCall(0, "a", "get", extra=signature)


SAID = chunk({"delta": {"content": "Hi"}})


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([SAID, DONE], "stop"),
        ([SAID, ended("eos_token"), DONE], "stop"),
        ([SAID, ended("MAX_TOKENS")], "length"),
        ([chunk({"delta": {"content": "Hi"}, "finish_reason": "stop"})] * 3, "stop"),
        ([ended("stop"), calling(piece(id="a", **WHOLE_A)), DONE], "tool_calls"),
        ([ended("stop"), calling(piece(id="a", **WHOLE_A)), ended("length"), DONE], "length"),
        ([ended("content_filter"), DONE], "content_filter"),
        ([calling(piece(id="a", **WHOLE_A)), DONE], "tool_calls"),
    ],
)
def test_a_stream_says_once_why_it_ended(events: Sequence[Event], reason: str) -> None:
    """The reason is one of OpenAI's, goes with what was answered, and is there though the server never says it."""
    assert [delta for delta in read(*events) if isinstance(delta, Finished)] == [Finished(0, reason)]


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([DONE], Kind.UNREADABLE),
        ([chunk({"delta": {"role": "assistant", "content": ""}}), DONE], Kind.UNREADABLE),
        ([chunk({"delta": {}, "finish_reason": ""}), DONE], Kind.UNREADABLE),
        ([SAID], Kind.CUT_OFF),
        ([], Kind.CUT_OFF),
    ],
)
def test_a_stream_that_answered_nothing_is_no_success(events: Sequence[Event], kind: Kind) -> None:
    """The mark of the end alone is no answer, and words without any end are not a whole one."""
    with pytest.raises(InferenceError) as caught:
        read(*events)
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("event", "status", "words"),
    [
        (Event(b'{"error": {"message": "no", "code": 429}}'), 429, "no"),
        (Event(b'{"error": {"message": "no", "code": "503"}}'), 503, "no"),
        (Event(b'{"error": {"message": "no", "type": "rate_limit_error"}}'), 429, "no"),
        (Event(b'{"error": {"message": "no", "code": 8, "type": "BadRequestError"}}'), 400, "no"),
        (Event(b'{"error": {"message": "no"}}'), 500, "no"),
        (Event(b'{"error": "no", "error_type": "generation"}'), 424, "no"),
        (Event(b'{"error": ["no", "never"]}'), 500, "no; never"),
        (Event(b'{"object": "error", "message": "no", "type": "NotFoundError", "code": 404}'), 404, "no"),
        (Event(b'{"error_code": 17, "error_msg": "no"}'), 500, "no"),
        (Event(b'{"code": 400, "details": "no"}', "error"), 400, "no"),
        (Event(b'{"detail": "no"}', "error"), 500, "no"),
        (Event(b'{"message": "no"}', "error"), 500, "no"),
        (Event(b'[{"error": {"message": "no", "status": "RESOURCE_EXHAUSTED"}}]', "error"), 429, "no"),
        (Event(b"no", "error"), 500, "no"),
    ],
)
def test_an_error_of_any_shape_ends_a_stream(event: Event, status: int, words: str) -> None:
    """An event that is named an error, or that holds one, is one with the server's words and the status it means."""
    with pytest.raises(InferenceError) as caught:
        read(SAID, event, DONE)
    assert caught.value.upstream is not None
    assert (caught.value.upstream.status, caught.value.upstream.message) == (status, words)


@pytest.mark.parametrize("error", [None, "", {}, []])
def test_an_error_that_is_empty_is_none(error: Any) -> None:
    """A member `error` that says nothing does not end an answer."""
    assert read(chunk({"delta": {"content": "Hi"}}, error=error), DONE)[0] == Text("Hi")


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None}, {"choices": [None]}, {"choices": [{"delta": None, "index": None}]},
        {"id": None, "model": None},
        {"usage": None}, {"usage": []}, {"usage": {"prompt_tokens": None}}, {"id": 7, "created": "now"},
        {"choices": [{"delta": {"role": None, "content": None, "tool_calls": None}, "finish_reason": None}]},
    ],
)  # fmt: skip
def test_a_chunk_with_nulls_costs_no_answer(odd: dict[str, Any]) -> None:
    """Whatever a chunk leaves out or has as null, the answer that was paid for is read to its end."""
    assert read(chunk(**odd), SAID, chunk(**odd), DONE) == [Text("Hi"), Finished(0, "stop")]


@pytest.mark.parametrize(
    ("delta", "deltas"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, [Text("a"), Text("b")]),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
            [Reasoning("hm", member="content")],
        ),
        ({"content": [{"type": "image", "url": "x"}, "a"]}, [Text("a")]),
        ({"reasoning": "hm"}, [Reasoning("hm", member="reasoning")]),
        ({"reasoning_content": "hm", "content": "a"}, [Reasoning("hm", member="reasoning_content"), Text("a")]),
        (
            {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text"}]},
            [Reasoning("hm", member="reasoning", extra={"reasoning_details": [{"type": "reasoning.text"}]})],
        ),
        ({"extra_content": {"google": {}}}, [Reasoning(extra={"extra_content": {"google": {}}})]),
    ],
)
def test_thoughts_and_words_are_told_apart(delta: dict[str, Any], deltas: list[Delta]) -> None:
    """Content may be parts; what a model thought is told with the name it came by and what stood beside it."""
    assert read(chunk({"delta": delta}), DONE) == [*deltas, Finished(0, "stop")]


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"prompt_tokens": 3.0, "completion_tokens": [2]}, Usage(3, 2)),
        ({"prompt_tokens": None, "completion_tokens": 2, "total_tokens": 5}, Usage(3, 2)),
        ({"prompt_tokens": 9, "completion_tokens": -1}, Usage(9, 0)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3}},
            Usage(9, 0, cached=4, cache_written=3),
        ),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(9, 0, cached=4)),
        ({"prompt_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 2}}, Usage(9, 0, reasoning=2)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None, "completion_tokens_details": []}, Usage(9, 0)),
    ],
)
def test_a_cost_is_read_in_any_shape(usage: Any, cost: Usage) -> None:
    """Counts are taken from wherever a server tells them, and what is no count is left out."""
    assert read(SAID, chunk(usage=usage), DONE)[1] == Used(cost)
