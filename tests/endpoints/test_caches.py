from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import CHAT, COMPLETION, EMBEDDING, KEY, World, hugging_face, openai, told

from inferpoint.endpoints.caches import SHARED_FILE, Caches, Input, decoded, encoded, item_key, key_prefix
from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.preflight import prepared
from inferpoint.errors import InferenceError
from inferpoint.model.cache import CacheSettings
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import ANONYMOUS, InferenceRequest, InputType, Media, Medium, Tokens
from inferpoint.storage.cache import Cache
from inferpoint.storage.vault import Vault

MIB = 1024 * 1024
DEFAULTS = {"memory_bytes": 64 * MIB, "disk_bytes": 0}
ON_DISK = {"memory_bytes": 0, "disk_bytes": MIB}


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(InferenceError) as caught:
        act()
    status, _, reason = told(caught.value)
    assert status == 400
    return reason


def reloaded(world: World) -> Endpoints:
    found = Endpoints(world.store, Vault(KEY))
    world.run(found.load())
    return found


def used(world: World, inference_id: str) -> Cache | None:
    return world.caches.of(world.endpoints.find(inference_id))


def known(world: World, cache: Cache | None) -> Any:
    assert cache is not None
    return world.run(cache.find([b"k"]))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, DEFAULTS),
        ({"memory_bytes": 5}, {"memory_bytes": 5, "disk_bytes": 0}),
        ({"memory_bytes": 0}, {"memory_bytes": 0, "disk_bytes": 0}),
        ({"memory_bytes": None, "disk_bytes": 2**40}, {"memory_bytes": 64 * MIB, "disk_bytes": 2**40}),
        (None, None),
    ],
)
@pytest.mark.parametrize(
    ("kind", "config"),
    [(EMBEDDING, openai), (TaskType.EMBEDDING, openai), (TaskType.SPARSE_EMBEDDING, hugging_face)],
)
def test_an_endpoint_may_have_a_cache(
    make_world: Callable[..., World], kind: TaskType, config: Callable[..., Any], given: Any, shown: Any
) -> None:
    """Whatever it embeds: it is shown with its defaults, and is there after a new start; null is as good as absent."""
    world = make_world(validate=False)
    world.create("e", kind, config(cache=given))
    world.create("f", kind, config())
    assert world.get("e").get("cache") == shown
    assert "cache" not in world.get("f")
    assert reloaded(world).find("e").endpoint == world.endpoints.find("e").endpoint


WRONG: list[tuple[Any, str]] = [
    ({"memory_bytes": -1}, "[cache] Invalid value [-1.0]. [memory_bytes] must be greater than or equal to [0.0]"),
    ({"disk_bytes": -5}, "[cache] Invalid value [-5.0]. [disk_bytes] must be greater than or equal to [0.0]"),
    (
        {"memory_bytes": 2**63},
        "field [memory_bytes] is not of the expected type."
        " The value [9223372036854775808] cannot be converted to a [Long]",
    ),
    (
        {"memory_bytes": "64mb"},
        "field [memory_bytes] is not of the expected type. The value [64mb] cannot be converted to a [Long]",
    ),
    (
        {"disk_bytes": 1.5},
        "field [disk_bytes] is not of the expected type. The value [1.5] cannot be converted to a [Long]",
    ),
    (
        {"disk_bytes": True},
        "field [disk_bytes] is not of the expected type. The value [true] cannot be converted to a [Long]",
    ),
    ({"ttl": 5, "memory_bytes": 1}, "Cache settings contain unknown entries [{ttl=5}]"),
    (True, "field [cache] is not of the expected type. The value [true] cannot be converted to a [Map]"),
    ([], "field [cache] is not of the expected type. The value [[]] cannot be converted to a [Map]"),
    ("on", "field [cache] is not of the expected type. The value [on] cannot be converted to a [Map]"),
]


@pytest.mark.parametrize(("given", "problem"), WRONG)
def test_what_is_no_cache_is_refused(world: World, given: Any, problem: str) -> None:
    """On creation and update alike, with nothing kept and nobody called."""
    assert problem in refused(lambda: world.create("e", EMBEDDING, openai(cache=given)))
    assert not world.endpoints.exists("e")
    assert world.provider.calls == []
    world.create("e", EMBEDDING, openai())
    assert problem in refused(lambda: world.update("e", {"cache": given}))
    assert "cache" not in world.get("e")


def test_all_problems_are_told_at_once(world: World) -> None:
    """Those of the cache beside those of the other settings."""
    wrong = {"memory_bytes": -1, "disk_bytes": "x", "size": 1}
    reason = refused(lambda: world.create("e", EMBEDDING, openai({"url": ""}, cache=wrong)))
    assert [f"{number}: " in reason for number in range(1, 6)] == [True, True, True, True, False]


@pytest.mark.parametrize("kind", [COMPLETION, CHAT])
def test_only_embeddings_are_cached(world: World, kind: TaskType) -> None:
    """A cache where none applies is an error that says so; null and none are no cache."""
    problem = f"[cache] is for embeddings, and task type [{kind}] makes none"
    assert problem in refused(lambda: world.create("e", kind, openai(cache={})))
    world.create("e", kind, openai(cache=None))
    assert problem in refused(lambda: world.update("e", {"cache": {}}))
    world.update("e", {"cache": None})


def test_an_update_replaces_the_cache_without_a_call(world: World) -> None:
    """The provider does not see it; null takes it away, and other updates leave it."""
    world.create("e", EMBEDDING, openai(cache={"memory_bytes": 5}))
    dimensions = world.endpoints.find("e").endpoint.dimensions
    world.provider.calls.clear()
    world.update("e", {"cache": {"disk_bytes": 7}})
    assert world.get("e")["cache"] == {"memory_bytes": 64 * MIB, "disk_bytes": 7}
    assert world.endpoints.find("e").endpoint.dimensions == dimensions
    world.update("e", {"aliases": ["x"]})
    assert "cache" in world.get("e")
    world.update("e", {"cache": None})
    assert "cache" not in world.get("e")
    assert world.provider.calls == []
    world.run(world.caches.close())


def test_each_endpoint_uses_its_own_cache_or_the_servers(make_world: Callable[..., World]) -> None:
    """Without a section of its own it shares; with one it does not; one of no bytes is none."""
    world = make_world(cache=CacheSettings())
    for name, cache in (("a", None), ("b", None), ("c", {}), ("d", {"memory_bytes": 9}), ("off", {"memory_bytes": 0})):
        world.create(name, EMBEDDING, openai(cache=cache))
    found = {name: used(world, name) for name in ("a", "b", "c", "d", "off")}
    assert found["a"] is found["b"] is not None
    assert found["off"] is None
    assert len({id(found[name]) for name in ("a", "c", "d")}) == 3
    assert all(found[name] is used(world, name) for name in found)


@pytest.mark.parametrize("cache", [None, CacheSettings(memory_bytes=0)])
def test_without_a_word_there_is_no_cache(make_world: Callable[..., World], cache: CacheSettings | None) -> None:
    """It is off by default, and a server's of no bytes is none."""
    world = make_world(cache=cache)
    world.create("e", EMBEDDING, openai())
    assert used(world, "e") is None


def test_a_request_with_options_of_its_own_uses_the_endpoints_cache(world: World) -> None:
    """The cache is the endpoint's, however a request wants it."""
    world.create("e", EMBEDDING, openai(cache={}))
    resolved = world.endpoints.find("e")
    request = InferenceRequest(("a",), options={"user": "u"})
    assert world.caches.of(prepared(resolved, request, None)) is used(world, "e")


def test_an_endpoint_that_is_not_kept_has_no_cache_of_its_own(world: World) -> None:
    """While it is tried, and after it was changed or deleted, by whoever still asks for it."""
    drafts: list[Resolved] = []
    world.create("e", EMBEDDING, openai(cache={}))
    drafts.append(world.endpoints.find("e"))
    assert world.caches.of(drafts[0]) is not None
    world.update("e", {"task_settings": {"user": "u"}})
    drafts.append(world.endpoints.find("e"))
    assert world.caches.of(drafts[1]) is not None
    world.run(world.engine.lifecycle.delete(ANONYMOUS, "e"))
    assert [world.caches.of(draft) for draft in drafts] == [None, None]
    assert world.caches._own == {}


@pytest.mark.parametrize("change", [{"cache": {**ON_DISK, "memory_bytes": 1}}, {"cache": None}, {"aliases": ["x"]}])
def test_a_changed_endpoint_begins_anew(make_world: Callable[..., World], data: Path, change: dict[str, Any]) -> None:
    """Its old cache goes with the old version, from the disk as well."""
    world = make_world(folder=data)
    world.create("e", EMBEDDING, openai(cache=ON_DISK))
    before = used(world, "e")
    assert before is not None
    before.keep({b"k": b"v"})
    assert known(world, before) == {b"k": b"v"}
    world.update("e", change)
    assert list(data.glob("cache*")) == []
    after = used(world, "e")
    assert after is not before
    assert after is None or known(world, after) == {}
    world.run(world.caches.close())


def test_caches_on_the_disk_outlive_the_server(make_world: Callable[..., World], data: Path) -> None:
    """The shared one and those of endpoints are found again; files of endpoints that are gone are removed."""
    shared = CacheSettings(memory_bytes=0, disk_bytes=MIB)
    world = make_world(cache=shared, folder=data)
    for name, cache in (("a", None), ("b", ON_DISK), ("c", ON_DISK)):
        world.create(name, EMBEDDING, openai(cache=cache))
        found = used(world, name)
        assert found is not None
        found.keep({b"k": name.encode()})
    world.run(world.caches.close())
    assert len(list(data.glob("cache*"))) == 3
    version = world.endpoints.find("c").endpoint.version
    world.run(world.store.remove("c", version))  # as a process that is killed leaves it
    endpoints = reloaded(world)
    caches = Caches(endpoints, data, shared, world.telemetry.caches)
    caches.remove_leftovers()
    assert {path.name for path in data.glob("cache*")} == {
        SHARED_FILE,
        f"cache-{endpoints.find('b').endpoint.version}.db",
    }
    assert [known(world, caches.of(endpoints.find(name))) for name in ("a", "b")] == [{b"k": b"a"}, {b"k": b"b"}]
    world.run(caches.close())


def test_deleting_an_endpoint_removes_its_file(make_world: Callable[..., World], data: Path) -> None:
    """With all that SQLite keeps beside it, and with the threads that read and write it."""
    world = make_world(folder=data)
    world.create("e", EMBEDDING, openai(cache=ON_DISK))
    before = set(threading.enumerate())
    found = used(world, "e")
    assert found is not None
    found.keep({b"k": b"v"})
    known(world, found)
    assert set(threading.enumerate()) > before
    world.run(world.engine.lifecycle.delete(ANONYMOUS, "e"))
    assert list(data.glob("cache*")) == []
    assert set(threading.enumerate()) <= before


def test_what_is_for_memory_alone_leaves_no_file(make_world: Callable[..., World], data: Path) -> None:
    """Neither the server's cache nor an endpoint's own touches the disk unless it is given a part of it."""
    world = make_world(cache=CacheSettings(), folder=data)
    for name, cache in (("e", None), ("f", {})):
        world.create(name, EMBEDDING, openai(cache=cache))
        for known in (0, 1):
            request = InferenceRequest(("a",))
            world.run(world.inferring(name, request))
            assert request.stats.known == known
    world.run(world.caches.close())
    assert list(data.glob("cache*")) == []


def test_without_a_folder_there_is_memory_alone(world: World) -> None:
    """The library may keep nothing on the disk, and takes such an endpoint all the same."""
    world.create("e", EMBEDDING, openai(cache={"memory_bytes": MIB, "disk_bytes": MIB}))

    async def ask() -> Any:
        caches = Caches(world.endpoints, None, CacheSettings(disk_bytes=5), world.telemetry.caches)
        caches.remove_leftovers()
        cache = caches.of(world.endpoints.find("e"))
        assert cache is not None
        cache.keep({b"k": b"v"})
        found = await cache.find([b"k"])
        await caches.close()
        return found

    assert asyncio.run(ask()) == {b"k": b"v"}


def test_every_difference_makes_another_key(world: World) -> None:
    """Endpoint, options, purpose, kind of input and text; the same of all of them the same key."""
    first = world.create("e", EMBEDDING, openai({"dimensions": 3}))
    world.run(world.engine.lifecycle.delete(ANONYMOUS, "e"))
    again = world.create("e", EMBEDDING, openai({"dimensions": 3}))
    other = world.create("f", EMBEDDING, openai({"dimensions": 3}))
    optional = replace(again, endpoint=replace(again.endpoint, options=replace(again.endpoint.options, user="u")))
    prefixes = [
        key_prefix(resolved, request)
        for resolved in (first, again, other, optional)
        for request in (
            *(InferenceRequest(("a",), purpose) for purpose in (None, *InputType)),
            InferenceRequest(Tokens(((1, 2),))),
        )
    ]
    items: list[Input] = ["", "a", "A", "a ", "ä", "a\u0308", "(1, 2)", "\ud83d", "\ud83d\ude00", "😀"]
    items += [Media(medium, uri) for medium in (Medium.IMAGE, Medium.PDF) for uri in ("data:,a", "data:,b")]
    keys = [item_key(prefix, item) for prefix in prefixes for item in [*items, (1,), (1, 2), (12,), ()]]
    assert len(set(keys)) == len(prefixes) * (len(items) + 4) - len(prefixes)  # tokens are told by their prefix
    assert {len(key) for key in keys} == {32}
    request = InferenceRequest(("x", "y"), InputType.SEARCH, timeout=3.0, request_id="r")
    assert key_prefix(again, request) == key_prefix(again, InferenceRequest(("z",), InputType.SEARCH))


@given(st.lists(st.text(st.characters(exclude_categories=())), unique=True))
def test_no_two_texts_share_a_key(texts: list[str]) -> None:
    """Whatever is in them, surrogates that stand alone included."""
    keys = [item_key(bytes(32), text) for text in texts]
    assert len(set(keys)) == len(texts)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("text", ["[1,2]", "[0.10, 2e-5 ,-3]", "[1]"])
def test_a_vector_comes_back_byte_by_byte(text: str, cut: bool) -> None:
    """No number of it is read, and whether its text was shortened is known still."""
    vector, shortened = decoded(encoded(msgspec.Raw(text.encode()), cut=cut))
    assert isinstance(vector, msgspec.Raw)
    assert bytes(vector) == text.encode()
    assert shortened is cut


def test_what_was_kept_packed_is_a_list_for_who_did_not_ask_for_it_so() -> None:
    """Packed it is byte by byte what came."""
    kept = encoded(msgspec.Raw(b'"AACAPwAAAEA="'), cut=False)
    packed, listed = (decoded(kept, packed=packed)[0] for packed in (True, False))
    assert isinstance(packed, msgspec.Raw)
    assert isinstance(listed, msgspec.Raw)
    assert (bytes(packed), bytes(listed)) == (b'"AACAPwAAAEA="', b"[1,2]")


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.floats(allow_nan=False, allow_infinity=False)),
    st.booleans(),
)
def test_weights_come_back_as_they_were(weights: dict[str, float], cut: bool) -> None:
    """Every token with its weight, to the last digit, in order."""
    found, shortened = decoded(encoded(weights, cut=cut))
    assert not isinstance(found, msgspec.Raw)
    assert list(found.items()) == list(weights.items())
    assert shortened is cut


def test_what_is_kept_tells_its_kind(world: World) -> None:
    """A vector is never read as weights, nor the other way round."""
    values = [
        encoded(each, cut=cut) for each, cut in itertools.product((msgspec.Raw(b"[1]"), {"a": 1.0}), (False, True))
    ]
    assert len(set(values)) == 4
    assert [isinstance(decoded(value)[0], msgspec.Raw) for value in values] == [True, True, False, False]
