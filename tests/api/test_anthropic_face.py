from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import Application
from world import Arrived, body, json_reply

from inferpoint.api.anthropic import read
from inferpoint.api.anthropic.events import Events
from inferpoint.api.anthropic.routes import FACE
from inferpoint.api.anthropic.write import Teller
from inferpoint.api.face import Request
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import FilePart, ImagePart, Message, Role, TextPart, ToolMode, ToolUse
from inferpoint.model.fields import Fields
from inferpoint.model.requests import ANONYMOUS, InferenceRequest
from inferpoint.model.results import Finished, Started, Text, ToolCall, Usage, Used
from inferpoint.protocols.anthropic import requests
from inferpoint.protocols.anthropic.stream import Messages
from inferpoint.protocols.sse import ServerSentEvents

SAID = [{"role": "user", "content": "hi"}]
Faces = Callable[..., Application]


def asked(ask: Application, **more: Any) -> Any:
    return ask("POST", "/v1/messages", {"model": "chat", "max_tokens": 5, "messages": SAID, **more})


def test_a_whole_message(faces: Faces) -> None:
    message = {"content": "Well.", "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": '{"a":1}'}}]}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    answer = {"id": "", "choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
    ask = faces(lambda _: json_reply(answer))
    told = asked(ask, system="Be brief.", stop_sequences=["x"], temperature=0.5, metadata={"user_id": "ada"})
    assert told.headers["request-id"] == told.headers["x-request-id"]
    said = told.json
    assert said.pop("id") == f"msg_{told.headers['request-id']}"
    assert said == {
        "type": "message",
        "role": "assistant",
        "model": "chat",
        "content": [
            {"type": "text", "text": "Well."},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 3, "cache_read_input_tokens": 4},
    }
    sent = body(ask.world.provider.calls[-1])
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (sent["stop"], sent["temperature"], sent["max_completion_tokens"], sent["user"]) == (["x"], 0.5, 5, "ada")


def test_a_turn_of_tools_becomes_turns_of_their_own() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "4"}]},
        {"type": "tool_result", "tool_use_id": "u"},
        {"type": "text", "text": "and?"},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}},
        {
            "type": "document",
            "title": "a",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
        },
    ]
    uses = [{"type": "tool_use", "id": name, "name": "f", "input": {}} for name in "tu"]
    messages = [*SAID, {"role": "assistant", "content": uses}, {"role": "user", "content": blocks}]
    choice = {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
    shape = {"effort": "low", "format": {"type": "json_schema", "schema": {}}}
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    found = read.asked(
        Fields({
            "messages": messages, "max_tokens": 5, "tools": tools, "tool_choice": choice, "output_config": shape,
            "top_k": 3,
        })
    )  # fmt: skip
    assert found.conversation.messages == (
        Message(Role.USER, (TextPart("hi"),)),
        Message(Role.ASSISTANT, (ToolUse("t", "f", "{}"), ToolUse("u", "f", "{}"))),
        Message(Role.TOOL, (TextPart("4"),), tool_call_id="t"),
        Message(Role.TOOL, (), tool_call_id="u"),
        Message(
            Role.USER,
            (
                TextPart("and?"),
                ImagePart("https://x.test/a.png"),
                ImagePart("data:image/png;base64,QQ=="),
                FilePart("data:application/pdf;base64,QQ==", "a"),
            ),
        ),
    )
    assert found.conversation.tool_choice
    assert (found.conversation.tool_choice.mode, found.conversation.tool_choice.name) == (ToolMode.NAMED, "f")
    assert found.conversation.reasoning_effort == "low"
    assert found.options == {"top_k": 3}
    assert found.params["parallel_tool_calls"] is False
    assert found.params["response_format"]["json_schema"]["schema"] == {}


def test_a_turns_texts_and_results_keep_their_order(ask: Application) -> None:
    """What a user says before the result of a tool comes before it, what is said after it behind, and no empty text."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    texts = [{"type": "text", "text": text} for text in ("", "before", "after", "")]
    result = {"type": "tool_result", "tool_use_id": "t", "content": "4"}
    turn = {"role": "user", "content": [*texts[:2], result, *texts[2:]]}
    assert asked(ask, messages=[*SAID, {"role": "assistant", "content": [use]}, turn]).status == 200
    sent = body(ask.world.provider.calls[-1])["messages"]
    assert [(message["role"], message.get("content")) for message in sent[2:]] == [
        ("user", "before"),
        ("tool", "4"),
        ("user", "after"),
    ]


@pytest.mark.parametrize(("failed", "told"), [(True, "Error: 4"), (False, "4"), (None, "4")])
def test_that_a_tool_failed_is_told_on(ask: Application, failed: bool | None, told: str) -> None:
    """A result that a client marks as an error reaches the model as one."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "4", "is_error": failed}
    turns = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    assert asked(ask, messages=[*SAID, *turns]).status == 200
    assert body(ask.world.provider.calls[-1])["messages"][-1]["content"] == told


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"max_tokens": None}, "[max_tokens] is required"),
        ({"messages": []}, "[messages]"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "[messages.0.role]"),
        ({"messages": [{"role": "user", "content": 3}]}, "[messages.0.content] must be"),
        ({"messages": [{"role": "user", "content": [3]}]}, "messages.0.content.0 must be an object"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "[messages.0.content.0.type] [video]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
            "which no message before it asked for",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}]},
            "[messages.0.content.0.type] [tool_use] is not supported here",
        ),
        (
            {"messages": [*SAID, {"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
            "[messages.1.content.0.type] [tool_result] is not supported here",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"x": 1}}]}]},
            "[messages.0.content.0.cache_control.type] is required",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": 1}]}]},
            "[messages.0.content.0.is_error]",
        ),
        ({"thinking": {"type": "deep"}}, "[thinking.type] must be one of [enabled, adaptive, disabled], not [deep]"),
        ({"thinking": {"type": "enabled"}}, "[thinking.budget_tokens] is required"),
        ({"thinking": {"type": "adaptive", "budget_tokens": 5}}, "[thinking.budget_tokens] is not supported"),
        ({"thinking": {"type": "adaptive", "display": "all"}}, "[thinking.display] must be one of"),
        (
            {"system": [{"type": "text", "text": "a", "cache_control": {"type": "forever"}}]},
            "[system.0.cache_control.type] must be [ephemeral], not [forever]",
        ),
        ({"service_tier": "priority"}, "[service_tier]"),
        ({"container": "x"}, "[container] is not supported"),
        ({"system": [{"type": "image"}]}, "[system.0.type] [image]"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "[tools.0.type]"),
        ({"tools": [{"name": "f"}]}, "[tools.0.input_schema] is required"),
        ({"tool_choice": {"type": "sometimes"}}, "[tool_choice.type]"),
        ({"output_config": {"format": {"type": "xml"}}}, "[output_config.format.type]"),
        ({"metadata": {"team": "x"}}, "[metadata.team]"),
        ({"model": None}, "[model] is required"),
    ],
)
def test_what_cannot_be_said_is_named(ask: Application, more: Any, problem: str) -> None:
    told = asked(ask, **more)
    assert told.status == 400
    assert told.json["type"] == "error"
    assert told.json["error"]["type"] == "invalid_request_error"
    assert problem in told.json["error"]["message"]


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=9).filter(str.strip)
uses = st.lists(
    st.builds(ToolUse, st.uuids().map(str), st.just("f"), st.sampled_from(["{}", '{"a":[1,"é"]}'])), max_size=3
)


@given(st.lists(st.tuples(texts, texts, uses), min_size=1, max_size=3), st.none() | texts)
def test_what_we_write_to_anthropic_is_what_we_read_from_its_clients(turns: Any, system: str | None) -> None:
    """Roles, texts, tool calls and ids are the same."""
    messages = [] if system is None else [Message(Role.SYSTEM, (TextPart(system),))]
    for question, answer, asked_for in turns:
        messages.append(Message(Role.USER, (TextPart(question),)))
        messages.append(Message(Role.ASSISTANT, (TextPart(answer), *asked_for)))
        if asked_for:
            messages += [Message(Role.TOOL, (TextPart("4"),), tool_call_id=use.id) for use in asked_for]
            messages.append(Message(Role.ASSISTANT, (TextPart("so"),)))
    messages.append(Message(Role.USER, (TextPart("and?"),)))  # an answer that is begun is trimmed
    found = read.asked(Fields({"messages": [], **_written(messages), "max_tokens": 5})).conversation.messages
    assert found == tuple(messages)


def _written(messages: list[Message]) -> dict[str, Any]:
    from inferpoint.model.chat import Conversation

    sent = requests.request_body(InferenceRequest(Conversation(tuple(messages))))
    import msgspec

    return msgspec.json.decode(
        msgspec.json.encode({name: sent[name] for name in ("messages", "system") if name in sent})
    )


pieces = st.lists(
    texts.map(Text) | st.tuples(texts, st.lists(texts, max_size=3)), min_size=0, max_size=5
)  # a text, or a tool's call with the pieces of its arguments


@given(pieces, st.integers(0, 99), st.integers(0, 99), st.sampled_from(["stop", "length", "tool_calls"]))
def test_a_stream_read_again_says_the_same(said: Any, given_tokens: int, made: int, reason: str) -> None:
    deltas: list[Any] = [Started("i", "m")]
    arguments: list[str] = []
    for piece in said:
        if isinstance(piece, Text):
            deltas.append(piece)
            continue
        name, fragments = piece
        deltas.append(ToolCall(len(arguments), f"t{len(arguments)}", name, ""))
        deltas += [ToolCall(len(arguments), None, None, fragment) for fragment in fragments]
        arguments.append("".join(fragments))
    deltas += [Finished(0, reason), Used(Usage(given_tokens, made))]
    writing, reading = Events(Teller("i", "m", "anthropic", thinking=True)), Messages("x")
    events = ServerSentEvents().feed(writing.feed(deltas) + writing.end())
    assert all(json.loads(event.data)["type"] == event.name for event in events)
    found = [delta for event in events for delta in reading.feed(event)]
    reading.end()
    assert "".join(d.text for d in found if isinstance(d, Text)) == "".join(p.text for p in said if isinstance(p, Text))
    calls = [d for d in found if isinstance(d, ToolCall)]
    for ordinal, wanted in enumerate(arguments):
        assert "".join(call.arguments for call in calls if call.ordinal == ordinal) == (wanted or "{}")
    ended = "tool_calls" if arguments and reason == "stop" else reason
    assert [d.reason for d in found if isinstance(d, Finished)] == [ended]
    assert [d for d in found if isinstance(d, Used)][-1].usage == Usage(given_tokens, made)


@pytest.mark.parametrize("cut", ["{oops", '{"a": "Os', "[1]", "5", "null"])
def test_arguments_that_are_no_object_never_cost_the_answer(faces: Faces, cut: str) -> None:
    """A model that was cut off within a call has written a text that is paid; the call has an empty input."""
    message = {"content": "So:", "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": cut}}]}
    ask = faces(lambda _: json_reply({"choices": [{"message": message, "finish_reason": "length"}]}))
    told = asked(ask)
    assert told.status == 200
    assert told.json["content"] == [
        {"type": "text", "text": "So:"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    ]
    assert told.json["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("headers", [{"x-api-key": "k"}, {"authorization": "Bearer k"}])
@pytest.mark.parametrize("version", ["2023-06-01", "2026-10-21"])
def test_both_keys_and_both_versions_are_taken(faces: Faces, headers: dict[str, str], version: str) -> None:
    chunk = {"id": "c", "model": "m", "choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}
    ask = faces(lambda _: Arrived(200, [b"data: " + json.dumps(chunk).encode() + b"\n\n", b"data: [DONE]\n\n"]))
    given = {"model": "chat", "max_tokens": 5, "messages": SAID, "stream": True}
    told = ask("POST", "/v1/messages", given, headers={**headers, "anthropic-version": version})
    assert [event.name for event in told.framed] == [
        "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
        "message_stop",
    ]  # fmt: skip


def failed(kind: Kind) -> tuple[int, str]:
    """Status and type of an error."""
    request = Request("POST", "/v1/messages", {}, {}, {}, b"", ANONYMOUS, "r")
    answer = FACE.fail(InferenceError(kind, "x"), request)
    return answer.status, json.loads(answer.body)["error"]["type"]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_words(kind: Kind) -> None:
    assert failed(kind)[1].endswith(("_error", "_large"))


@pytest.mark.parametrize(
    ("kind", "status", "name"),
    [
        (Kind.INVALID, 400, "invalid_request_error"),
        (Kind.CONTEXT_OVERFLOW, 400, "invalid_request_error"),
        (Kind.UNAUTHENTICATED, 401, "authentication_error"),
        (Kind.FORBIDDEN, 403, "permission_error"),
        (Kind.NOT_FOUND, 404, "not_found_error"),
        (Kind.TOO_LARGE, 413, "request_too_large"),
        (Kind.RATE_LIMITED, 429, "rate_limit_error"),
        (Kind.INTERNAL, 500, "api_error"),
        (Kind.TIMED_OUT, 504, "timeout_error"),
        (Kind.OVERLOADED, 529, "overloaded_error"),
    ],
)
def test_an_error_has_the_status_and_the_name_that_anthropic_gives_it(kind: Kind, status: int, name: str) -> None:
    """As its documentation has them (docs.anthropic.com/en/api/errors)."""
    assert failed(kind) == (status, name)
