"""An alias moves in one step, and one of embeddings never to vectors of another space without a word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from in_process import Application
from world import CHAT, EMBEDDING, KEY, World, body, hugging_face, json_reply, openai, told

from inferpoint.endpoints.directory import Endpoints
from inferpoint.errors import InferenceError
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import ANONYMOUS
from inferpoint.storage.vault import Vault

MakeWorld = Callable[..., World]
VECTORS = {"small": (1.0, 0.2, 0.1), "same": (2.0, 0.4, 0.2), "other": (0.1, 1.0, 0.2), "large": (1.0, 0.2, 0.1, 0.0)}
LIVE = {"aliases": ["live"]}


def answers(call: Call) -> Reply:
    """The vectors of a model, which lean a little by the text."""
    asked = body(call)
    if "messages" in asked:
        return json_reply({"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]})
    vector = VECTORS[asked["model"]]
    rows = [[number + len(text) / 1e5 for number in vector] for text in asked["input"]]
    return json_reply({"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)]})


@pytest.fixture
def models(make_world: MakeWorld) -> World:
    """An endpoint of each model and a second one of the first, and `live`, which is `small`'s."""
    world = make_world(answers)
    for name in VECTORS:
        world.create(name, EMBEDDING, openai({"model_id": name}))
    world.create("again", EMBEDDING, openai({"model_id": "small"}))
    world.create("chat", CHAT, openai())
    world.update("small", LIVE)
    world.provider.calls.clear()
    return world


def one_step(world: World, to: str, **more: Any) -> None:
    world.update(to, {**LIVE, **more})


def two_steps(world: World, to: str, **more: Any) -> None:
    world.update("small", {"aliases": []})
    world.update(to, {**LIVE, **more})


def made_anew(world: World, to: str, **more: Any) -> None:
    if world.endpoints.exists(to):
        world.run(world.engine.lifecycle.delete(ANONYMOUS, to))
    world.update("small", {"aliases": []})
    kind = CHAT if to == "chat" else EMBEDDING
    model = "small" if to == "again" else to
    world.create(to, kind, openai({"model_id": model}, **LIVE, **more))


WAYS = pytest.mark.parametrize("way", [one_step, two_steps, made_anew])


def owner(world: World) -> str:
    """Whose `live` is, in memory, and in the store after a new start."""
    again = Endpoints(world.store, Vault(KEY))
    world.run(again.load())
    assert again.find("live").endpoint == world.endpoints.find("live").endpoint
    return world.get("live")["inference_id"]


@WAYS
@pytest.mark.parametrize("to", ["again", "same", "chat"])
def test_an_alias_moves_to_where_vectors_compare(models: World, way: Callable[..., None], to: str) -> None:
    """To the same model, to another whose vectors agree, and to an endpoint that makes none."""
    way(models, to)
    assert owner(models) == to
    assert "aliases" not in models.get("small")


@WAYS
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("large", "its vectors have [4] numbers and not [3]"),
        ("other", "of [3] texts the least cosine of their vectors is [0."),
    ],
)
def test_an_alias_does_not_move_to_another_space(models: World, way: Callable[..., None], to: str, reason: str) -> None:
    """In one step, in two, or by a new endpoint: it is told why, and how to do it all the same."""
    with pytest.raises(InferenceError) as caught:
        way(models, to)
    status, _, told_reason = told(caught.value)
    assert status == 400
    assert f"The alias [live] stands for vectors of [small], and those of [{to}] are of another model" in told_reason
    assert reason in told_reason
    assert 'say ["force": true]' in told_reason
    if way is one_step:
        assert owner(models) == "small"
    way(models, to, force=True)
    assert owner(models) == to
    with pytest.raises(InferenceError, match=r"stands for vectors of \[" + to):
        models.update("small", LIVE)


def test_what_an_alias_stood_for_outlives_its_endpoint(models: World) -> None:
    """When the endpoint is gone there is nothing to compare with, unless the model is the same."""
    models.run(models.engine.lifecycle.delete(ANONYMOUS, "small"))
    with pytest.raises(InferenceError, match="that one is gone"):
        models.update("same", LIVE)
    models.update("chat", LIVE)
    models.update("chat", {"aliases": []})
    with pytest.raises(InferenceError, match="that one is gone"):
        models.update("same", LIVE)
    models.update("again", LIVE)
    assert owner(models) == "again"
    assert models.provider.calls == []


def test_an_alias_is_not_compared_when_nothing_is_tried(make_world: MakeWorld) -> None:
    """Without a call nobody knows of another model that its vectors compare, nor at an address of no model's name."""
    world = make_world(answers, validate=False)
    for name in ("small", "same"):
        world.create(name, EMBEDDING, openai({"model_id": name}))
    world.create("tei", EMBEDDING, hugging_face())
    world.update("small", LIVE)
    for name in ("same", "tei"):
        with pytest.raises(InferenceError, match="nothing is to be tried"):
            world.update(name, LIVE)
    assert world.provider.calls == []


def test_a_move_is_whole_or_not_at_all(models: World) -> None:
    """When another process changed who loses the alias meanwhile, nobody has changed."""
    row = next(row for row in models.run(models.store.all()) if row.inference_id == "small")
    models.run(models.store.replace(replace(row, version="x"), row.version))
    with pytest.raises(InferenceError, match="currently being updated"):
        models.update("again", LIVE)
    assert owner(models) == "small"
    assert "aliases" not in models.get("again")
    models.update("again", LIVE)
    assert owner(models) == "again"


def test_force_is_true_or_false(models: World) -> None:
    """A word that is neither forces nothing."""
    with pytest.raises(InferenceError, match=r"field \[force\] is not of the expected type"):
        models.update("large", {**LIVE, "force": "yes"})
    assert owner(models) == "small"


@pytest.mark.parametrize("alias", ["BAAI/bge-m3", "qwen3:8b", "GPT-4", "sentence-transformers/all-MiniLM-L6-v2"])
def test_an_alias_may_be_what_models_are_called(models: World, alias: str) -> None:
    """With capitals, slashes and colons, as clients send them, in a path escaped or as it is."""
    models.update("small", {"aliases": [alias]})
    ask = Application(models)
    assert ask("POST", "/v1/embeddings", {"model": alias, "input": "x"}).status == 200
    for path in (f"/_inference/{quote(alias, safe='')}", f"/v1/models/{quote(alias, safe='')}", f"/v1/models/{alias}"):
        assert ask("GET", path).status == 200
    assert ask("GET", f"/v1/models/{alias}", headers={"anthropic-version": "2023-06-01"}).json["id"] == alias
