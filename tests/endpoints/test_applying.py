"""Endpoints are made what a configuration says, through their lifecycle, and only as far as they differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from world import SECRET, World, hugging_face, json_reply, openai

from inferpoint.endpoints.applying import Action, Change, Order, applied
from inferpoint.endpoints.exporting import exported
from inferpoint.errors import InferenceError
from inferpoint.model.requests import ANONYMOUS, Caller

MakeWorld = Callable[..., World]
ANOTHER = "sk-another-key-98765"


def wanted(inference_id: str, config: Mapping[str, Any], kind: str = "text_embedding") -> dict[str, Any]:
    return {"inference_id": inference_id, "task_type": kind, **config}


def apply(world: World, *configs: Mapping[str, Any], **how: Any) -> list[Change]:
    return world.run(applied(world.engine.lifecycle, ANONYMOUS, Order(configs, **how)))


def actions(changes: Sequence[Change]) -> dict[str, str]:
    assert not [change.error for change in changes if change.error]
    return {change.inference_id: change.action.value for change in changes}


def settings_of(change: Change) -> dict[str, tuple[Any, Any]]:
    return {one.setting: (one.before, one.after) for one in change.differences}


LIMIT = {"requests_per_minute": 60}
FULL = wanted(
    "full",
    openai(
        {"rate_limit": LIMIT},
        task_settings={"user": "u", "headers": {"x-team": "search-team"}},
        aliases=["live"],
        cache={},
        chunking_settings={"strategy": "word", "max_chunk_size": 100, "overlap": 10},
    ),
)


def test_applying_twice_changes_nothing_the_second_time(make_world: MakeWorld) -> None:
    """What is as it is wanted is not called, not written, and keeps its version."""
    world = make_world()
    assert actions(apply(world, FULL)) == {"full": "create"}
    version, calls = world.endpoints.find("full").endpoint.version, len(world.provider.calls)
    assert calls == 1
    (change,) = apply(world, FULL)
    assert change == Change("full", Action.NONE)
    assert world.endpoints.find("full").endpoint.version == version
    assert len(world.provider.calls) == calls


@pytest.mark.parametrize(
    ("changed", "differing", "tried"),
    [
        ({"service_settings": {"api_key": ANOTHER}}, {"service_settings.api_key": ("***", "***")}, True),
        (
            {"service_settings": {"rate_limit": {"requests_per_minute": 90}}},
            {"service_settings.rate_limit": ({**LIMIT, "burst": 1}, {"requests_per_minute": 90, "burst": 1})},
            True,
        ),
        ({"task_settings": {"user": "v"}}, {"task_settings.user": ("u", "v")}, True),
        ({"task_settings": {"user": None}}, {"task_settings.user": ("u", None)}, True),
        ({"task_settings": {"headers": {"x-team": "another-team"}}}, {"task_settings.headers": ("***", "***")}, True),
        ({"cache": {"memory_bytes": 5}}, {"cache.memory_bytes": (67108864, 5)}, False),
        ({"aliases": ["new"]}, {"aliases": (["live"], ["new"])}, False),
        (
            {"chunking_settings": {"max_chunk_size": 90, "overlap": 10}},
            {"chunking_settings.max_chunk_size": (100, 90)},
            False,
        ),
    ],
)  # fmt: skip
def test_what_differs_is_told_and_changed(
    make_world: MakeWorld, changed: dict[str, Any], differing: dict[str, Any], *, tried: bool
) -> None:
    """A dry run tells it and changes nothing; then it is made, and tried where a provider sees it."""
    world = make_world()
    apply(world, FULL)
    sections = {
        name: {**FULL[name], **section} if isinstance(section, dict) else section for name, section in changed.items()
    }
    config = {**FULL, **sections}
    (planned,) = apply(world, config, dry_run=True)
    assert settings_of(planned).keys() == differing.keys()
    if "***" not in str(differing):
        assert settings_of(planned) == differing
    assert apply(world, FULL, dry_run=True) == [Change("full", Action.NONE)]
    calls = len(world.provider.calls)
    assert apply(world, config) == [planned]
    assert len(world.provider.calls) == calls + tried
    assert actions(apply(world, config)) == {"full": "none"}
    for secret in (SECRET, ANOTHER, "search-team", "another-team"):
        assert secret not in repr(planned)


def test_a_section_that_is_gone_is_taken_away(make_world: MakeWorld) -> None:
    """What the configuration does not say any more has its default again."""
    world = make_world()
    apply(world, FULL)
    bare = wanted("full", openai())
    assert actions(apply(world, bare)) == {"full": "update"}
    endpoint = world.endpoints.own("full").endpoint
    assert (endpoint.aliases, endpoint.cache, endpoint.settings.rate_limit, endpoint.options.user) == (
        (),
        None,
        None,
        None,
    )
    assert endpoint.chunking.strategy == "sentence"
    assert actions(apply(world, bare)) == {"full": "none"}


def test_others_stay_unless_they_are_pruned(make_world: MakeWorld) -> None:
    """An endpoint that the configuration does not have is deleted only when that is said."""
    world = make_world()
    world.create("other", None, {**openai(), "task_type": "completion"})
    assert actions(apply(world, FULL)) == {"full": "create"}
    assert actions(apply(world, FULL, prune=True, dry_run=True)) == {"full": "none", "other": "delete"}
    assert world.endpoints.exists("other")
    assert actions(apply(world, FULL, prune=True)) == {"full": "none", "other": "delete"}
    assert not world.endpoints.exists("other")


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
@pytest.mark.parametrize("created", [True, False])
def test_an_alias_moves_in_one_step(make_world: MakeWorld, order: tuple[str, str], *, created: bool) -> None:
    """In whichever order they are told, an alias is never nobody's on its way to another endpoint."""
    world = make_world()
    apply(world, wanted("old", openai(aliases=["live"])), *([] if created else [wanted("new", openai())]))
    configs = {"old": wanted("old", openai()), "new": wanted("new", openai(aliases=["live"]))}
    owners: list[str] = []
    find = world.store.replace

    async def watched(*changes: Any) -> bool:
        done = await find(*changes)
        owners.extend(row.inference_id for row in await world.store.all() if "live" in row.names)
        return done

    world.store.replace = watched  # type: ignore[method-assign]
    changes = apply(world, *(configs[name] for name in order))
    assert not [change.error for change in changes if change.error]
    assert owners[-1] == "new"
    assert set(owners) <= {"old", "new"}
    assert world.endpoints.find("live").endpoint.inference_id == "new"
    assert set(actions(apply(world, *configs.values())).values()) == {"none"}


def test_two_aliases_change_places(make_world: MakeWorld) -> None:
    """Each is found by the other's alias afterwards."""
    world = make_world()
    apply(world, wanted("a", openai(aliases=["x"])), wanted("b", openai(aliases=["y"])))
    swapped = wanted("a", openai(aliases=["y"])), wanted("b", openai(aliases=["x"]))
    assert actions(apply(world, *swapped)) == {"a": "update", "b": "update"}
    assert [world.endpoints.find(name).endpoint.inference_id for name in "xy"] == ["b", "a"]
    assert set(actions(apply(world, *swapped)).values()) == {"none"}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (wanted("full", openai({"model_id": "other"})), "[service_settings.model_id] cannot be changed"),
        (wanted("full", hugging_face()), "[service] cannot be changed"),
        (wanted("full", openai(), "completion"), "[task_type] cannot be changed"),
        (wanted("full", openai({"api_key": 5})), "[api_key]"),
        (wanted("full", openai(aliases=5)), "[aliases]"),
        ({"inference_id": "full", **openai()}, "[task_type]"),
        (wanted("Not an id", openai()), "Invalid inference_id"),
    ],
)
def test_one_that_fails_keeps_none_of_the_others(make_world: MakeWorld, config: dict[str, Any], problem: str) -> None:
    """The error is told with the endpoint, which stays as it was."""
    world = make_world()
    apply(world, FULL)
    before = world.get("full")
    failed, made = apply(world, config, wanted("next", openai()))
    assert problem in str(failed.error)
    assert (made.action, made.error) == (Action.CREATE, None)
    assert world.get("full") == before


def test_a_provider_that_refuses_keeps_an_endpoint_from_being_made(make_world: MakeWorld) -> None:
    """Each is tried as by PUT, unless that is not wanted."""
    world = make_world(lambda _: json_reply({"error": {"message": "no"}}, 401))
    (change,) = apply(world, FULL)
    assert change.error is not None
    assert not world.endpoints.exists("full")
    assert actions(apply(world, FULL, validate=False)) == {"full": "create"}
    world.provider.calls.clear()
    assert actions(apply(world, wanted("full", openai({"api_key": ANOTHER})), validate=False)) == {"full": "update"}
    assert not world.provider.calls


@pytest.mark.parametrize("configs", [[{}], [{"inference_id": 5}], [wanted("a", openai()), wanted("a", openai())]])
def test_each_has_an_id_of_its_own(make_world: MakeWorld, configs: list[dict[str, Any]]) -> None:
    """Without, nothing is done at all."""
    with pytest.raises(InferenceError, match=re.escape("[inference_id]")):
        apply(make_world(), *configs)


def test_who_may_only_look_applies_nothing(make_world: MakeWorld) -> None:
    """A dry run, too, tells whether a secret is another one, and is for who may change it."""
    world = make_world()
    caller = Caller("reader", frozenset({"monitor_inference"}))
    with pytest.raises(InferenceError, match="unauthorized"):
        world.run(applied(world.engine.lifecycle, caller, Order([FULL], dry_run=True)))


def test_an_exported_endpoint_has_references_for_secrets() -> None:
    """Each is named after its endpoint and setting, no two are the same, and what only looks like one is escaped."""
    world = World()
    headers = {"x-team": "search-team"}
    for inference_id in ("my-docs", "my_docs"):
        config = openai(task_settings={"user": "${USER}", "headers": headers})
        world.create(inference_id, None, wanted(inference_id, config))
    url = "https://tei.test/embed?code=a-long-code-of-it"
    world.create("tei", None, wanted("tei", hugging_face({"url": url})), validate=False)
    first, second, tei = exported(world.engine.lifecycle.all(ANONYMOUS))
    assert first["service_settings"]["api_key"] == "${MY_DOCS_API_KEY}"
    assert second["service_settings"]["api_key"] == "${MY_DOCS_API_KEY_2}"
    assert first["task_settings"] == {"user": "$${USER}", "headers": {"x-team": "${MY_DOCS_HEADERS_X_TEAM}"}}
    assert tei["service_settings"]["url"] == "${TEI_URL}"
    shown = repr([first, second, tei])
    assert not any(secret in shown for secret in (SECRET, "search-team", "a-long-code"))
    world.store.close()
