"""How a change of an endpoint is tried and written: in time, and to its end, whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from batches import ONE_A_SECOND, ask
from clock import settle
from world import EMBEDDING, World, body, openai, told

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.privileges import EVERY_PRIVILEGE
from inferpoint.model.requests import ANONYMOUS, Caller

MakeWorld = Callable[..., World]
Act = Callable[[World], Coroutine[Any, Any, Any]]


class Held:
    """A write of the store that is durable, and not answered yet: `done` is set then, `free` answers it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World, name: str) -> None:
        self.done, self.free = asyncio.Event(), asyncio.Event()
        write = getattr(world.store, name)

        async def held(*given: Any) -> Any:
            answer = await write(*given)
            self.done.set()
            await self.free.wait()
            return answer

        monkeypatch.setattr(world.store, name, held)


async def left(act: Coroutine[Any, Any, Any], held: Held) -> asyncio.Task[Any]:
    """The task of *act*, whose caller left when its write was durable and not answered."""
    task = asyncio.ensure_future(act)
    await held.done.wait()
    task.cancel()
    await settle()
    return task


def create(world: World) -> Coroutine[Any, Any, Any]:
    return world.engine.lifecycle.create(ANONYMOUS, "e", openai(), kind=EMBEDDING)


def update(world: World) -> Coroutine[Any, Any, Any]:
    return world.engine.lifecycle.update(ANONYMOUS, "e", {"task_settings": {"user": "u"}})


def delete(world: World) -> Coroutine[Any, Any, Any]:
    return world.engine.lifecycle.delete(ANONYMOUS, "e")


def versions(world: World) -> list[str]:
    """What is stored, which must be what is in memory."""
    stored = [row.version for row in world.run(world.store.all())]
    assert stored == [each.endpoint.version for each in world.engine.lifecycle.all(ANONYMOUS)]
    return stored


@pytest.mark.parametrize(("act", "write"), [(create, "add"), (update, "replace"), (delete, "remove")])
def test_a_write_goes_on_when_its_caller_leaves(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, act: Act, write: str
) -> None:
    """Memory and store say the same also when whoever asked went away in the middle of the write."""
    world = make_world(validate=False)
    if act is not create:
        world.run(create(world))
    before = versions(world)

    async def leave() -> None:
        held = Held(monkeypatch, world, write)
        task = await left(act(world), held)
        held.free.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.run(leave())
    assert versions(world) != before


def test_who_comes_after_one_who_left_finds_the_write_done(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that nobody waits for any more still keeps others from changing the endpoint until it is over."""
    world = make_world(validate=False)

    async def leave() -> bool:
        held = Held(monkeypatch, world, "add")
        await left(create(world), held)
        deleting = asyncio.ensure_future(delete(world))
        await settle()
        held.free.set()
        return await deleting

    assert world.run(leave()) is True
    assert versions(world) == []


@pytest.mark.parametrize("act", ["create", "update"])
def test_an_endpoint_is_tried_no_longer_than_its_caller_waits(world: World, act: str) -> None:
    """The timeout of a PUT is that of the one inference on it; an endpoint that was not tried is not kept."""
    if act == "update":
        world.run(create(world))
        world.provider.calls.clear()
    before, lifecycle = versions(world), world.engine.lifecycle
    with pytest.raises(InferenceError) as caught:
        if act == "create":
            world.run(lifecycle.create(ANONYMOUS, "e", openai(), kind=EMBEDDING, seconds=0))
        else:
            world.run(lifecycle.update(ANONYMOUS, "e", {"service_settings": {"api_key": "k"}}, seconds=0))
    assert told(caught.value)[0] == 400
    assert isinstance(caught.value.__cause__, InferenceError)
    assert caught.value.__cause__.kind is Kind.TIMED_OUT
    assert world.provider.calls == []
    assert versions(world) == before


def test_an_endpoint_is_tried_in_its_callers_own_turn(make_world: MakeWorld) -> None:
    """The one inference waits behind what its caller waits for already, and overtakes nobody by being a try."""
    world = make_world()
    world.create("e", EMBEDDING, ONE_A_SECOND)
    busy, other = Caller("busy", EVERY_PRIVILEGE), Caller("other", EVERY_PRIVILEGE)

    async def tried_among_others() -> None:
        asked = [ask(world, f"{number}", caller=busy, params={"user": f"{number}"}) for number in range(3)]
        waiting = [asyncio.ensure_future(each) for each in asked]
        await settle()
        tries = [
            world.engine.lifecycle.create(caller, caller.name, ONE_A_SECOND, kind=EMBEDDING) for caller in (busy, other)
        ]
        await asyncio.gather(*waiting, *tries)

    world.run(tried_among_others())
    *_, first, second, third, fourth = [body(call)["input"][0] for call in world.provider.calls]
    assert sorted((first, second)) == ["1", "how big"]
    assert (third, fourth) == ("2", "how big")
