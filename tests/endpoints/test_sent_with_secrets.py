"""An address to which a stored secret goes changes only with it; what may be a key is sealed, and never a mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from every_setting import EVERY, OAUTH2, whole
from in_process import Application
from world import (
    EMBEDDING,
    KEY,
    SECRET,
    World,
    elasticsearch,
    hugging_face,
    json_reply,
    like_text_embeddings_inference,
    openai,
    told,
)

from inferpoint import services
from inferpoint.endpoints import document
from inferpoint.endpoints.directory import Endpoints
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import ANONYMOUS, InferenceRequest
from inferpoint.model.settings import declared, secret, setting, settings
from inferpoint.protocols.openai.account import Options
from inferpoint.storage.vault import Vault

MakeWorld = Callable[..., World]


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(InferenceError) as caught:
        act()
    status, _, reason = told(caught.value)
    assert status == 400
    return reason


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_no_services_address_changes_without_its_secrets(make_world: MakeWorld, name: str, kind: TaskType) -> None:
    """Whatever is an address of a service: an update of it alone is refused while a secret is stored that goes there.

    Where none may be updated this is so already; the next test has one that may be.
    """
    task = services.find(name).tasks[kind]
    addresses = [one for one in declared(task.settings) if one.url]
    assert not any(one.url for one in declared(task.options))
    world = make_world(validate=False)
    given, options = whole(name, kind)
    if name == "openai":
        given |= OAUTH2
    config = {"service": name, "service_settings": given, **({"task_settings": options} if options else {})}
    world.create("e", kind, config)
    for one in addresses:
        reason = refused(lambda one=one: world.update("e", {"service_settings": {one.name: "https://evil.test/"}}))
        assert "An address changes only together" in reason or "unknown to the" in reason
        assert one.updatable == ("An address changes only together" in reason)


def test_a_token_url_takes_no_stored_secret_along(make_world: MakeWorld) -> None:
    """Neither left out nor masked; with the secret it moves, and the same address moves nothing."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai(OAUTH2))
    moved = {"token_url": "https://other.test/"}
    for more in ({}, {"client_secret": "***"}):
        reason = refused(lambda more=more: world.update("e", {"service_settings": {**moved, **more}}))
        assert reason == (
            "Validation Failed: 1: [service_settings] An address changes only together with what is sent to it:"
            " an update of [token_url] must contain [client_secret] as well;"
        )
    assert world.provider.calls == []
    world.update("e", {"service_settings": {"token_url": OAUTH2["token_url"], "client_id": "d"}})
    assert world.get("e")["service_settings"]["client_id"] == "d"
    world.update("e", {"service_settings": {**moved, "client_secret": "another-secret"}})
    assert world.get("e")["service_settings"]["token_url"] == moved["token_url"]


@settings
class Movable:
    """Settings of which an address may be updated."""

    api_key: str = secret("A key.")
    url: str = setting("An address.", url=True, updatable=True)


def test_headers_do_not_go_to_another_address_either(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are stored as task settings are sent where the service settings say."""
    service = services.find("hugging_face")
    task = service.tasks[TaskType.TEXT_EMBEDDING]
    other = replace(service, tasks={TaskType.TEXT_EMBEDDING: replace(task, settings=Movable, options=Options)})
    monkeypatch.setattr(services, "find", lambda _: other)
    before = document.parse(
        "e", EMBEDDING, hugging_face(task_settings={"headers": {"x-team": "a-long-key"}}), largest_chunk=300
    )
    moved = {"api_key": "new", "url": "https://evil.test/"}

    def update(**sections: Any) -> Any:
        return document.merge(before, {"service_settings": moved, **sections}, largest_chunk=300)

    assert "must contain [headers] as well" in refused(update)
    assert "must contain [headers] as well" in refused(lambda: update(task_settings={"headers": {"x-team": "***"}}))
    assert update(task_settings={"headers": {"x-team": "other"}}).endpoint.settings.url == "https://evil.test/"
    assert update(task_settings={"headers": None}).endpoint.options.headers is None
    assert world.provider.calls == []


CANARY = "canary-in-a-header"
URL = f"https://tei.test/embed?api-version=2024&code={CANARY}&flag"


@pytest.fixture
def holding(make_world: MakeWorld, data: Path) -> World:
    """A world on the disk with an endpoint of a header and one of an address with a parameter that are keys."""
    world = make_world(folder=data)
    headers = {"headers": {"X-Gateway": CANARY, "x-flag": "1"}}
    world.create("headers", EMBEDDING, openai(task_settings=headers))
    world.create("query", EMBEDDING, hugging_face({"url": URL}), validate=False)
    return world


def test_what_may_be_a_key_is_shown_by_its_name_alone(holding: World) -> None:
    """A header, and a parameter of an address but for the version of an interface."""
    assert holding.get("headers")["task_settings"] == {"headers": {"X-Gateway": "***", "x-flag": "***"}}
    shown = holding.get("query")["service_settings"]
    assert shown["url"] == "https://tei.test/embed?api-version=2024&code=***&***"
    listed = Application(holding)("GET", "/_inference").body
    assert CANARY.encode() not in listed
    for name in ("headers", "query"):
        endpoint = holding.endpoints.find(name).endpoint
        assert CANARY not in repr(endpoint)


def test_what_may_be_a_key_is_sealed_in_the_store(holding: World, data: Path) -> None:
    """No file holds one in the clear, and after a new start the calls have them as before."""
    for path in data.iterdir():
        assert CANARY.encode() not in path.read_bytes(), path
    again = Endpoints(holding.store, Vault(KEY))
    holding.run(again.load())
    for name in ("headers", "query"):
        assert again.find(name).endpoint == holding.endpoints.find(name).endpoint
    holding.infer("headers", "x")
    assert holding.provider.calls[-1].headers["x-gateway"] == CANARY


def test_what_an_older_version_kept_in_the_open_is_sealed_at_the_start(holding: World, data: Path) -> None:
    """Nothing of it is left in the file, what nobody knows any more stays, and the endpoint is the same."""
    row = holding.run(holding.store.all())[0]
    options = {"headers": {"X-Gateway": "lay-in-the-open"}, "mood": "good"}
    older = replace(
        row, document={**row.document, "task_settings": options}, secrets={"api_key": row.secrets["api_key"]}
    )
    holding.run(holding.store.replace(older, row.version))
    assert b"lay-in-the-open" in (data / "inferpoint.db").read_bytes()
    for _ in range(2):
        again = Endpoints(holding.store, Vault(KEY))
        holding.run(again.load())
        assert again.find("headers").endpoint.options.headers == {"X-Gateway": "lay-in-the-open"}
        assert b"lay-in-the-open" not in (data / "inferpoint.db").read_bytes()
    after = holding.run(holding.store.all())[0]
    assert after.document["task_settings"] == {"headers": {"X-Gateway": "***"}, "mood": "good"}
    assert after.version == row.version


def test_what_may_be_a_key_is_hidden_in_what_a_provider_says(holding: World) -> None:
    """A provider may quote the headers and the address of the call that it refuses."""
    refusal = {"error": {"message": f"no such gateway: {CANARY}"}}
    holding.provider.answer = lambda _: json_reply(refusal, 400)
    for name in ("headers", "query"):
        with pytest.raises(InferenceError) as caught:
            holding.infer(name, "x")
        assert "no such gateway: ***" in told(caught.value)[2]


def test_requests_with_other_headers_do_not_share_a_cache(make_world: MakeWorld) -> None:
    """Two values of a header are shown alike, and may mean two tenants."""
    world = make_world()
    world.create("e", EMBEDDING, openai(cache={}))
    for value, known in (("tenant-one", 0), ("tenant-two", 0), ("tenant-one", 1)):
        request = InferenceRequest(("x",), options={"headers": {"x-tenant": value}})
        world.run(world.inferring("e", request))
        assert request.stats.known == known


def test_a_mask_in_an_update_stands_for_what_is_stored(holding: World) -> None:
    """Who sends back what was shown, with a change, keeps the rest."""
    holding.update("headers", {"task_settings": {"headers": {"X-Gateway": "***", "x-flag": "2"}}})
    holding.infer("headers", "x")
    assert {name: holding.provider.calls[-1].headers[name] for name in ("x-gateway", "x-flag")} == {
        "x-gateway": CANARY,
        "x-flag": "2",
    }
    holding.update("headers", {"service_settings": {"api_key": "***", "organization_id": "o"}})
    assert SECRET in holding.endpoints.find("headers").secrets.values


MASKS = ["***", "********", "••••••••", "••••1234", "…", "...wxyz", "****abcd"]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    ("place", "act"),
    [
        ("[api_key] is masked", lambda world, mask: world.create("n", EMBEDDING, openai({"api_key": mask}))),
        (
            "[x-a] of [headers] is masked",
            lambda world, mask: world.create("n", EMBEDDING, openai(task_settings={"headers": {"x-a": mask}})),
        ),
        (
            "[x-new] of [headers] is masked",
            lambda world, mask: world.update("headers", {"task_settings": {"headers": {"x-new": mask}}}),
        ),
        (
            "parameter [code] of [url] is masked",
            lambda world, mask: world.create("n", EMBEDDING, hugging_face({"url": f"https://a.test/?code={mask}"})),
        ),
    ],
    ids=["secret", "header", "new header", "parameter"],
)
def test_a_masked_value_is_never_stored(holding: World, mask: str, place: str, act: Callable[..., Any]) -> None:
    """Where nothing is stored for it to stand for, it is told to be one."""
    calls = len(holding.provider.calls)
    reason = refused(lambda: act(holding, mask))
    assert f"{place}, as a value is that was shown: send the value itself" in reason
    assert not holding.endpoints.exists("n")
    assert len(holding.provider.calls) == calls


@pytest.mark.parametrize(
    "config", [openai({"api_key": "${KEY}"}), openai(task_settings={"headers": {"a": "B ${KEY}"}})]
)
def test_the_name_of_a_variable_is_no_secret(world: World, config: dict[str, Any]) -> None:
    """Nothing is put in its place here, and it is told so before anybody is called."""
    reason = refused(lambda: world.create("e", EMBEDDING, config))
    assert "names a variable, and nothing is put in its place: send the value itself" in reason
    assert world.provider.calls == []


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_what_is_shown_can_be_put(make_world: MakeWorld, name: str, kind: TaskType) -> None:
    """A GET of any service's endpoint, with its secrets, makes the same endpoint."""
    world = make_world(validate=False)
    given, options = whole(name, kind)
    config = {"service": name, "service_settings": given, **({"task_settings": options} if options else {})}
    made = world.create("e", kind, config)
    endpoint = made.endpoint
    if kind.embeds and made.task.similarity:
        made = replace(made, endpoint=replace(endpoint, dimensions=3))
    shown = msgspec.json.decode(msgspec.json.encode(made.shown()))
    world.run(world.engine.lifecycle.delete(ANONYMOUS, "e"))
    hidden = [one.name for one in declared(made.task.settings) if one.secret or one.headers or one.pairs]
    secrets = {name: given[name] for name in hidden if name in given}
    shown["service_settings"] |= secrets
    if "headers" in shown.get("task_settings", {}):
        shown["task_settings"]["headers"] = options["headers"]
    again = world.create("e", None, shown)
    assert again.shown() == made.shown()


def test_a_shown_length_is_one_that_the_model_must_have(world: World) -> None:
    """What was shown elsewhere and is not what this model makes is told; another id or similarity is refused."""
    shown = {**hugging_face({"dimensions": 3, "similarity": "cosine"}), "inference_id": "e"}
    with pytest.raises(InferenceError, match=r"does not match the size specified in the settings \[4\]"):
        world.provider.answer = like_text_embeddings_inference
        world.create("e", EMBEDDING, {**shown, "service_settings": {**shown["service_settings"], "dimensions": 4}})
    assert world.create("e", EMBEDDING, shown).endpoint.dimensions == 3
    assert "The request is for [f], and its body for [e]" in refused(lambda: world.create("f", EMBEDDING, shown))
    other = {**elasticsearch({"similarity": "l2_norm"}), "inference_id": "f"}
    assert "[similarity] is [l2_norm], and that of this endpoint is [cosine]" in refused(
        lambda: world.create("f", EMBEDDING, other)
    )
