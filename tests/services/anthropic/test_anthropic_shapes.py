"""Answers as proxies and servers of other makers write them in Anthropic's form: none costs what was paid for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conversing import usual_choice
from played import answered, endpoint, reply, streamed

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import Kind, Upstream
from inferpoint.model.chat import Thought
from inferpoint.model.endpoint import TaskType
from inferpoint.model.results import Completion, Finished, Reasoning, Started, Text, Usage, Used
from inferpoint.protocols.anthropic import failures

END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}


def claude() -> Resolved:
    settings = {"api_key": "k", "model_id": "claude-sonnet-4-5"}
    return endpoint(TaskType.CHAT_COMPLETION, "anthropic", settings, {"max_tokens": 1024})


def whole(**members: Any) -> Completion:
    body = {"id": "msg_1", "model": "m", "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"}
    result = answered(claude(), reply({**body, **members}))
    assert isinstance(result, Completion)
    return result


def events(*data: dict[str, Any], name: str = "") -> list[bytes]:
    head = f"event: {name}\n".encode() if name else b""
    return [head + b"data: " + json.dumps(event).encode() + b"\n\n" for event in data]


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4)),
        ({"input_tokens": 3.0, "output_tokens": [4]}, Usage(3, 4)),
        ({"input_tokens": -1, "output_tokens": 4}, Usage(0, 4)),
        ({"input_tokens": None, "output_tokens": 4}, Usage(0, 4)),
        ({"input_tokens": "3", "output_tokens": 4, "output_tokens_details": 5}, Usage(0, 4)),
        ({"input_tokens": 3, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100},
         Usage(123, 0, cached=100, cache_written=20)),
        ({}, None),
        (None, None),
        ([], None),
        ("free", None),
        ({"input_tokens": True}, None),
    ],
)  # fmt: skip
def test_a_cost_of_any_shape_costs_no_answer(usage: Any, wanted: Usage | None) -> None:
    """What is no number is not known; whole and streamed alike."""
    result = whole(usage=usage)
    assert (result.choices[0].text, result.usage) == ("ok", wanted)
    deltas, error = streamed(claude(), events({**END, "usage": usage}))
    assert error is None
    assert [delta.usage for delta in deltas if isinstance(delta, Used)] == ([] if wanted is None else [wanted])


def test_what_a_later_count_does_not_tell_stays() -> None:
    """The prompt is counted at the start, what is written at the end."""
    start = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "output_tokens": 1,
    }
    begun = {"type": "message_start", "message": {"id": None, "model": None, "usage": start}}
    deltas, _ = streamed(claude(), events(begun, {**END, "usage": {"output_tokens": 15, "input_tokens": None}}))
    assert deltas == [
        Started("", ""),
        Used(Usage(1110, 1, cached=1000, cache_written=100)),
        Finished(0, "stop"),
        Used(Usage(1110, 15, cached=1000, cache_written=100)),
    ]


def test_a_text_of_nothing_is_no_text() -> None:
    """A null where a text should be says nothing, and takes nothing of the rest away."""
    blocks = [{"type": "text", "text": None}, {"type": "text", "text": "ok"}]
    assert whole(content=blocks).choices == [usual_choice("ok", reason="stop")]
    piece = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": None}}
    assert streamed(claude(), events(piece, END)) == ([Finished(0, "stop")], None)


@pytest.mark.parametrize(
    ("told", "reason", "sequence"),
    [("stop_sequence", "stop", "END"), ("end_turn", "stop", None), ("max_tokens", "length", None)],
)
def test_what_stopped_an_answer_is_kept(told: str, reason: str, sequence: str | None) -> None:
    """Whole and streamed."""
    members = {"stop_reason": told, "stop_sequence": sequence}
    choice = whole(**members).choices[0]
    assert (choice.reason, choice.stop_sequence) == (reason, sequence)
    deltas, _ = streamed(claude(), events({"type": "message_delta", "delta": members}))
    assert deltas == [Finished(0, reason, sequence)]


def test_an_answer_with_a_call_did_not_just_stop() -> None:
    """Whatever reason the server tells beside the call."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert whole(content=[use]).choices[0].reason == "tool_calls"
    deltas, _ = streamed(claude(), events({"type": "content_block_start", "index": 0, "content_block": use}, END))
    assert deltas[-1] == Finished(0, "tool_calls")


SIGNED: list[dict[str, Any]] = [{"type": "signature_delta", "signature": half} for half in ("Eq", "QB")]


@pytest.mark.parametrize("ends", [True, False])
def test_a_signature_ends_its_thought(ends: bool) -> None:
    """However it comes, and also where a server does not say that the block has ended."""
    content: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        *({"type": "content_block_delta", "index": 0, "delta": piece} for piece in SIGNED),
    ]
    stop = [{"type": "content_block_stop", "index": 0}] if ends else []
    deltas, _ = streamed(claude(), events(*content, *stop, END))
    assert deltas == [Reasoning("Hm."), Reasoning(signature="EqQB"), Finished(0, "stop")]


def test_thoughts_are_kept_as_they_are_sealed() -> None:
    """Signed, without words, without a signature, redacted."""
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "redacted_thinking", "data": "c2ln"},
    ]
    assert whole(content=blocks).choices[0].thoughts == (
        Thought("Hm.", "c2ln"),
        Thought("", "c2ln"),
        Thought("Hm."),
        Thought(redacted="c2ln"),
    )


@pytest.mark.parametrize(
    ("data", "upstream"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}},
         Upstream(529, "Busy.", "overloaded_error")),
        ({"error": {"type": "rate_limit_error", "message": "Slow."}}, Upstream(429, "Slow.", "rate_limit_error")),
        ({"message": "Gone."}, Upstream(500, '{"message": "Gone."}')),
        ("Gone.", Upstream(500, '"Gone."')),
    ],
)  # fmt: skip
def test_an_event_that_is_an_error_by_its_name_is_one(data: Any, upstream: Upstream) -> None:
    """Whatever its JSON says, with its words."""
    deltas, error = streamed(claude(), events({"type": "content_block_delta", "delta": {"type": "text_delta",
                             "text": "o"}}) + events(data, name="error"))  # fmt: skip
    assert deltas == [Text("o")]
    assert error is not None
    assert (error.upstream, error.kind is Kind.CUT_OFF) == (upstream, False)


@pytest.mark.parametrize(
    ("message", "setting"),
    [
        ("`temperature` is deprecated for this model.", "temperature"),
        ("top_p cannot be set for this model", "top_p"),
        ("`top_k` is not supported by the model", "top_k"),
        ("temperature: range: 0..1", None),
        ("The model is overloaded, temperature rises", None),
    ],
)
def test_a_setting_that_a_model_does_not_take_is_named(message: str, setting: str | None) -> None:
    """Where it may have been set is said beside Anthropic's own words."""
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    told = failures.complaint(reply(body, 400)).message
    hint = f" Leave [{setting}] out of [task_settings] and of the request." if setting else ""
    assert told == message + hint
