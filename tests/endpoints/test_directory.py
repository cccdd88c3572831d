from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from world import COMPLETION, EMBEDDING, KEY, SECRET, World, json_reply, openai, told

from inferpoint import services
from inferpoint.api.elastic.routes import list_services
from inferpoint.endpoints.directory import Endpoints
from inferpoint.errors import InferenceError
from inferpoint.model.requests import ANONYMOUS
from inferpoint.model.results import Embeddings
from inferpoint.model.secrets import Secrets
from inferpoint.storage.vault import Vault

MakeWorld = Callable[..., World]
DATABASES = Path(__file__).parent.parent / "storage" / "databases"


def reloaded(world: World) -> World:
    """The world after a new start on the same store."""
    world.endpoints = world.engine._endpoints = Endpoints(world.store, Vault(KEY))
    world.engine.lifecycle._endpoints = world.endpoints
    world.run(world.endpoints.load())
    return world


def test_endpoints_are_the_same_after_a_new_start(world: World) -> None:
    """What is read back is what was written, secrets and measured lengths included."""
    made = world.create("e", EMBEDDING, openai({"organization_id": "o"}, task_settings={"headers": {"a": "b"}}))
    again = reloaded(world).engine.lifecycle.get(ANONYMOUS, "e")
    assert again.endpoint == made.endpoint
    assert again.shown() == made.shown()
    assert again.secrets == Secrets((SECRET,))


def test_endpoints_of_an_older_version_are_shown_as_it_showed_them(tmp_path: Path) -> None:
    """A folder of the last version that kept no documents: all is what it was there, but that headers are masked."""
    connection = sqlite3.connect(tmp_path / "inferpoint.db")
    connection.executescript((DATABASES / "0003.sql").read_text("utf-8"))
    connection.close()
    world = World(folder=tmp_path)
    world.run(world.endpoints.load())
    before: dict[str, Any] = json.loads((DATABASES / "0003.json").read_text("utf-8"))
    assert {name: world.get(name) for name in before} == before
    assert world.get("two") == before["full"]
    assert {name: world.endpoints.find(name).secrets for name in before} == dict.fromkeys(before, Secrets((SECRET,)))
    with pytest.raises(InferenceError, match=r"Unknown service \[gone\] for inference endpoint \[moved\]"):
        world.get("three")
    world.store.close()


def test_no_secret_is_in_the_store(make_world: Callable[..., World], data: Path) -> None:
    """The files of the store hold no secret in the clear."""
    world = make_world(folder=data)
    world.create("e", EMBEDDING, openai())
    for path in data.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path


def changed(world: World, **values: Any) -> World:
    row = world.run(world.store.all())[0]
    world.run(world.store.replace(replace(row, **values), row.version))
    return reloaded(world)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"service": "gone"}, "Unknown service [gone] for inference endpoint [e]."),
        ({"task_type": "dance"}, "Unknown task_type [dance] for inference endpoint [e]."),
        (
            {"task_type": "rerank"},
            "The [openai] service does not support task type [rerank], but [text_embedding, embedding, completion,"
            " chat_completion] for inference endpoint [e].",
        ),
        (
            {"document": {}},
            "[service_settings] does not contain the required setting [model_id] for inference endpoint [e].",
        ),
    ],
)
def test_an_endpoint_that_cannot_be_used_any_more_stands_alone(world: World, values: Any, text: str) -> None:
    """It is a 500 with a reason for whoever asks for it, stays taken, can be deleted, and hinders no other."""
    world.create("e", EMBEDDING, openai())
    world.create("f", COMPLETION, openai())
    changed(world, **values)
    with pytest.raises(InferenceError) as caught:
        world.get("e")
    assert told(caught.value)[::2] == (500, text)
    assert world.get("f")["inference_id"] == "f"
    with pytest.raises(InferenceError, match="already exists"):
        world.create("e", EMBEDDING, openai())
    world.run(world.engine.lifecycle.delete(ANONYMOUS, "e"))
    world.create("e", EMBEDDING, openai())


def test_settings_that_are_no_more_are_passed_over(world: World) -> None:
    """A row of an older version, with settings that do not exist now, is an endpoint all the same."""
    world.create("e", EMBEDDING, openai())
    changed(
        world,
        document={
            "service_settings": {"model_id": "m", "colour": "red"},
            "task_settings": {"mood": "good"},
            "chunking_settings": {"strategy": "none"},
        },
    )
    assert "colour" not in world.get("e")["service_settings"]
    assert world.get("e")["chunking_settings"] == {"strategy": "none"}


def test_a_wrong_key_stops_the_start(world: World) -> None:
    """With another key nothing can be opened, and that is one clear sentence."""
    world.create("e", EMBEDDING, openai())
    with pytest.raises(InferenceError, match="is not the one"):
        world.run(Endpoints(world.store, Vault(bytes(32))).load())


def test_a_secret_that_was_moved_costs_its_endpoint_alone(world: World) -> None:
    """A sealed secret copied to another endpoint does not open there, and all others are served."""
    world.create("e", EMBEDDING, openai())
    world.create("f", EMBEDDING, openai({"api_key": "other"}))
    first, second = world.run(world.store.all())
    world.run(world.store.replace(replace(second, secrets=first.secrets), second.version))
    again = reloaded(world)
    with pytest.raises(InferenceError, match=r"\[f/api_key\] was changed or moved for inference endpoint \[f\]"):
        again.get("f")
    assert again.get("e")["inference_id"] == "e"


def test_a_row_that_was_sealed_with_another_key_costs_its_endpoint_alone(world: World) -> None:
    """One that was copied here from elsewhere; what our key opens is served."""
    world.create("e", EMBEDDING, openai())
    world.create("f", EMBEDDING, openai())
    sealed = Vault(bytes(32)).seal("s", "e/api_key")
    again = changed(world, secrets={"api_key": sealed})
    with pytest.raises(InferenceError, match=r"is not the one .* for inference endpoint \[e\]"):
        again.get("e")
    assert again.get("f")["inference_id"] == "f"


@pytest.mark.parametrize(
    "document",
    [
        {"service_settings": [1]},
        {"service_settings": {"model_id": "m"}, "chunking_settings": 7},
        {"service_settings": {"model_id": "m"}, "aliases": {"a": 1}},
        {"service_settings": {"model_id": "m"}, "task_settings": "x"},
    ],
)
def test_a_row_of_another_form_costs_its_endpoint_alone(world: World, document: dict[str, Any]) -> None:
    """JSON that nobody wrote here is told when the endpoint is asked for, and hinders no start."""
    world.create("e", EMBEDDING, openai())
    world.create("f", EMBEDDING, openai())
    again = changed(world, document=document)
    with pytest.raises(InferenceError, match=r"for inference endpoint \[e\]"):
        again.get("e")
    assert again.get("f")["inference_id"] == "f"
    again.run(again.engine.lifecycle.delete(ANONYMOUS, "e"))
    again.create("e", EMBEDDING, openai())


def test_no_version_is_ever_used_again(world: World) -> None:
    """Deleting and creating the same endpoint again, or updating it back and forth, gives a new version each time."""
    seen: list[str] = []
    for _ in range(3):
        seen.append(world.create("e", EMBEDDING, openai()).endpoint.version)
        updates = ({"task_settings": {"user": user}} for user in ("a", "b", "a"))
        seen += [world.update("e", update).endpoint.version for update in updates]
        world.run(world.engine.lifecycle.delete(ANONYMOUS, "e"))
    assert len(set(seen)) == len(seen)


TOY = '''
"""A service of one file."""
from inferpoint.errors import Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import json_call, parse
from inferpoint.model.results import (Embeddings)
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import vectors
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import Failures, Limits, NoOptions, Rates, Service, Task
import msgspec

@settings
class Settings:
    """One toy."""
    api_key: str = secret("The toy's key.")
    colour: str = setting("The colour of the toy.", choices=("red", "blue"))

def decode(reply, request, model, options):
    return Embeddings([vectors.dense(row, of="toy") for row in parse(reply.body, list[msgspec.Raw], of="toy")])

SERVICE = Service(
    name="toy_box",
    title="Toy Box",
    tasks={TaskType.TEXT_EMBEDDING: Task(
        label="toy embeddings",
        settings=Settings,
        options=NoOptions,
        encode=lambda request, model, options, origin: json_call(
            f"https://toys.test/{model.colour}", {"t": request.texts}
        ),
        decode=decode,
        similarity=lambda _: "cosine",
        rates=Rates(group=lambda model: model.api_key, limits=lambda _: Limits(inputs=2)),
        failures=Failures(complaint=lambda reply: Upstream(reply.status, "broken")),
    )},
    sign=bearer,
)
'''


@pytest.fixture
def _toy_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "toy_box.py").write_text(TOY)
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(folder)])
    services._own.cache_clear()
    yield
    services._own.cache_clear()
    sys.modules.pop("inferpoint.services.toy_box", None)


@pytest.mark.usefixtures("_toy_box")
def test_a_service_is_one_file(make_world: MakeWorld) -> None:
    """A file beside the others is listed, described, checked, created, called and quoted; nothing else is touched."""
    assert "toy_box" in services.names()
    world = make_world(lambda call: json_reply([[1, 2]] * call.body.count(b'"x"')))
    listed = world.run(list_services(world.engine, _asked()))
    [described] = [each for each in _json(listed.body) if each["service"] == "toy_box"]
    assert described["name"] == "Toy Box"
    assert described["task_types"] == ["text_embedding"]
    assert described["configurations"]["api_key"]["sensitive"] is True
    assert described["configurations"]["colour"]["description"] == "The colour of the toy."
    with pytest.raises(InferenceError) as caught:
        world.create("t", EMBEDDING, {"service": "toy_box", "service_settings": {"colour": "green"}})
    assert told(caught.value)[2] == (
        "Validation Failed: 1: [secret_settings] does not contain the required setting [api_key];"
        "2: [service_settings] Invalid value [green] received. [colour] must be one of [blue, red];"
    )
    right = {"service": "toy_box", "service_settings": {"api_key": SECRET, "colour": "red"}}
    world.provider.answer = lambda call: json_reply([[1, 2]] * len(_json(call.body)["t"]))
    shown = world.create("t", EMBEDDING, right).shown()
    assert shown["service_settings"] == {"colour": "red", "dimensions": 2, "similarity": "cosine"}
    found = world.infer("t", "x", "y", "z")
    assert isinstance(found, Embeddings)
    assert len(found.vectors) == 3
    assert [call.url for call in world.provider.calls] == ["https://toys.test/red"] * 3
    world.provider.answer = lambda _: json_reply({}, 418)
    with pytest.raises(InferenceError, match=r"status \[418\]. Error message: \[broken\]"):
        world.infer("t", "x")
    assert reloaded(world).get("t") == shown


def _json(text: bytes) -> Any:
    import msgspec

    return msgspec.json.decode(text)


def _asked() -> Any:
    from inferpoint.api.face import Request

    return Request("GET", "/_inference/_services", {}, {}, {}, b"", ANONYMOUS, "r")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("minilm2", ", did you mean [minilm]"), ("MiniLM", ", did you mean [minilm]"), ("other", ""), ("m" * 10_000, "")],
)
def test_a_name_that_is_nearly_one_is_told_which(make_world: Callable[..., World], name: str, hint: str) -> None:
    """Of ids and aliases; where none is alike nothing is said."""
    world = make_world(validate=False)
    world.create("minilm", EMBEDDING, openai(aliases=["gpt-9"]))
    with pytest.raises(InferenceError) as caught:
        world.get(name)
    assert str(caught.value) == f"Inference endpoint not found [{name}]{hint}"
