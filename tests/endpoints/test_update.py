from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from world import COMPLETION, EMBEDDING, SECRET, World, body, elasticsearchs, hugging_face, json_reply, openai, told

from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import ANONYMOUS

STATUS, SETTINGS = "status_exception", "validation_exception"


@pytest.fixture
def stored(world: World) -> World:
    """A world with an OpenAI embedding endpoint `e` that was tried once."""
    world.create("e", EMBEDDING, openai({"organization_id": "o"}, task_settings={"user": "u"}))
    world.provider.calls.clear()
    return world


def cannot(shown: str) -> str:
    return f"Request contained fields which cannot be updated, remove these fields and try again [{shown}]"


def unknown(shown: str) -> str:
    return f"Configuration contains settings [{shown}] unknown to the [openai] service"


WRONG: list[tuple[Any, int, str, str]] = [
    ({}, 400, STATUS, "Request body is empty"),
    ({"service": "hugging_face"}, 400, STATUS, cannot("{service=hugging_face}")),
    ({"more": 1, "api_key": SECRET}, 400, STATUS, cannot("{more=1, api_key=***}")),
    (
        {"service_settings": "x"}, 400, STATUS,
        "Unable to parse [service_settings] in the request [{service_settings=x}]",
    ),
    ({"task_settings": None}, 400, STATUS, "Unable to parse [task_settings] in the request [{task_settings=null}]"),
    (
        {"chunking_settings": []}, 400, STATUS,
        "Unable to parse [chunking_settings] in the request [{chunking_settings=[]}]",
    ),
    ({"task_type": 5}, 400, STATUS, "Failed to parse [task_type] in update request [{task_type=5}]"),
    ({"task_type": "completion"}, 400, STATUS, "Task type must match the task type of the existing endpoint"),
    ({"service_settings": {"model_id": "x"}}, 400, STATUS, unknown("{model_id=x}")),
    ({"service_settings": {"url": "https://x"}}, 400, STATUS, unknown("{url=https://x}")),
    ({"service_settings": {"dimensions": 3}}, 400, STATUS, unknown("{dimensions=3}")),
    ({"service_settings": {"nothing": 3}}, 400, STATUS, unknown("{nothing=3}")),
    ({"task_settings": {"nothing": 3}}, 400, STATUS, unknown("{nothing=3}")),
    (
        {"service_settings": {"api_key": ""}}, 400, SETTINGS,
        "Validation Failed: 1: [secret_settings] Invalid value empty string. [api_key] must be a non-empty string;",
    ),
    (
        {"service_settings": {"api_key": None}, "task_settings": {"user": 1}}, 400, SETTINGS,
        "Validation Failed: 1: field [user] is not of the expected type."
        " The value [1] cannot be converted to a [String];",
    ),
    (
        {"chunking_settings": {"max_chunk_size": 1}}, 400, SETTINGS,
        "Validation Failed: 1: [chunking_settings] Invalid value [1.0]."
        " [max_chunk_size] must be greater than or equal to [20.0];",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("config", "status", "name", "reason"), WRONG, ids=[str(case[0]) for case in WRONG])
def test_what_cannot_be_updated_has_elasticsearchs_words(
    stored: World, config: Any, status: int, name: str, reason: str
) -> None:
    """A refused update says exactly why, shows no secret, asks nothing and changes nothing."""
    before = stored.get("e")
    with pytest.raises(InferenceError) as caught:
        stored.update("e", config)
    found = told(caught.value)
    assert (*found[:2], elasticsearchs(found[2])) == (status, name, reason)
    assert stored.provider.calls == []
    assert stored.get("e") == before


def test_an_endpoint_that_is_not_there_cannot_be_updated(world: World) -> None:
    """The form of the body is looked at first, then whether there is such an endpoint."""
    with pytest.raises(InferenceError) as caught:
        world.update("none", {"task_settings": {}})
    assert told(caught.value) == (
        404,
        "resource_not_found_exception",
        "The inference endpoint [none] does not exist and cannot be updated",
    )
    with pytest.raises(InferenceError, match="Request body is empty"):
        world.update("none", {})
    with pytest.raises(InferenceError, match="Invalid inference_id"):
        world.update("None", {})


@pytest.mark.parametrize(
    "config",
    [
        {"service": "openai"},
        {"service_settings": {}},
        {"task_settings": {"user": "u"}},
        {"task_type": "text_embedding"},
    ],
)
def test_what_changes_nothing_costs_nothing(stored: World, config: Any) -> None:
    """An update to what is there already asks nothing, writes nothing and keeps the version."""
    before = stored.run(stored.store.all())
    stored.update("e", config, EMBEDDING)
    assert stored.provider.calls == []
    assert stored.run(stored.store.all()) == before


@pytest.mark.parametrize(
    ("config", "calls"),
    [
        ({"service_settings": {"api_key": "new"}}, 1),
        ({"task_settings": {"user": "v"}}, 1),
        ({"chunking_settings": {"strategy": "none"}}, 0),
        ({"aliases": ["x"]}, 0),
        ({"cache": {}}, 0),
        ({"chunking_settings": {"strategy": "none"}, "aliases": ["x"], "cache": {}}, 0),
        ({"chunking_settings": {"strategy": "none"}, "task_settings": {"user": "u"}}, 0),
        ({"chunking_settings": {"strategy": "none"}, "task_settings": {"user": "v"}}, 1),
    ],
)
def test_only_what_the_provider_sees_is_tried(stored: World, config: Any, calls: int) -> None:
    """An update pays for a call when it changes a section that is sent, and is kept and seen either way."""
    before = stored.endpoints.find("e").endpoint
    after = stored.update("e", config).endpoint
    assert len(stored.provider.calls) == calls
    assert after.version != before.version
    assert stored.endpoints.find("e").endpoint == after
    assert stored.run(stored.store.all())[0].version == after.version


def test_vectors_of_another_length_are_taken_only_by_force(stored: World) -> None:
    """A trial that finds another model behind the endpoint is told with what to say; then the new length is learnt."""
    before = stored.get("e")
    stored.provider.answer = lambda _: json_reply({"data": [{"index": 0, "embedding": [1, 2, 3, 4]}]})
    change = {"service_settings": {"api_key": "new"}}
    with pytest.raises(InferenceError, match=r'have \[3\] numbers, and would have \[4\].*say \["force": true\]'):
        stored.update("e", change)
    assert stored.get("e") == before
    assert stored.update("e", {**change, "force": True}).endpoint.dimensions == 4


def test_a_key_is_replaced_after_it_was_tried(stored: World) -> None:
    """The new key makes the trial, and every call from then on; the version is a new one."""
    before = stored.engine.lifecycle.get(ANONYMOUS, "e").endpoint.version
    after = stored.update("e", {"service_settings": {"api_key": "new"}}).endpoint.version
    assert [call.headers["authorization"] for call in stored.provider.calls] == ["Bearer new"]
    stored.infer("e", "x")
    assert stored.provider.calls[-1].headers["authorization"] == "Bearer new"
    assert after != before


def test_a_key_that_does_not_work_is_not_kept(stored: World) -> None:
    """When the trial fails the old settings stay, in memory and in the store."""
    before = stored.run(stored.store.all())
    stored.provider.answer = lambda _: json_reply({"error": {"message": "no"}}, 401)
    with pytest.raises(InferenceError) as caught:
        stored.update("e", {"service_settings": {"api_key": "bad"}})
    assert told(caught.value)[:2] == (400, STATUS)
    assert stored.run(stored.store.all()) == before


def test_settings_are_merged_and_null_brings_a_default_back(stored: World) -> None:
    """What is not named stays; null and `{}` for a rate limit bring the service's default back."""
    stored.update(
        "e", {"service_settings": {"rate_limit": {"requests_per_minute": 7}}, "task_settings": {"headers": {"x": "y"}}}
    )
    shown = stored.get("e")
    assert shown["service_settings"]["rate_limit"] == {"requests_per_minute": 7}
    assert shown["service_settings"]["organization_id"] == "o"
    assert shown["task_settings"] == {"user": "u", "headers": {"x": "***"}}
    stored.update(
        "e", {"service_settings": {"rate_limit": {}, "organization_id": None}, "task_settings": {"user": None}}
    )
    shown = stored.get("e")
    assert shown["service_settings"]["rate_limit"] == {"requests_per_minute": 3000}
    assert "organization_id" not in shown["service_settings"]
    assert shown["task_settings"] == {"headers": {"x": "***"}}


def test_max_input_tokens_can_be_set_changed_and_taken_away(stored: World) -> None:
    """What is sent from then on is as long as it says."""
    for most, length in ((1, 3), (2, 6), (None, 8)):
        stored.update("e", {"service_settings": {"max_input_tokens": most}})
        assert stored.get("e")["service_settings"].get("max_input_tokens") == most
        stored.infer("e", "abcdefgh")
        assert body(stored.provider.calls[-1])["input"] == ["abcdefgh"[:length]]


def test_chunking_settings_are_replaced_as_a_whole(stored: World) -> None:
    """New chunking settings keep nothing of the old; an empty object is none given."""
    stored.update("e", {"chunking_settings": {"strategy": "word", "max_chunk_size": 200, "overlap": 5}})
    stored.update("e", {"chunking_settings": {"strategy": "sentence", "max_chunk_size": 100}})
    kept = {"strategy": "sentence", "max_chunk_size": 100, "sentence_overlap": 1}
    assert stored.get("e")["chunking_settings"] == kept
    stored.update("e", {"chunking_settings": {}, "task_settings": {"user": "v"}})
    assert stored.get("e")["chunking_settings"] == kept


def test_of_two_updates_at_once_the_second_is_refused(stored: World) -> None:
    """Nobody waits behind an update that is being tried: a conflict says to try again."""

    async def both() -> list[Any]:
        updates = (
            stored.engine.lifecycle.update(ANONYMOUS, "e", {"service_settings": {"api_key": key}}) for key in ("a", "b")
        )
        return await asyncio.gather(*updates, return_exceptions=True)

    first, second = stored.run(both())
    assert first.endpoint.settings.api_key == "a"
    assert told(second) == (
        409,
        STATUS,
        "Endpoint [e] is currently being updated. Try again once the update completes",
    )


def test_of_two_creations_at_once_one_is_a_duplicate_that_asked_nothing(world: World) -> None:
    """Two PUTs of one id make one endpoint and one trial."""

    async def both() -> list[Any]:
        made = (world.engine.lifecycle.create(ANONYMOUS, "e", openai(), kind=kind) for kind in (EMBEDDING, COMPLETION))
        return await asyncio.gather(*made, return_exceptions=True)

    first, second = world.run(both())
    assert first.endpoint.task_type is EMBEDDING
    assert told(second)[:2] == (400, "resource_already_exists_exception")
    assert len(world.provider.calls) == 1


def test_get_and_delete_hold_to_the_task_type(stored: World) -> None:
    """A task type in the path that is not the endpoint's is refused in Elasticsearch's words."""
    text = "Requested task type [completion] does not match the inference endpoint's task type [text_embedding]"
    with pytest.raises(InferenceError) as caught:
        stored.engine.lifecycle.get(ANONYMOUS, "e", COMPLETION)
    assert told(caught.value) == (400, STATUS, text)
    with pytest.raises(InferenceError) as caught:
        stored.run(stored.engine.lifecycle.delete(ANONYMOUS, "e", COMPLETION))
    assert told(caught.value) == (400, STATUS, text)
    for act in (lambda: stored.get("x"), lambda: stored.run(stored.engine.lifecycle.delete(ANONYMOUS, "x"))):
        with pytest.raises(InferenceError) as caught:
            act()
        assert told(caught.value) == (404, "resource_not_found_exception", "Inference endpoint not found [x]")


def test_a_dry_run_deletes_nothing(stored: World) -> None:
    """Asked only whether it could, the engine looks and leaves everything."""
    assert stored.run(stored.engine.lifecycle.delete(ANONYMOUS, "e", dry_run=True)) is False
    assert stored.get("e")["inference_id"] == "e"
    assert stored.run(stored.engine.lifecycle.delete(ANONYMOUS, "e")) is True
    assert stored.run(stored.store.all()) == []


def test_endpoints_are_listed_by_id_and_type(make_world: Callable[..., World]) -> None:
    """All endpoints come in the order of their ids, or those of one task type."""
    world = make_world(validate=False)
    for inference_id, kind in (("b", EMBEDDING), ("c", COMPLETION), ("a", EMBEDDING)):
        world.create(inference_id, kind, openai())

    def ids(kind: TaskType | None) -> list[str]:
        return [each.endpoint.inference_id for each in world.engine.lifecycle.all(ANONYMOUS, kind)]

    assert ids(None) == ["a", "b", "c"]
    assert ids(EMBEDDING) == ["a", "b"]
    assert ids(TaskType.RERANK) == []


def test_what_is_being_written_is_finished_before_the_end(make_world: Callable[..., World]) -> None:
    """Closing waits for a write whose caller left twice, so that the store is not let go in its middle."""
    world = make_world(validate=False)

    async def leave() -> None:
        lifecycle, disk = world.engine.lifecycle, threading.Event()
        world.store._thread.submit(disk.wait)
        task = asyncio.ensure_future(lifecycle.create(ANONYMOUS, "e", hugging_face(), kind=EMBEDDING))
        for _ in range(2):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not world.endpoints.exists("e")
        disk.set()
        await lifecycle.close()
        assert world.endpoints.exists("e")

    world.run(leave())
    assert [row.inference_id for row in world.run(world.store.all())] == ["e"]
