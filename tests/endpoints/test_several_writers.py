"""Two processes that write to one store, here as two engines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from in_process import Application
from world import COMPLETION, EMBEDDING, KEY, World, openai, told

from inferpoint.endpoints.directory import Endpoints
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import ANONYMOUS
from inferpoint.storage.changes import Changes
from inferpoint.storage.store import Changed
from inferpoint.storage.vault import Vault


def sharing(folder: Path) -> World:
    """A world on *folder* that is not the only one."""
    world = World(folder=folder)
    world.endpoints = world.engine._endpoints = Endpoints(world.store, Vault(KEY), Changes(folder))
    world.engine.lifecycle._endpoints = world.endpoints
    world.run(world.endpoints.load())
    return world


@pytest.fixture
def worlds(data: Path) -> Iterator[tuple[World, World]]:
    first, second = sharing(data), sharing(data)
    yield first, second
    first.store.close()
    second.store.close()


def seen(world: World, name: str) -> dict[str, object]:
    """An endpoint as the next request sees it."""
    world.run(world.engine.refresh())
    return world.get(name)


def test_what_one_was_answered_for_the_other_sees(worlds: tuple[World, World]) -> None:
    """A creation, an update, an alias and a deletion of one are all there for the next request of the other."""
    one, two = worlds
    one.create("e", EMBEDDING, openai(aliases=["x"]))
    assert seen(two, "e") == one.get("e")
    assert two.get("x") == one.get("e")
    two.update("e", {"task_settings": {"user": "u"}, "aliases": ["y"]})
    assert seen(one, "y")["task_settings"] == {"user": "u"}
    with pytest.raises(InferenceError, match="not found"):
        one.get("x")
    one.run(one.engine.lifecycle.delete(ANONYMOUS, "e"))
    for name in ("e", "y"):
        with pytest.raises(InferenceError, match="not found"):
            seen(two, name)


def test_the_next_request_to_one_sees_what_another_was_answered_for(worlds: tuple[World, World]) -> None:
    """A server looks at the endpoints as they are before it answers, whoever wrote them."""
    one, two = worlds
    ask = Application(two)
    assert ask("GET", "/_inference/e").status == 404
    one.create("e", EMBEDDING, openai())
    assert ask("GET", "/_inference/e").status == 200
    one.run(one.engine.lifecycle.delete(ANONYMOUS, "e"))
    assert ask("GET", "/_inference/e").status == 404


def test_who_writes_itself_misses_nothing(worlds: tuple[World, World]) -> None:
    """A write of its own does not hide from a process what another wrote just before."""
    one, two = worlds
    one.create("e", EMBEDDING, openai())
    two.create("f", EMBEDDING, openai())
    assert seen(two, "e") == one.get("e")
    assert seen(one, "f") == two.get("f")


def test_only_what_changed_is_read(worlds: tuple[World, World], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a write nothing is read, and after one only the rows that it touched."""
    one, two = worlds
    read: list[Changed] = []
    changed = two.store.changed

    async def watched(known: dict[str, str]) -> Changed:
        read.append(await changed(known))
        return read[-1]

    monkeypatch.setattr(two.store, "changed", watched)
    one.create("e", EMBEDDING, openai())
    one.create("f", EMBEDDING, openai())
    seen(two, "e")
    seen(two, "f")
    one.update("e", {"task_settings": {"user": "u"}})
    seen(two, "e")
    assert [[row.inference_id for row in each.rows] for each in read] == [["e", "f"], ["e"]]


def test_what_is_written_while_another_reads_is_seen_next(
    worlds: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that comes between a look at the store and its end is not taken for seen."""
    one, two = worlds
    changed = two.store.changed

    async def overtaken(known: dict[str, str]) -> Changed:
        read = await changed(known)
        monkeypatch.undo()
        await one.engine.lifecycle.create(ANONYMOUS, "f", openai(), kind=EMBEDDING, validate=False)
        return read

    monkeypatch.setattr(two.store, "changed", overtaken)
    one.create("e", EMBEDDING, openai())
    assert seen(two, "e") == one.get("e")
    assert not two.endpoints.exists("f")
    assert seen(two, "f") == one.get("f")


def test_of_two_who_create_one_wins(worlds: tuple[World, World]) -> None:
    """Who does not know yet that an id or an alias was taken is told when it writes, in Elasticsearch's words."""
    one, two = worlds
    one.create("e", EMBEDDING, openai(aliases=["x"]))
    for name, config in (("e", openai()), ("x", openai()), ("f", openai(aliases=["x"])), ("g", openai(aliases=["e"]))):
        with pytest.raises(InferenceError) as caught:
            two.create(name, EMBEDDING, config)
        assert told(caught.value)[:2] == (400, "resource_already_exists_exception")
    assert [row.inference_id for row in two.run(two.store.all())] == ["e"]


def test_an_alias_is_taken_for_an_update_too(worlds: tuple[World, World]) -> None:
    """An update does not take a name that another process gave away."""
    one, two = worlds
    one.create("e", EMBEDDING, openai())
    seen(two, "e")
    one.create("f", EMBEDDING, openai(aliases=["x"]))
    with pytest.raises(InferenceError, match=r"\[x\] already exists"):
        two.update("e", {"aliases": ["x"]})
    assert "aliases" not in seen(one, "e")


def test_of_two_updates_none_is_lost_unsaid(worlds: tuple[World, World]) -> None:
    """An update of what another process has changed since it was read is a conflict, and the other's stays."""
    one, two = worlds
    one.create("e", EMBEDDING, openai())
    seen(two, "e")
    one.update("e", {"task_settings": {"user": "one"}})
    with pytest.raises(InferenceError, match="currently being updated") as caught:
        two.update("e", {"task_settings": {"user": "two"}})
    assert caught.value.kind is Kind.CONFLICT
    assert two.get("e")["task_settings"] == {"user": "one"}
    two.update("e", {"task_settings": {"user": "two"}})
    assert seen(one, "e")["task_settings"] == {"user": "two"}


def test_what_was_deleted_stays_deleted(worlds: tuple[World, World]) -> None:
    """Neither an update nor a second deletion brings back what another process has deleted; both say it is gone."""
    one, two = worlds
    for act in (lambda: two.update("e", {"task_settings": {"user": "u"}}), lambda: two.run(delete(two))):
        one.create("e", EMBEDDING, openai())
        seen(two, "e")
        one.run(delete(one))
        with pytest.raises(InferenceError) as caught:
            act()
        assert caught.value.kind is Kind.NOT_FOUND
        assert one.run(one.store.all()) == []


def test_what_was_changed_meanwhile_is_deleted_all_the_same(worlds: tuple[World, World]) -> None:
    """A deletion is of the endpoint as it is now, and still only of one of the type that was named."""
    one, two = worlds
    one.create("e", EMBEDDING, openai())
    seen(two, "e")
    one.update("e", {"task_settings": {"user": "u"}})
    two.run(delete(two))
    assert one.run(one.store.all()) == []
    one.run(one.engine.refresh())
    one.create("e", EMBEDDING, openai())
    seen(two, "e")
    one.run(delete(one))
    one.create("e", COMPLETION, openai())
    with pytest.raises(InferenceError, match="does not match"):
        two.run(two.engine.lifecycle.delete(ANONYMOUS, "e", EMBEDDING))
    assert seen(one, "e")["task_type"] == "completion"


def test_a_write_that_nobody_was_told_of_is_seen_when_another_starts(
    worlds: tuple[World, World], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may be killed when it has written and has not said so; whoever comes in its place says it."""
    one, two = worlds
    monkeypatch.setattr(one.endpoints, "_tell", lambda: None)
    one.create("e", EMBEDDING, openai())
    with pytest.raises(InferenceError, match="not found"):
        seen(two, "e")
    three = sharing(data)
    assert seen(two, "e") == three.get("e")
    three.store.close()


async def delete(world: World) -> None:
    await world.engine.lifecycle.delete(ANONYMOUS, "e")


def test_many_may_look_at_once_and_leave(worlds: tuple[World, World]) -> None:
    """All requests that come after a write see it, also those that leave while it is being read."""
    one, two = worlds
    one.create("e", EMBEDDING, openai())

    async def look() -> None:
        looking = [asyncio.ensure_future(two.engine.refresh()) for _ in range(10)]
        await asyncio.sleep(0)
        looking[0].cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    two.run(look())
    assert two.get("e") == one.get("e")


def test_a_store_holds_a_version_against_another(worlds: tuple[World, World]) -> None:
    """A row is replaced and removed only as the version that was meant."""
    one, _ = worlds
    one.create("e", EMBEDDING, openai())
    (row,) = one.run(one.store.all())
    assert not one.run(one.store.replace(replace(row, version="n"), "other"))
    assert not one.run(one.store.remove("e", "other"))
    assert one.run(one.store.all()) == [row]
