"""Whole answers from providers that were asked for a stream, and do not stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from world import CHAT, Arrived, World, hugging_face, json_reply, openai

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import said
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Delta, Finished, Started, Text, ToolCall, Usage, Used

MakeWorld = Callable[..., World]
JSON = {"content-type": "application/json"}
CALL = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OPENAI = {
    "id": "c",
    "model": "m",
    "choices": [{"message": {"content": "Hello", "tool_calls": [CALL]}, "finish_reason": "tool_calls"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
ANTHROPIC = {
    "id": "c",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello"}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
CLAUDE = {
    "service": "anthropic",
    "service_settings": {"api_key": "k", "model_id": "m"},
    "task_settings": {"max_tokens": 9},
}
SERVICES = {
    "openai": (openai(), OPENAI),
    "hugging_face": (hugging_face({"model_id": "m"}), OPENAI),
    "anthropic": (CLAUDE, ANTHROPIC),
}


def streamed(world: World) -> list[Any]:
    """The deltas of a chat on endpoint `e`; an error comes last."""

    async def read() -> list[Any]:
        deltas: list[Any] = []
        try:
            async for some in world.streaming("e", InferenceRequest(said("hi"))):
                deltas += some
        except InferenceError as error:
            deltas.append(error)
        return deltas

    return world.run(read())


@pytest.mark.parametrize("service", SERVICES)
def test_a_whole_answer_is_a_stream_that_comes_at_once(make_world: MakeWorld, service: str) -> None:
    """All that it says is said, with its end and its cost."""
    config, answer = SERVICES[service]
    world = make_world(lambda _: json_reply(answer, **JSON), validate=False)
    world.create("e", CHAT, config)
    expected: list[Delta] = [
        Started("c", "m"),
        Text("Hello"),
        ToolCall(0, "t", "f", "{}"),
        Finished(0, "tool_calls"),
        Used(Usage(3, 2)),
    ]
    assert streamed(world) == expected
    assert all(arrived.closed for arrived in world.provider.arrived)


def test_events_under_a_wrong_name_are_read_as_events(make_world: MakeWorld) -> None:
    """A proxy that calls a stream JSON costs the caller the pieces, not the answer."""
    pieces = [b'data: {"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}\n\n', b"data: [DONE]\n\n"]
    world = make_world(lambda _: Arrived(200, pieces, JSON), validate=False)
    world.create("e", CHAT, openai())
    assert [delta for delta in streamed(world) if isinstance(delta, Text)] == [Text("Hello")]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "no such model", "code": 404}}, Kind.NOT_FOUND),
        ({"error": {"message": "no such model"}}, Kind.INTERNAL),
        ({"unheard": "of"}, Kind.UNREADABLE),
    ],
    ids=str,
)
def test_what_is_no_answer_is_an_error_before_the_first_piece(
    make_world: MakeWorld, body: Mapping[str, Any], kind: Kind
) -> None:
    """An error is told with its status and the provider's words, and so is what nobody can read."""
    world = make_world(lambda _: json_reply(body, **JSON), validate=False)
    world.create("e", CHAT, openai())
    (error,) = streamed(world)
    assert (error.kind, "no such model" in str(error)) == (kind, kind is not Kind.UNREADABLE)
