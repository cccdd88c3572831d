"""Every unit that providers limit is set, kept to, corrected, told of and shown alike: the next one too."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from clock import on_a_loop
from in_process import Application
from msgspec.structs import fields
from turns import Queue, place
from typer.testing import CliRunner
from world import EMBEDDING, World, openai

from inferpoint.calls.refusals import too_late
from inferpoint.model.quota import UNITS, Allowance, Bucket, Cost, PerUnit, Rate
from inferpoint.workers.messages import Settled, Wanted

every_unit = pytest.mark.parametrize("unit", UNITS)


def rate(unit: str, limit: int) -> Rate:
    return Rate(**{unit: limit})


def test_a_limit_and_a_cost_have_the_same_units() -> None:
    """In one order, as what a call costs is held against what may be used; what is paid for comes after."""
    assert tuple(field.name for field in fields(PerUnit)) == UNITS == Cost._fields[: len(UNITS)]


@every_unit
def test_a_limit_that_is_set_is_shown_everywhere(
    make_world: Callable[..., World], unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the endpoint, by `_quotas`, in the metrics and by the command: what was set, and what the provider told."""
    world, setting = make_world(validate=False), f"{unit}_per_minute"
    made = world.create("e", EMBEDDING, openai({"rate_limit": {setting: 77}}))
    world.infer("e", "x")
    world.limiter.learn(made.group, Allowance(**{unit: Bucket(88, 66, 0.0)}))
    assert made.shown()["service_settings"]["rate_limit"][setting] == 77
    quotas = Application(world)("GET", "/_inference/_quotas").json
    (quota,) = quotas["quotas"]
    assert (quota["configured"][setting], quota["provider"][unit]["limit"]) == (77, 88)
    assert quota["configured"].keys() - {"burst"} == {f"{other}_per_minute" for other in UNITS}
    assert quota["provider"].keys() == set(UNITS)
    labels = f'group="{made.group}",of="{unit}",service="openai"'
    metrics = world.run(world.telemetry.exposition()).decode()
    assert f"inferpoint_limit_per_minute{{{labels}}} 77.0" in metrics
    assert f"inferpoint_provider_limit{{{labels}}} 88.0" in metrics
    command: Any = importlib.import_module("inferpoint.cli.quotas")
    monkeypatch.setattr(command, "ask_object", lambda *_: quotas)
    monkeypatch.setenv("COLUMNS", "300")
    table = CliRunner().invoke(command.quotas, ["-o", "table"]).stdout
    assert f"77 {unit}/min" in table
    assert f"88 of 88 {unit} left" in table


@every_unit
def test_endpoints_with_other_limits_have_other_queues(make_world: Callable[..., World], unit: str) -> None:
    """A limit is part of what makes a queue."""
    world = make_world(validate=False)
    limits = [{}, {f"{unit}_per_minute": 7}, {f"{unit}_per_minute": 8}]
    made = [world.create(f"e{n}", EMBEDDING, openai({"rate_limit": limit})) for n, limit in enumerate(limits)]
    assert len({resolved.group for resolved in made}) == len(limits)


@every_unit
def test_a_refusal_names_the_limit(unit: str) -> None:
    """So that its reader knows which one to raise."""
    assert f" at [77] {unit} a minute" in str(too_late(place(rate(unit, 77)), "e", 1.0))


@pytest.mark.parametrize(("settled", "next_at"), [(20, 20), (5, 5)], ids=["as estimated", "less"])
@every_unit
@on_a_loop
async def test_what_a_call_costs_of_a_unit_is_what_the_next_one_waits_for(
    unit: str, settled: int, next_at: float
) -> None:
    """At one a second so many seconds as it costs in the end."""
    queue, ticket = Queue(), place(rate(unit, 60))
    first = await queue.limiter.permit(ticket, lambda: Cost(**{unit: 20}))
    waiting = asyncio.ensure_future(queue.limiter.permit(ticket, Cost))
    first.settle(Cost(**{unit: settled}))  # type: ignore[union-attr] - the first goes at once
    await queue.clock.advance(next_at - 0.1)
    assert not waiting.done()
    await queue.clock.advance(0.2)
    assert waiting.done()


@every_unit
@on_a_loop
async def test_a_call_that_does_not_go_costs_nothing_of_a_unit(unit: str) -> None:
    """The next one goes at once."""
    queue, ticket = Queue(), place(rate(unit, 60))
    (await queue.limiter.permit(ticket, lambda: Cost(**{unit: 20}))).release()  # type: ignore[union-attr]
    waiting = asyncio.ensure_future(queue.limiter.permit(ticket, Cost))
    await queue.clock.advance(0.1)
    assert waiting.done()


@every_unit
@on_a_loop
async def test_a_group_slows_down_where_little_of_a_unit_is_left(unit: str) -> None:
    """To what the provider refills, as it told, whatever was set."""
    queue, ticket = Queue(), place(rate(unit, 6000))
    await queue.limiter.permit(ticket, lambda: Cost(**{unit: 1}))
    queue.limiter.learn("g", Allowance(**{unit: Bucket(60, 0, 60.0)}))
    waiting = asyncio.ensure_future(queue.limiter.permit(ticket, lambda: Cost(**{unit: 1})))
    await queue.clock.advance(0.9)
    assert not waiting.done()
    await queue.clock.advance(0.2)
    assert waiting.done()


@every_unit
def test_a_cost_and_its_limit_go_from_worker_to_supervisor(unit: str) -> None:
    """As they are."""
    cost = Cost(**{unit: 7})
    for message in (Settled(1, cost), Wanted(1, place(rate(unit, 9)), cost)):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message)) == message
