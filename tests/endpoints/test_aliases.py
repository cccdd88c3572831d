from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from world import COMPLETION, EMBEDDING, KEY, World, openai, told

from inferpoint.endpoints.directory import Endpoints
from inferpoint.errors import InferenceError
from inferpoint.model.requests import ANONYMOUS
from inferpoint.storage.vault import Vault

TAKEN = "resource_already_exists_exception"


@pytest.fixture
def named(world: World) -> World:
    """A world with an endpoint `e` that is called `one` and `two` as well, and an endpoint `f`."""
    world.create("e", EMBEDDING, openai(aliases=["one", "two", "one"]))
    world.create("f", COMPLETION, openai())
    world.provider.calls.clear()
    return world


def reloaded(world: World) -> Endpoints:
    found = Endpoints(world.store, Vault(KEY))
    world.run(found.load())
    return found


def refused(act: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(InferenceError) as caught:
        act()
    return told(caught.value)


def test_an_endpoint_is_found_by_each_of_its_names(named: World) -> None:
    """An alias answers as the id does, is shown after all else, and is there after a new start."""
    assert named.infer("two", "hi") == named.infer("e", "hi")
    assert named.get("one") == named.get("e")
    assert named.get("one")["inference_id"] == "e"
    assert list(named.get("e"))[-2:] == ["chunking_settings", "aliases"]
    assert named.get("e")["aliases"] == ["one", "two"]
    assert "aliases" not in named.get("f")
    assert reloaded(named).find("two").endpoint == named.endpoints.find("e").endpoint


def test_an_endpoint_that_cannot_be_used_says_so_under_every_name(named: World) -> None:
    """Its aliases stay its own until it is deleted."""
    row = named.run(named.store.all())[0]
    named.run(named.store.replace(replace(row, service="gone"), row.version))
    found = reloaded(named)
    assert refused(lambda: found.find("one"))[0] == 500
    assert refused(lambda: found.refuse_duplicate("one"))[1] == TAKEN
    named.run(found.remove("e"))
    found.refuse_duplicate("one")


def test_an_endpoint_is_changed_and_deleted_by_its_id_alone(named: World) -> None:
    """Under an alias there is nothing to change or delete."""
    assert refused(lambda: named.update("one", {"aliases": []}))[0] == 404
    lifecycle = named.engine.lifecycle
    gone = (404, "resource_not_found_exception", "Inference endpoint not found [one]")
    assert refused(lambda: named.run(lifecycle.delete(ANONYMOUS, "one"))) == (
        *gone[:2],
        "Inference endpoint not found [one], which is an alias of [e]",
    )
    assert named.run(lifecycle.delete(ANONYMOUS, "e"))
    assert refused(lambda: named.get("one")) == gone
    assert named.create("one", EMBEDDING, openai()).endpoint.inference_id == "one"


def test_no_endpoint_takes_the_id_of_another(named: World) -> None:
    """Only an alias moves."""
    said = (400, TAKEN, "Inference endpoint [e] already exists")
    assert refused(lambda: named.update("f", {"aliases": ["free", "e"]})) == said
    assert refused(lambda: named.get("free"))[0] == 404


@pytest.mark.parametrize("alias", ["e", "one"])
def test_a_name_is_one_endpoints_only(named: World, alias: str) -> None:
    """What another endpoint is called is taken, as an id or as an alias, and asking costs nothing."""
    said = (400, TAKEN, f"Inference endpoint [{alias}] already exists")
    assert refused(lambda: named.create(alias, COMPLETION, openai())) == said
    assert refused(lambda: named.create("g", COMPLETION, openai(aliases=["free", alias]))) == said
    assert named.provider.calls == []
    assert refused(lambda: named.get("free"))[0] == 404


@pytest.mark.parametrize(
    ("aliases", "problem"),
    [
        ("x", "field [aliases] is not of the expected type. The value [x] cannot be converted to a [List]"),
        ({}, "field [aliases] is not of the expected type. The value [{}] cannot be converted to a [List]"),
        (["x", 1], "field [aliases] is not of the expected type. The value [1] cannot be converted to a [String]"),
        (["x", "n"], "[aliases] must not hold the endpoint's own id [n]"),
        (["x", "/big"], "Invalid alias; '/big' can contain alphanumeric"),
        (["x", "big/"], "Invalid alias; 'big/' can contain alphanumeric"),
        (["x", "b ig"], "Invalid alias; 'b ig' can contain alphanumeric"),
        ([""], "Invalid alias; '' can contain alphanumeric"),
    ],
)
def test_what_is_no_list_of_other_ids_is_refused(world: World, aliases: Any, problem: str) -> None:
    """On creation and update alike, with nothing kept."""
    for act in (
        lambda: world.create("n", COMPLETION, openai(aliases=aliases)),
        lambda: world.update("n", {"aliases": aliases}),
    ):
        status, _, reason = refused(act)
        assert status == 400
        assert problem in reason
        assert world.endpoints.exists("n") is False or "aliases" not in world.get("n")
        if not world.endpoints.exists("n"):
            world.create("n", COMPLETION, openai())


@pytest.mark.parametrize(
    ("aliases", "left"), [([], None), (None, None), (["two", "three"], ["two", "three"]), (["e.1"], ["e.1"])]
)
def test_an_update_replaces_the_aliases_without_a_call(named: World, aliases: Any, left: Any) -> None:
    """The provider does not see them; what is no alias any more is free for others."""
    before = named.endpoints.find("e").endpoint
    after = named.update("e", {"aliases": aliases}).endpoint
    assert named.provider.calls == []
    assert named.get("e").get("aliases") == left
    assert after.version != before.version
    assert after.dimensions == before.dimensions
    assert refused(lambda: named.get("one"))[0] == 404
    named.update("f", {"aliases": ["one"]})
    assert reloaded(named).find("one").endpoint.inference_id == "f"


def test_other_updates_leave_the_aliases(named: World) -> None:
    """They go only when they are named; the same ones again change nothing."""
    named.update("e", {"task_settings": {"user": "u"}})
    assert len(named.provider.calls) == 1
    before = named.get("e")
    assert before["aliases"] == ["one", "two"]
    version = named.endpoints.find("e").endpoint.version
    assert named.update("e", {"aliases": ["one", "two"]}).endpoint.version == version


def test_of_two_that_want_one_name_at_once_one_gets_it(named: World) -> None:
    """Also when both were tried before either was kept: memory and store say the same."""
    create, update = named.engine.lifecycle.create, named.engine.lifecycle.update
    aliased: Mapping[str, Any] = openai(aliases=["x"])

    async def together() -> list[Any]:
        wanted = (
            create(ANONYMOUS, "g", aliased, kind=COMPLETION),
            create(ANONYMOUS, "x", openai(), kind=COMPLETION),
            update(ANONYMOUS, "f", {"aliases": ["x"], "task_settings": {"user": "u"}}),
        )
        return await asyncio.gather(*wanted, return_exceptions=True)

    results = named.run(together())
    errors = [each for each in results if isinstance(each, InferenceError)]
    assert [told(each)[1:] for each in errors] == [(TAKEN, "Inference endpoint [x] already exists")] * 2
    assert len(named.provider.calls) == 3
    assert reloaded(named).find("x").endpoint == named.endpoints.find("x").endpoint
