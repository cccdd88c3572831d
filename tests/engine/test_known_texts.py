from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from batches import ONE_A_SECOND, all_of, ask, asking, counted, faulty, mark, right, sent, together, vectors
from clock import settle
from world import EMBEDDING, World, hugging_face, json_reply, openai

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import Caller, Chunking, InferenceRequest, InputType, Tokens

MakeWorld = Callable[..., World]


def cached(make_world: MakeWorld, answer: Callable[[Call], Reply] = vectors, **cache: int) -> World:
    world = make_world(answer, validate=False)
    world.create("e", EMBEDDING, {**ONE_A_SECOND, "cache": cache})
    return world


def test_what_is_known_costs_nothing(make_world: MakeWorld) -> None:
    """No turn, no call, no time; even while others wait."""
    world = cached(make_world)
    together(world, ask(world, "a", "b"))

    async def meanwhile() -> None:
        others = asking(world, "x"), asking(world, "y", caller=Caller("other"))
        await settle()
        before = world.clock.passed
        found = await ask(world, "b", "a", "b")
        right(found, "b", "a", "b")
        assert (found.usage.input, world.clock.passed) == (0, before)
        await world.clock.drive(all_of(*others))

    asyncio.run(meanwhile())
    assert sent(world) == [["a", "b"], ["x"], ["y"]]


def test_what_is_known_in_part_costs_the_rest(make_world: MakeWorld) -> None:
    """Nine tenths known are a tenth of the price, in the order of the texts."""
    world = cached(make_world)
    texts = [f"text {number}" for number in range(1000)]
    together(world, ask(world, *(text for place, text in enumerate(texts) if place % 10)))
    world.provider.calls.clear()
    (found,) = together(world, ask(world, *texts))
    right(found, *texts)
    assert sent(world) == [texts[::10]]
    assert found.usage.input == sum(map(counted, texts[::10]))


def test_errors_are_never_kept(make_world: MakeWorld) -> None:
    """What was refused is asked for again, what came beside it is not."""
    world = cached(make_world, faulty("bad"))
    (found,) = together(world, ask(world, "good", "bad", partial=True))
    assert list(found.errors) == [1]
    world.provider.answer = vectors
    world.provider.calls.clear()
    right(together(world, ask(world, "bad", "good"))[0], "bad", "good")
    assert sent(world) == [["bad"]]


@pytest.mark.parametrize(
    "other",
    [
        {"options": {"user": "u"}},
        {"input_type": InputType.SEARCH},
        {"input_type": InputType.INGEST},
        {"endpoint": "f"},
        {"version": 2},
    ],
)
def test_what_is_known_of_another_is_not_known(make_world: MakeWorld, other: dict[str, Any]) -> None:
    """Options, purpose, endpoint, version: each has its own vectors."""
    world = cached(make_world)
    world.create("f", EMBEDDING, {**ONE_A_SECOND, "cache": {}})
    together(world, ask(world, "a"))
    if other.pop("version", 0):
        world.update("e", {"service_settings": {"api_key": "other"}})
    right(together(world, ask(world, "a", **other))[0], "a")
    assert len(world.provider.calls) == 2
    right(together(world, ask(world, "a", **other, caller=Caller("eve")))[0], "a")
    assert len(world.provider.calls) == 2


def test_token_arrays_are_known_apart_from_texts(make_world: MakeWorld) -> None:
    """Whatever they look like."""
    world = cached(make_world)
    for _ in range(2):
        arrays = world.inferring("e", InferenceRequest(Tokens(((1, 2), (3,))), timeout=10**6))
        right(together(world, arrays)[0], [1, 2], [3])
        right(together(world, ask(world, "(1, 2)", "[3]"))[0], "(1, 2)", "[3]")
    assert len(world.provider.calls) == 2


def test_that_a_text_was_cut_is_known_too(make_world: MakeWorld) -> None:
    """The second answer says it like the first."""
    world = make_world(vectors, validate=False)
    world.create("e", EMBEDDING, openai({"max_input_tokens": 2}, cache={}))
    first, second = (together(world, ask(world, "short", "very much longer"))[0] for _ in range(2))
    assert first.cut == second.cut == frozenset({1})
    assert first.vectors == second.vectors
    assert len(world.provider.calls) == 1


def test_weights_are_known_too(make_world: MakeWorld) -> None:
    """Sparse embeddings come back as they were."""
    world = make_world(lambda _: json_reply([{"a": 0.5, "b": 2}, {"c": 1}]), validate=False)
    world.create("e", TaskType.SPARSE_EMBEDDING, hugging_face(cache={}))
    first, second = (together(world, ask(world, "x", "y"))[0] for _ in range(2))
    assert first.weights == second.weights == [({"a": 0.5, "b": 2}, False), ({"c": 1}, False)]
    assert len(world.provider.calls) == 1


def test_a_full_cache_forgets_and_answers(make_world: MakeWorld) -> None:
    """What has no place is asked for again."""
    world = cached(make_world, memory_bytes=1000)
    texts = [f"text {number}" for number in range(100)]
    for _ in range(3):
        right(together(world, ask(world, *texts))[0], *texts)
    assert len(world.provider.calls) == 3
    assert len(sent(world)[-1]) > 90


def test_chunks_are_known_too(make_world: MakeWorld) -> None:
    """Of a text of which one sentence changed, one chunk is paid for."""
    world = cached(make_world)
    chunking = {"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 0}
    sentences = [" ".join([f"Word{number}"] * 15) + ". " for number in range(10)]
    together(world, ask(world, "".join(sentences), "Other.", chunking=Chunking(chunking)))
    sentences[4] = " ".join(["New"] * 15) + ". "
    world.provider.calls.clear()
    (found,) = together(world, ask(world, "Other.", "".join(sentences), chunking=Chunking(chunking, return_text=True)))
    assert [len(chunks) for chunks in found.inputs] == [1, 10]
    assert len(sent(world)[0]) == 1
    for chunk in found.inputs[1]:
        assert json.loads(bytes(chunk.vector)) == [mark(chunk.text)]
