from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from in_process import Application
from world import (
    COMPLETION,
    EMBEDDING,
    KEY,
    SECRET,
    World,
    body,
    hugging_face,
    json_reply,
    like_text_embeddings_inference,
    openai,
)

from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.exporting import exported
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import ANONYMOUS, InferenceRequest
from inferpoint.storage.changes import Changes
from inferpoint.storage.vault import Vault

NAMED = {"api_key": "@openai-main"}
FIRST, SECOND = "sk-canary-first", "sk-canary-second"


def keep(world: World, value: Any, name: str = "openai-main", **more: Any) -> Any:
    return world.run(world.engine.credentials.put(ANONYMOUS, name, {"value": value, **more}))


def sent(world: World) -> list[str]:
    """The keys of all calls since last asked."""
    calls = [call.headers["authorization"].removeprefix("Bearer ") for call in world.provider.calls]
    world.provider.calls.clear()
    return calls


@pytest.fixture
def named(world: World) -> World:
    """A world with two endpoints that refer to one credential, and a third with a key of its own."""
    keep(world, FIRST)
    world.create("a", EMBEDDING, openai(NAMED))
    world.create("b", COMPLETION, openai(NAMED))
    world.create("c", EMBEDDING, openai())
    world.provider.calls.clear()
    return world


def test_an_endpoint_calls_with_the_value_and_shows_the_name(named: World) -> None:
    """The value is sent, also after a start; what is shown, stored and exported is the reference alone."""
    named.infer("a", "x")
    assert sent(named) == [FIRST]
    assert named.get("a")["service_settings"]["api_key"] == "@openai-main"
    assert "api_key" not in named.get("c")["service_settings"]
    (row, *_) = named.run(named.store.all())
    assert row.secrets == {"api_key": "@openai-main"}
    assert exported(named.endpoints.all())[0]["service_settings"]["api_key"] == "@openai-main"
    assert FIRST not in repr(named.endpoints.find("a"))
    again = Endpoints(named.store, Vault(KEY))
    named.run(again.load())
    assert again.find("a").endpoint == named.endpoints.find("a").endpoint


def test_a_rotation_is_tried_once_and_is_for_all_that_use_it(named: World) -> None:
    """One call with the new value, then every user has it in a new version, and no other endpoint changes."""
    before = {one.endpoint.inference_id: one.endpoint.version for one in named.endpoints.all()}
    shown = keep(named, SECOND)
    assert sent(named) == [SECOND]
    assert list(shown.used_by) == ["a", "b"]
    after = {one.endpoint.inference_id: one.endpoint.version for one in named.endpoints.all()}
    assert {name for name in after if after[name] != before[name]} == {"a", "b"}
    named.infer("a", "x")
    named.infer("b", "x")
    named.infer("c", "x")
    assert sent(named) == [SECOND, SECOND, SECRET]


def test_a_value_that_does_not_work_is_not_kept(named: World) -> None:
    """The provider's refusal is told, and every endpoint goes on with what it had."""
    named.provider.answer = lambda _: json_reply({"error": {"message": f"no {SECOND}"}}, 401)
    with pytest.raises(InferenceError) as caught:
        keep(named, SECOND)
    assert SECOND not in caught.value.whole()
    named.provider.answer = lambda call: json_reply({"data": [{"index": 0, "embedding": [1, 0, 1]}]})
    named.provider.calls.clear()
    named.infer("a", "x")
    assert sent(named) == [FIRST]
    assert named.run(named.store.all())[0].version == named.endpoints.find("a").endpoint.version


def test_calls_on_their_way_end_with_the_old_value(named: World) -> None:
    """Whoever was asked before a rotation is answered; a key of an endpoint's own changes likewise."""
    held = asyncio.Event

    async def rotating(change: Any) -> tuple[list[str], Any]:
        waiting = held()

        class Slow:
            status, headers, neighbour = 200, dict[str, str](), False

            async def read(self) -> Reply:
                await waiting.wait()
                return json_reply({"data": [{"index": 0, "embedding": [1, 0, 1]}]})

            def close(self) -> None:
                pass

        usual = named.provider.send

        async def send(call: Call) -> Any:
            if body(call)["input"] == ["slow"]:
                named.provider.calls.append(call)
                return Slow()
            return await usual(call)

        named.provider.send = send  # type: ignore[method-assign]
        asked = asyncio.ensure_future(named.inferring(target, InferenceRequest(("slow",))))
        while not named.provider.calls:  # noqa: ASYNC110 - the call leaves in its own time
            await asyncio.sleep(0)
        await change
        waiting.set()
        answer = await asked
        named.provider.send = usual  # type: ignore[method-assign]
        return sent(named), answer

    target = "a"
    change = named.engine.credentials.put(ANONYMOUS, "openai-main", {"value": SECOND})
    keys, answer = named.run(rotating(change))
    assert keys == [FIRST, SECOND]
    assert len(answer.vectors) == 1
    target = "c"
    update = named.engine.lifecycle.update(ANONYMOUS, "c", {"service_settings": {"api_key": SECOND}})
    keys, answer = named.run(rotating(update))
    assert keys == [SECRET, SECOND]
    assert len(answer.vectors) == 1


def test_a_name_can_be_put_in_place_of_a_key_and_back(named: World) -> None:
    """By an update, tried like any other; the same reference again changes nothing."""
    named.update("c", {"service_settings": NAMED})
    assert sent(named) == [FIRST]
    version = named.endpoints.find("c").endpoint.version
    named.update("c", {"service_settings": NAMED})
    named.update("c", {"service_settings": {"api_key": "***"}})
    assert named.endpoints.find("c").endpoint.version == version
    named.update("c", {"service_settings": {"api_key": FIRST}})
    assert "api_key" not in named.get("c")["service_settings"]
    assert keep(named, SECOND).used_by == ["a", "b"]


def test_a_name_that_nobody_has_is_refused(world: World) -> None:
    """With what makes it; nothing is stored."""
    with pytest.raises(
        InferenceError, match=r"\[api_key\] There is no credential \[openai-main\]: `inferpoint secrets"
    ):
        world.create("a", EMBEDDING, openai(NAMED))
    assert world.run(world.store.all()) == []


def test_a_credential_that_is_used_is_not_removed(named: World) -> None:
    """Its users are named; once there are none it goes, and then it is not there."""

    def remove() -> None:
        named.run(named.engine.credentials.delete(ANONYMOUS, "openai-main"))

    with pytest.raises(InferenceError, match=r"\[openai-main\] is used by \[a\], \[b\]") as caught:
        remove()
    assert caught.value.kind is Kind.CONFLICT
    for inference_id in "ab":
        named.run(named.engine.lifecycle.delete(ANONYMOUS, inference_id))
    remove()
    with pytest.raises(InferenceError) as caught:
        remove()
    assert caught.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"value": "***"}, "[value] is masked"),
        ({"value": "••••••••"}, "[value] is masked"),
        ({"value": "...3f9a"}, "[value] is masked"),
        ({"value": "${OPENAI_API_KEY}"}, "[value] names a variable"),
        ({"value": "@other"}, "[value] refers to a credential itself"),
        ({"value": ""}, "[value] must be a non-empty string"),
        ({"value": ["sk-canary"]}, "[value] must be a non-empty string"),
        ({}, "[value] must be a non-empty string"),
        ({"value": "sk-canary", "more": 1}, "and no [more]"),
        ({"value": "sk-canary", "addresses": "https://x"}, "[addresses] must be a list of strings"),
        ({"value": "sk-canary", "addresses": ["x"]}, "[addresses] [x] is no address"),
        ({"value": "sk-canary", "addresses": ["https://x:no"]}, "[addresses]"),
    ],
)
def test_what_is_no_secret_is_not_kept(world: World, config: Any, problem: str) -> None:
    """A mask, a variable or a reference can never be stored, and no refusal repeats a value."""
    with pytest.raises(InferenceError) as caught:
        world.run(world.engine.credentials.put(ANONYMOUS, "openai-main", config))
    assert problem in str(caught.value)
    assert "canary" not in str(caught.value)
    assert world.endpoints.credentials == {}


@pytest.mark.parametrize("masked", ["***", "*", "••••", "...abcd", "…abcd", "…"])
def test_a_mask_is_never_stored_as_a_key(named: World, masked: str) -> None:
    """Neither by PUT nor, in place of a reference or of a key, by an update; `***` alone leaves what there is."""
    for inference_id in ("a", "c"):
        try:
            named.update(inference_id, {"service_settings": {"api_key": masked}})
        except InferenceError as error:
            assert "masked" in str(error)
    with pytest.raises(InferenceError, match="masked"):
        named.create("new", EMBEDDING, openai({"api_key": masked}))
    assert [named.endpoints.find(one).endpoint.settings.api_key for one in "ac"] == [
        named.endpoints.credentials["openai-main"],
        SECRET,
    ]


@pytest.mark.parametrize("allowed", [[], ["https://other.test"], ["https://tei.test:8443"], ["http://tei.test"]])
def test_a_credential_goes_to_no_address_that_it_does_not_name(world: World, allowed: list[str]) -> None:
    """Who may create an endpoint and does not know the value cannot have it sent to a place of their own."""
    keep(world, FIRST, addresses=allowed)
    world.provider.answer = like_text_embeddings_inference
    with pytest.raises(InferenceError, match=r"may not be sent to \[https://tei.test:443\]"):
        world.create("a", EMBEDDING, hugging_face(NAMED))
    world.create("c", EMBEDDING, hugging_face())
    world.provider.calls.clear()
    with pytest.raises(InferenceError, match="may not be sent to"):
        world.update("c", {"service_settings": NAMED})
    assert world.provider.calls == []


def test_a_credential_goes_to_an_address_that_it_names(world: World) -> None:
    """In whichever form it is written; a rotation keeps the addresses, and cannot take one from who uses it."""
    keep(world, FIRST, addresses=["HTTPS://TEI.test/"])
    world.provider.answer = like_text_embeddings_inference
    world.create("a", EMBEDDING, hugging_face(NAMED))
    keep(world, SECOND)
    world.infer("a", "x")
    assert sent(world)[-1] == SECOND
    with pytest.raises(InferenceError, match="may not be sent to"):
        keep(world, SECOND, addresses=["https://other.test"])


AWS = {"access_key": "@access", "secret_key": "@openai-main", "region": "us-east-1", "provider": "anthropic"}
OAUTH2 = {"client_secret": "@openai-main", "client_id": "me", "scopes": ["s"], "token_url": "https://token.test/t"}
VALUES = {"@openai-main": FIRST, "@access": "AKIDEXAMPLE"}


def grants(call: Call) -> Reply:
    """A token, and nothing else."""
    if call.url.startswith("https://token.test"):
        return json_reply({"access_token": "t", "expires_in": 3600})
    return Reply(400)


@pytest.mark.parametrize(
    ("service", "settings"),
    [
        ("openai", {**NAMED, "model_id": "m"}),
        ("openai", {**OAUTH2, "model_id": "m"}),
        ("anthropic", {**NAMED, "model_id": "claude-haiku-4-5"}),
        ("amazonbedrock", {**AWS, "model": "m"}),
    ],
    ids=["bearer", "oauth2", "header", "signature"],
)
def test_every_way_to_sign_takes_a_credential(world: World, service: str, settings: dict[str, Any]) -> None:
    """What leaves is what leaves with the value itself: as a header, as a signature, for a token."""
    keep(world, FIRST, addresses=["https://token.test"])
    keep(world, VALUES["@access"], "access")
    world.provider.answer = grants
    plain = {name: VALUES.get(value, value) if isinstance(value, str) else value for name, value in settings.items()}
    left: list[list[Any]] = []
    for inference_id, values in (("named", settings), ("plain", plain)):
        options = {"task_settings": {"max_tokens": 5}} if service == "anthropic" else {}
        config = {"service": service, "service_settings": values, **options}
        world.create(inference_id, COMPLETION, config, validate=False)
        with pytest.raises(InferenceError):
            world.infer(inference_id, "x")
        calls = [
            (call.url, {name: str(value) for name, value in call.headers.items()}) for call in world.provider.calls
        ]
        left.append(calls[-1:])
        world.provider.calls.clear()
    assert left[0] == left[1]


def test_an_old_key_that_looks_like_a_reference_stays_a_key(world: World) -> None:
    """What was sealed before there were names is read as what it is."""
    world.create("e", EMBEDDING, openai())
    (row,) = world.run(world.store.all())
    sealed = {"api_key": world.endpoints.vault.seal("@openai-main", "e/api_key")}
    assert world.run(world.store.replace(type(row)(**{**vars(row), "secrets": sealed}), row.version))
    again = Endpoints(world.store, Vault(KEY))
    world.run(again.load())
    assert again.find("e").endpoint.settings.api_key == "@openai-main"
    assert again.using("openai-main") == []


def test_workers_see_a_rotation(tmp_path: Path) -> None:
    """Another process that has an endpoint in memory, or makes one meanwhile, calls with the new value."""
    one, other = World(folder=tmp_path), World(folder=tmp_path)
    for world in (one, other):
        endpoints = Endpoints(world.store, Vault(KEY), Changes(tmp_path))
        world.endpoints = world.engine._endpoints = endpoints
        world.engine.lifecycle._endpoints = world.engine.credentials._endpoints = endpoints
        world.run(endpoints.load())
    keep(one, FIRST)
    other.run(other.endpoints.refresh())
    one.create("a", EMBEDDING, openai(NAMED))
    other.run(other.endpoints.refresh())
    keep(one, SECOND)
    other.create("b", EMBEDDING, openai(NAMED))  # has not looked yet
    other.run(other.endpoints.refresh())
    other.provider.calls.clear()
    other.infer("a", "x")
    other.infer("b", "x")
    assert sent(other) == [SECOND, SECOND]
    one.run(one.engine.lifecycle.delete(ANONYMOUS, "a"))
    with pytest.raises(InferenceError, match=r"is used by \[b\]"):
        one.run(one.engine.credentials.delete(ANONYMOUS, "openai-main"))
    one.run(one.endpoints.refresh())
    one.run(one.engine.lifecycle.delete(ANONYMOUS, "b"))
    one.run(one.engine.credentials.delete(ANONYMOUS, "openai-main"))
    with pytest.raises(InferenceError, match="There is no credential"):
        other.create("c", EMBEDDING, openai(NAMED))
    for world in (one, other):
        world.store.close()
    file = sqlite3.connect(tmp_path / "inferpoint.db")
    assert file.execute("SELECT count(*) FROM endpoints").fetchone() == (0,)
    file.close()


def test_credentials_are_managed_over_http(world: World) -> None:
    """Made, listed, rotated and removed in Elasticsearch's form, and never shown."""
    ask = Application(world)
    path = "/_inference/_credentials/openai-main"
    made = ask("PUT", path, {"value": FIRST})
    assert made.status == 200
    told = made.json
    assert told.keys() == {"name", "addresses", "fingerprint", "used_by"}
    assert ask("PUT", "/_inference/text_embedding/a", openai(NAMED)).status == 200
    listed = ask("GET", "/_inference/_credentials").json
    assert listed == {"credentials": [{**told, "used_by": ["a"]}]}
    assert ask("GET", path).json == listed
    assert ask("GET", "/_inference/_credentials/none").status == 404
    assert ask("DELETE", path).status == 409
    assert ask("PUT", "/_inference/_credentials/Wrong", {"value": FIRST}).status == 400
    assert ask("PUT", path, {"value": SECOND}, "skip_validation=true").json["fingerprint"] != told["fingerprint"]
    assert ask("DELETE", "/_inference/a").status == 200
    assert ask("DELETE", path).json == {"acknowledged": True}
    rotated = ask("POST", "/_inference/_secrets/_rotate")
    assert (rotated.status, "nobody can put another but you" in rotated.body.decode()) == (400, True)
