"""Members that our encoders add of their own accord, and that some servers refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from batches import complaint, vectors
from world import CHAT, EMBEDDING, SECRET, Arrived, World, body, openai, told

from inferpoint.errors import InferenceError
from inferpoint.model.chat import said
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Text

MakeWorld = Callable[..., World]
EVENTS = [b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\n', b"data: [DONE]\n\n"]
FORMAT, OPTIONS = "encoding_format", "stream_options"
REFUSALS = [
    lambda name: complaint(f"this provider does not support parameters: {{'{name}': 'x'}}"),
    lambda name: complaint(f"Unrecognized request argument supplied: {name}"),
    lambda name: complaint("Extra inputs are not permitted", 422, param=name),
]


def refusing(name: str, refusal: Reply) -> Callable[[Call], Any]:
    """A server that takes everything but one member."""

    def answer(call: Call) -> Any:
        if name in body(call):
            return refusal
        return (
            Arrived(200, EVENTS, {"content-type": "text/event-stream"}) if "messages" in body(call) else vectors(call)
        )

    return answer


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("kind", [EMBEDDING, TaskType.EMBEDDING])
def test_an_embedding_is_asked_for_again_without_its_format(
    make_world: MakeWorld, kind: TaskType, refusal: Callable[[str], Reply]
) -> None:
    """Once, when the endpoint is created; from then on the member is left out."""
    world = make_world(refusing(FORMAT, refusal(FORMAT)))
    world.create("e", kind, openai())
    assert [FORMAT in body(call) for call in world.provider.calls] == [True, False]
    world.infer("e", "a", "b")
    world.infer("e", "c")
    assert [FORMAT in body(call) for call in world.provider.calls] == [True, False, False, False]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("kind", [CHAT, TaskType.COMPLETION])
def test_a_stream_is_asked_for_again_without_its_options(
    make_world: MakeWorld, kind: TaskType, refusal: Callable[[str], Reply]
) -> None:
    """Its cost is not known then, and all else comes."""
    world = make_world(refusing(OPTIONS, refusal(OPTIONS)), validate=False)
    world.create("c", kind, openai())
    for _ in range(2):
        deltas = world.stream("c") if kind is TaskType.COMPLETION else streamed(world)
        assert [delta.text for delta in deltas if isinstance(delta, Text)] == ["hi"]
    assert [OPTIONS in body(call) for call in world.provider.calls] == [True, False, False]


@pytest.mark.parametrize(
    "refusal", [*REFUSALS, lambda name: complaint(f"body -> {name}\n  Extra inputs are not permitted")]
)
def test_a_chat_is_asked_for_again_without_the_number_of_choices(
    make_world: MakeWorld, refusal: Callable[[str], Reply]
) -> None:
    """Which is one anyhow, and which some models of NVIDIA's refuse; a number that the caller chose is sent on."""
    world = make_world(refusing("n", refusal("n")), validate=False)
    world.create("c", CHAT, openai())
    for _ in range(2):
        assert [delta.text for delta in streamed(world) if isinstance(delta, Text)] == ["hi"]
    assert ["n" in body(call) for call in world.provider.calls] == [True, False, False]


def streamed(world: World) -> list[Any]:
    async def read() -> list[Any]:
        return [delta async for deltas in world.streaming("c", InferenceRequest(said("hi"))) for delta in deltas]

    return world.run(read())


@pytest.mark.parametrize(
    "refusal",
    [
        complaint("no such model"),
        complaint("encoding_format is wrong", 401),
        complaint("encoding_format is wrong", 404),
        complaint("my_encoding_format is wrong"),
        complaint("dimensions are not supported", param="dimensions"),
    ],
)
def test_other_refusals_are_told_at_once(make_world: MakeWorld, refusal: Reply) -> None:
    """Only what nobody asked for is left out, and only where it is what was refused."""
    world = make_world(lambda _: refusal, validate=False)
    world.create("e", EMBEDDING, openai())
    with pytest.raises(InferenceError) as caught:
        world.infer("e", "a")
    assert (told(caught.value)[0], len(world.provider.calls)) == (refusal.status, 1)


def test_a_server_that_refuses_the_call_without_it_too_is_asked_no_more(make_world: MakeWorld) -> None:
    """The second refusal is the answer."""
    world = make_world(lambda _: complaint("encoding_format and all else is wrong"), validate=False)
    world.create("e", EMBEDDING, openai())
    with pytest.raises(InferenceError):
        world.infer("e", "a")
    assert len(world.provider.calls) == 2


def test_another_version_of_the_endpoint_is_asked_anew(make_world: MakeWorld) -> None:
    """What was learnt goes with the endpoint that it was learnt of."""
    world = make_world(refusing(FORMAT, REFUSALS[0](FORMAT)))
    world.create("e", EMBEDDING, openai())
    world.provider.calls.clear()
    world.create("f", EMBEDDING, openai({"api_key": f"{SECRET}-of-f"}))
    assert [FORMAT in body(call) for call in world.provider.calls] == [True, False]
