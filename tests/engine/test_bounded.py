"""Chunks of an endpoint whose model says how long texts are for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from world import EMBEDDING, World, body, elasticsearch, json_reply

from inferpoint import chunk
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import ANONYMOUS, Chunking, InferenceRequest
from inferpoint.model.results import ChunkedEmbeddings

MOST = 100  # letters that the model takes; it counts nothing else
TEXT = "One two three four. Five six seven eight nine ten. " * 12
STRATEGIES = [
    {"strategy": "sentence", "max_chunk_size": 40, "sentence_overlap": 0},
    {"strategy": "sentence", "max_chunk_size": 40, "sentence_overlap": 1},
    {"strategy": "word", "max_chunk_size": 40, "overlap": 15},
    {"strategy": "recursive", "max_chunk_size": 40, "separator_group": "plaintext"},
]


def letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def model(call: Call) -> Reply:
    """A model of our own that takes so many letters, and refuses what is longer."""
    texts = body(call)["inputs"]
    if call.url == "local:lengths":
        return json_reply({"lengths": [letters(text) / MOST for text in texts]})
    if any(letters(text) > MOST for text in texts):
        return json_reply({"error": "too long"}, 400)
    return json_reply({"embeddings": [[len(text)] for text in texts], "tokens": 1, "cut": []})


def chunked(world: World, settings: dict[str, Any], *texts: str) -> list[list[tuple[int, int]]]:
    result = world.infer("m", *texts, chunking=Chunking(settings))
    assert isinstance(result, ChunkedEmbeddings)
    return [[(piece.start_offset, piece.end_offset) for piece in chunks] for chunks in result.inputs]


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    made = make_world(model, validate=False)
    made.create("m", EMBEDDING, elasticsearch())
    return made


def places(text: str, spans: Sequence[tuple[int, int]]) -> set[int]:
    """The places of *text* in *spans* at which there is more than white space."""
    return {place for start, end in spans for place in range(start, end) if not text[place].isspace()}


@pytest.mark.parametrize("settings", STRATEGIES, ids=lambda settings: settings["strategy"])
@given(texts=st.lists(st.text(alphabet="ab .\n词👩", max_size=400), min_size=1, max_size=3))
@example(texts=[TEXT, "Short.", "a" * 1000, ""])
def test_no_chunk_is_longer_than_the_model_takes(
    make_world: Callable[..., World], settings: dict[str, Any], texts: list[str]
) -> None:
    """Whatever the strategy and the text; nothing but white space is left out, and the order is kept."""
    world = make_world(model, validate=False)
    world.create("m", EMBEDDING, elasticsearch())
    for text, spans in zip(texts, chunked(world, settings, *texts), strict=True):
        assert all(letters(text[start:end]) <= MOST for start, end in spans)
        assert spans == sorted(spans)
        assert places(text, spans) == places(text, chunk(text, settings))


def test_chunks_that_fit_stay_as_they_are(world: World) -> None:
    """Only what is too long is cut again."""
    small = {"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 0}
    assert chunked(world, small, TEXT) == [chunk(TEXT, small)]


def test_a_preview_shows_the_chunks_that_are_embedded(world: World) -> None:
    """With what the endpoint's model takes."""
    settings = STRATEGIES[0]

    async def preview() -> Any:
        resolved = world.engine.find(ANONYMOUS, "m")
        return await world.engine.preview_on(resolved, InferenceRequest((TEXT,)), Chunking(settings))

    (shown,) = world.run(preview())
    assert [(piece.start_offset, piece.end_offset) for piece in shown] == chunked(world, settings, TEXT)[0]


def test_a_text_that_is_not_to_be_cut_is_not(world: World) -> None:
    """The strategy `none` says so, and the model refuses it."""
    with pytest.raises(Exception, match="too long"):
        chunked(world, {"strategy": "none"}, TEXT)
    assert [call.url for call in world.provider.calls] == ["local:text_embedding"]


def test_what_cannot_be_measured_is_left_to_the_model(make_world: Callable[..., World]) -> None:
    """A model that is gone says so itself."""
    world = make_world(lambda _: json_reply({"error": "gone"}, 400), validate=False)
    world.create("m", EMBEDDING, elasticsearch())
    with pytest.raises(Exception, match="gone"):
        chunked(world, STRATEGIES[0], TEXT)
