"""Which of many inputs a provider's refusal is about, and when it is about none of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from batches import ONE_A_SECOND, ask, complaint, faulty, limits, together, vectors
from world import EMBEDDING, World, body, told

from inferpoint.model.http import Reply

MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world whose endpoint `e` may call once a second."""
    made = make_world(vectors, validate=False)
    made.create("e", EMBEDDING, ONE_A_SECOND)
    return made


@pytest.mark.parametrize("refusal", [complaint("no", 400), complaint("no", 413), complaint("no", 422), Reply(413, b"")])
def test_an_input_that_is_refused_is_named(world: World, refusal: Reply) -> None:
    """By its place in the request, whatever a provider's status for what is wrong with an input."""
    world.provider.answer = lambda call: (
        refusal if any("bad".startswith(text) for text in body(call)["input"]) else vectors(call)
    )
    (error,) = together(world, ask(world, "x", "y", "bad", "z"))
    assert (error.index, told(error)[0]) == (2, refusal.status)
    (found,) = together(world, ask(world, "x", "y", "bad", "z", partial=True))
    assert {place: each.index for place, each in found.errors.items()} == {2: 2}


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_that_is_about_no_input_names_none(world: World, status: int) -> None:
    """Also where a call holds a single one of the request's inputs."""
    limits(world, inputs=1)
    world.provider.answer = lambda _: complaint("no", status)
    (error,) = together(world, ask(world, "a", "b"))
    assert (error.upstream.status, error.index) == (status, None)
    (found,) = together(world, ask(world, "a", "b", partial=True))
    assert {place: each.index for place, each in found.errors.items()} == {0: None, 1: None}


def test_many_inputs_at_fault_are_not_everyones(world: World) -> None:
    """Where others pass between them, a provider refuses inputs and not the endpoint, however many it refuses."""
    limits(world, inputs=2)
    texts = [f"{name} {number}" for number in range(50) for name in ("bad", "good")]
    world.provider.answer = faulty(*texts[::2])
    (found,) = together(world, ask(world, *texts, partial=True))
    assert sorted(found.errors) == list(range(0, 100, 2))
