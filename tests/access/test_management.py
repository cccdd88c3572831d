"""Keys made, changed and ended: nobody gives more than they have."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from making_keys import ADMIN, caller, make, management
from world import World

from inferpoint.access.decision import may
from inferpoint.access.key import ApiKey
from inferpoint.access.management import Wanted
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import ANONYMOUS, INTERNAL, Caller

KEYS, MONITOR, MANAGE = "manage_api_key", "monitor_inference", "manage_inference"
MONTH = 30 * 86_400.0


def created(world: World, by: Caller, *privileges: str, lifetime: float | None = None, **held: Any) -> ApiKey:
    return make(world, *privileges, by=by, lifetime=lifetime, **held)[0]


@pytest.mark.parametrize(
    ("own", "wanted", "more"),
    [
        ({}, {"privileges": [MANAGE]}, "privilege [manage_inference]"),
        ({}, {"privileges": ["all"]}, "privilege [all]"),
        ({"inference_ids": ["docs-*"]}, {"inference_ids": ["*"]}, "inference_ids"),
        ({"inference_ids": ["docs-*"]}, {"inference_ids": ["docs-*", "x"]}, "inference_ids"),
        ({"inference_ids": ["docs-*"]}, {"inference_ids": ["docs*"]}, "inference_ids"),
        ({"task_types": ["rerank"]}, {"task_types": ["rerank", "completion"]}, "task_types"),
        ({"requests_per_minute": 60}, {"requests_per_minute": 61}, "requests_per_minute"),
        ({"budget": {"usd_per_day": 5}}, {"budget": {"usd_per_day": 5.01}}, "usd_per_day"),
        ({}, {"share": 2}, "share"),
    ],
)
def test_no_key_makes_one_with_more(world: World, own: dict[str, Any], wanted: dict[str, Any], more: str) -> None:
    """What a key has not it cannot give, neither to a new key nor to one that is there."""
    maker = caller(world, created(world, INTERNAL, KEYS, MONITOR, **own))
    privileges = wanted.pop("privileges", [MONITOR])
    with pytest.raises(InferenceError) as caught:
        created(world, maker, *privileges, **wanted)
    assert (caught.value.kind, more in str(caught.value)) == (Kind.FORBIDDEN, True)
    less = created(world, maker, MONITOR)
    change = Wanted({"role": {"cluster": privileges}}, {"inferpoint": wanted})
    with pytest.raises(InferenceError, match="more than it has"):
        world.run(management(world).update(maker, less.id, change))


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({"inference_ids": ["docs-*"]}, {"inference_ids": ["docs-a", "docs-b*"]}),
        ({"inference_ids": ["docs-*"]}, {"task_types": ["rerank"]}),
        ({"requests_per_minute": 60, "budget": {"tokens_per_day": 9}}, {"requests_per_minute": 60}),
        ({"budget": {"tokens_per_day": 9}}, {"budget": {"tokens_per_month": 9}}),
    ],
)
def test_what_a_key_does_not_say_it_has_of_its_maker(world: World, own: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A key with less can be made, and is held to all that its maker is held to, as it shows."""
    maker = created(world, INTERNAL, KEYS, MONITOR, **own)
    made = created(world, caller(world, maker), MONITOR, **wanted)
    shown = made.metadata["inferpoint"]
    assert shown | wanted | {"budget": 0} == {**own, **wanted, "budget": 0}
    assert shown.get("budget", {}) == {**own.get("budget", {}), **wanted.get("budget", {})}


def test_no_key_outlives_its_maker(world: World) -> None:
    """A key that expires makes keys that expire with it, or before."""
    maker = created(world, INTERNAL, KEYS, MONITOR, lifetime=100)
    for lifetime, ends in ((None, 100), (1000, 100), (10, 10)):
        made = created(world, caller(world, maker), MONITOR, lifetime=lifetime)
        assert made.ends - world.clock.now().timestamp() == pytest.approx(ends)


def test_a_key_without_roles_has_those_of_its_maker(world: World) -> None:
    """As in Elasticsearch, what is not narrowed is what the maker has; not more once the maker gets more."""
    maker = created(world, INTERNAL, KEYS, MONITOR)
    made, _ = world.run(management(world).create(caller(world, maker), "same", Wanted()))
    assert set(made.privileges) == {KEYS, MONITOR}
    assert may(caller(world, made), MONITOR)
    assert not may(caller(world, made), MANAGE)


def test_who_has_more_is_not_there(world: World) -> None:
    """A key neither sees nor changes nor ends one that has more than itself."""
    admin = created(world, INTERNAL, "all")
    small = caller(world, created(world, INTERNAL, KEYS, MONITOR, inference_ids=["docs-*"]))
    other = created(world, INTERNAL, MONITOR, inference_ids=["docs-a"])
    manage = management(world)
    assert {key.id for key in manage.seen(small, lambda _: True)} == {small.name, other.id}
    with pytest.raises(InferenceError, match="no API key owned by requesting user found") as caught:
        world.run(manage.update(small, admin.id, Wanted(metadata={})))
    with pytest.raises(InferenceError) as missing:
        world.run(manage.update(small, "none", Wanted(metadata={})))
    assert str(caught.value).replace(admin.id, "none") == str(missing.value)
    assert world.run(manage.update(small, other.id, Wanted({"a": {"cluster": []}})))


def test_the_first_key_is_an_administrators(world: World) -> None:
    """The first key closes the server: one that cannot make others would shut out everybody."""
    for wanted in (Wanted({"a": {"cluster": [KEYS]}}), Wanted(ADMIN, {"inferpoint": {"inference_ids": ["a"]}})):
        with pytest.raises(InferenceError, match="must be an administrator's"):
            world.run(management(world).create(ANONYMOUS, "first", wanted))
    assert not len(world.keys)
    world.run(management(world).create(ANONYMOUS, "first", Wanted()))


@pytest.mark.parametrize(
    ("name", "roles", "metadata", "problem"),
    [
        (" x", {}, {}, "may not begin or end with whitespace"),
        ("_x", {}, {}, "may not begin with an underscore"),
        ("", {}, {}, "must not be blank"),
        ("x" * 257, {}, {}, "more than 256"),
        ("a\r\nset-cookie: x", {}, {}, "not printable"),
        ("a\x1b[2J", {}, {}, "not printable"),
        ("x", {"a": {"cluster": ["monitor_inferenze"]}}, {}, "did you mean [monitor_inference]"),
        ("x", {"a": {"cluster": "all"}}, {}, "role_descriptors.a.cluster"),
        ("x", {"a": {"clusters": []}}, {}, "role_descriptors.a.clusters"),
        ("x", {"a": {"restriction": {"workflows": []}}}, {}, "restriction"),
        ("x", {"a": []}, {}, "must be an object"),
        ("x", {}, {"_x": 1}, "may not start with [_]"),
        ("x", {}, {"inferpoint": {"request_per_minute": 5}}, "request_per_minute"),
        ("x", {}, {"inferpoint": {"inference_id": ["a"]}}, "inference_id"),
        ("x", {}, {"inferpoint": {"inference_ids": "a"}}, "inference_ids"),
        ("x", {}, {"inferpoint": {"task_types": ["embed"]}}, "embed"),
        ("x", {}, {"inferpoint": {"budget": {"eur_per_day": 5}}}, "eur_per_day"),
        ("x", {}, {"inferpoint": {"team": "a\nb"}}, "team"),
        ("x", {}, {"inferpoint": []}, "must be an object"),
        ("x", {}, {"a": "x" * 65_536}, "at most [65536] bytes"),
    ],
)
def test_what_cannot_be_read_makes_no_key(
    world: World, name: str, roles: dict[str, Any], metadata: dict[str, Any], problem: str
) -> None:
    """A misspelt limit must not make a key without limits, nor a name more lines of a log."""
    with pytest.raises(InferenceError) as caught:
        world.run(management(world).create(ANONYMOUS, name, Wanted(roles, metadata)))
    assert (caught.value.kind, problem in str(caught.value)) == (Kind.INVALID, True)
    assert not len(world.keys)


def test_two_changes_at_once(world: World) -> None:
    """Of two changes of one key the second is refused, and never undoes the first: an ended key stays ended."""
    key = created(world, INTERNAL, MONITOR)
    manage = management(world)

    async def both() -> list[Any]:
        ending = manage.invalidate(INTERNAL, [key])
        changing = manage.update(INTERNAL, key.id, Wanted(metadata={"a": 1}))
        return await asyncio.gather(ending, changing, return_exceptions=True)

    ended, changed = asyncio.run(both())
    assert ended == ([key.id], [])
    assert isinstance(changed, InferenceError)
    assert changed.kind is Kind.CONFLICT
    assert world.run(manage.invalidate(INTERNAL, list(manage.seen(INTERNAL, lambda one: one.id == key.id)))) == (
        [],
        [key.id],
    )
