"""Vectors in base64, for those who ask for them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from batches import ONE_A_SECOND, ask, complaint, mark, together, vectors
from world import EMBEDDING, Arrived, World, body, json_reply, openai

from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import Chunking, InferenceRequest
from inferpoint.model.results import ChunkedEmbeddings, Embeddings
from inferpoint.model.vectors import is_packed, numbers

MakeWorld = Callable[..., World]


def as_asked(call: Call) -> Reply:
    """OpenAI's answer, in the form that is asked for."""
    answer = vectors(call)
    if body(call).get("encoding_format") != "base64":
        return answer
    told = json.loads(answer.body)
    for row in told["data"]:
        row["embedding"] = base64.b64encode(struct.pack("<f", row["embedding"][0])).decode()
    return json_reply(told)


def without_form(call: Call) -> Reply:
    """A server that takes no form."""
    return complaint("encoding_format is not supported") if "encoding_format" in body(call) else vectors(call)


def never_packed(call: Call) -> Reply:
    """A server that does not look at the form."""
    return vectors(call)


def made(make_world: MakeWorld, answer: Callable[[Call], Reply | Arrived] = as_asked, **more: Any) -> World:
    world = make_world(answer, validate=False)
    world.create("e", EMBEDDING, {**ONE_A_SECOND, **more})
    return world


def right(result: Any, *texts: str, packed: bool) -> None:
    assert isinstance(result, Embeddings)
    assert result.numbers() == [[mark(text)] for text in texts]
    assert [is_packed(vector) for vector in result.vectors] == [packed] * len(texts)


def forms(world: World) -> list[Any]:
    return [body(call).get("encoding_format") for call in world.provider.calls]


@pytest.mark.parametrize(
    ("answer", "packed", "calls"),
    [
        (as_asked, True, ["base64"]),
        (never_packed, False, ["base64"]),
        (without_form, False, ["base64", None]),
    ],
)
def test_who_takes_vectors_packed_has_them_in_the_form_that_there_is(
    make_world: MakeWorld, answer: Callable[[Call], Reply], packed: bool, calls: list[Any]
) -> None:
    """A server that does not look at the form, or refuses it, answers numbers, and they are as good."""
    world = made(make_world, answer)
    right(together(world, ask(world, "a", "b", packed=True))[0], "a", "b", packed=packed)
    assert forms(world) == calls


def test_who_takes_them_packed_shares_no_call_with_who_does_not(make_world: MakeWorld) -> None:
    """The same text is asked for in each form, even at once."""
    world = made(make_world)
    first, packed, other = together(world, ask(world, "x"), ask(world, "a", packed=True), ask(world, "a", "b"))
    right(first, "x", packed=False)
    right(packed, "a", packed=True)
    right(other, "a", "b", packed=False)
    assert sorted(map(str, forms(world))) == ["base64", "float"]


@pytest.mark.parametrize("first", [False, True])
def test_a_cache_gives_what_it_kept_to_both(make_world: MakeWorld, first: bool) -> None:
    """Packed vectors are made lists for who asks for numbers; the price is paid once."""
    world = made(make_world, cache={})
    together(world, ask(world, "a", packed=first))
    (known,) = together(world, ask(world, "a", packed=not first))
    right(known, "a", packed=False)
    assert len(world.provider.calls) == 1


def test_a_vector_of_another_length_is_told_packed_too(make_world: MakeWorld) -> None:
    """Its input has an error of its own."""

    def answer(call: Call) -> Reply:
        told = json.loads(as_asked(call).body)
        if len(told["data"]) > 1:
            told["data"][1]["embedding"] = base64.b64encode(struct.pack("<2f", 1, 2)).decode()
        return json_reply(told)

    world = make_world(answer)
    world.create("e", EMBEDDING, openai())
    result = world.infer("e", "a", "b", packed=True, partial=True)
    assert isinstance(result, Embeddings)
    assert "[2] numbers" in result.errors[1].whole()
    assert list(numbers(result.vectors[0])) == [mark("a")]


def test_chunks_are_packed_and_means_of_them_are_right(make_world: MakeWorld) -> None:
    """More than 512 chunks of an input are folded, be they packed."""
    world = made(make_world)
    text = " ".join(f"w{number}" for number in range(600 * 10))
    settings = {"strategy": "word", "max_chunk_size": 10, "overlap": 0}
    asked = {"chunking": Chunking(settings), "timeout": 10**6}
    packed, listed = (
        world.run(world.inferring("e", InferenceRequest((text,), packed=packed, **asked))) for packed in (True, False)
    )
    assert isinstance(packed, ChunkedEmbeddings)
    assert isinstance(listed, ChunkedEmbeddings)
    assert len(packed.inputs[0]) == 512
    assert any(is_packed(chunk.vector) for chunk in packed.inputs[0])
    assert [list(numbers(chunk.vector)) for chunk in packed.inputs[0]] == [
        list(numbers(chunk.vector)) for chunk in listed.inputs[0]
    ]
