"""The trial call of a new endpoint: it waits for a few seconds, and then whoever asked is told when to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from batches import Late
from clock import settle
from in_process import Application
from world import COMPLETION, EMBEDDING, World, body, in_turn, json_reply, like_openai, openai

from inferpoint.endpoints.lifecycle import TRIAL_PATIENCE
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Reply
from inferpoint.model.requests import ANONYMOUS, InferenceRequest
from inferpoint.outbound.retries import ATTEMPTS

MakeWorld = Callable[..., World]
SLOW = openai({"rate_limit": {"requests_per_minute": 6}})
OK = json_reply({"data": [{"index": 0, "embedding": [1, 2, 3]}]})


def throttled(seconds: float) -> Reply:
    return json_reply({"error": {"message": "slow down"}}, 429, **{"retry-after": str(seconds)})


def refused(world: World, config: dict[str, Any], within: float = 0.0) -> tuple[int, int]:
    """When to come again, and the status, of the refusal of an endpoint, which is not kept."""
    before = world.clock.passed
    answer = Application(world)("PUT", "/_inference/text_embedding/new", config)
    assert world.clock.passed - before <= within
    assert not world.endpoints.exists("new")
    return answer.status, int(answer.headers["retry-after"])


def test_a_trial_behind_a_long_queue_is_told_when_to_come_again(make_world: MakeWorld) -> None:
    """At once, for it is known how long the queue is: the group has one turn in ten seconds."""
    world = make_world()
    world.create("e", EMBEDDING, SLOW)
    assert refused(world, SLOW) == (429, 5)
    world.run(world.clock.sleep(5.001))
    world.create("new", EMBEDDING, SLOW)
    assert world.clock.passed == pytest.approx(10)


@pytest.mark.parametrize(("seconds", "paused"), [(8, 8), (86_400, 60)])
def test_a_trial_that_its_provider_asks_to_wait_long_is_told_so(
    make_world: MakeWorld, seconds: int, paused: int
) -> None:
    """A minute is what the group pauses at the most; the caller is told what the provider said."""
    world = make_world(in_turn(throttled(seconds), OK))
    assert refused(world, openai()) == (429, seconds)
    assert refused(world, openai()) == (429, paused)


def test_a_trial_waits_for_a_few_seconds(make_world: MakeWorld) -> None:
    """A provider that asks for no more than those is asked again."""
    world = make_world(in_turn(throttled(3), OK))
    world.create("e", EMBEDDING, openai())
    assert world.clock.passed == pytest.approx(3)


def test_a_trial_that_was_to_be_in_time_and_is_not_ends_all_the_same(make_world: MakeWorld) -> None:
    """Another call's throttle pauses the group while it waits: it is told so when its patience ends."""
    world = make_world()
    made = world.create("e", EMBEDDING, SLOW)
    world.run(world.clock.sleep(5.001))

    async def paused_meanwhile() -> None:
        trial = asyncio.ensure_future(world.engine.lifecycle.create(ANONYMOUS, "new", SLOW, kind=EMBEDDING))
        await world.clock.advance(1)
        world.limiter.pause(made.group, 50, "")
        await world.clock.advance(TRIAL_PATIENCE - 1)
        await asyncio.wait({trial})  # no time passes any more, but what is refused is written down
        error = trial.exception()
        assert isinstance(error, InferenceError)
        assert (error.kind, error.retry_after) == (Kind.RATE_LIMITED, TRIAL_PATIENCE)

    asyncio.run(paused_meanwhile())
    assert (len(world.provider.calls), world.clock.alarms) == (1, 0)


def test_a_trial_does_not_wait_for_an_address_that_is_left_alone(make_world: MakeWorld) -> None:
    """Neither for the next try of it, nor for the end of one that takes long."""
    world = make_world(like_openai)
    world.create("e", EMBEDDING, openai())
    world.provider.answer = lambda _: Reply(500)
    for _ in range(2):
        with pytest.raises(InferenceError):
            world.infer("e", "x")
    world.provider.answer = lambda _: Late(world.clock, 25, OK)

    async def behind_a_probe() -> None:
        probe = asyncio.ensure_future(world.inferring("e", InferenceRequest(("x",))))
        await world.clock.advance(4)
        trial = asyncio.ensure_future(world.engine.lifecycle.create(ANONYMOUS, "new", openai(), kind=EMBEDDING))
        await world.clock.advance(TRIAL_PATIENCE)
        await asyncio.wait({trial})
        error = trial.exception()
        assert isinstance(error, InferenceError)
        assert error.kind is Kind.RATE_LIMITED
        await world.clock.advance(30)
        await probe

    asyncio.run(behind_a_probe())


@pytest.mark.parametrize("status", [400, 401, 500, 503])
def test_a_trial_that_fails_is_a_failed_validation(make_world: MakeWorld, status: int) -> None:
    """As in Elasticsearch: 400 with the provider's refusal as its cause."""
    world = make_world(lambda _: Reply(status))
    answer = Application(world)("PUT", "/_inference/text_embedding/new", openai())
    assert (answer.status, answer.json["error"]["type"]) == (400, "status_exception")


def test_who_waits_in_the_queue_meanwhile_is_not_made_to_leave(make_world: MakeWorld) -> None:
    """The patience of a trial is its own: a request with the same limits waits as long as its timeout says."""
    world = make_world()
    world.create("e", EMBEDDING, SLOW)

    async def both() -> None:
        asked = asyncio.ensure_future(world.inferring("e", InferenceRequest(("x",))))
        await settle()
        with pytest.raises(InferenceError):
            await world.engine.lifecycle.create(ANONYMOUS, "new", SLOW, kind=EMBEDDING)
        await world.clock.advance(10)
        await asked

    asyncio.run(both())


@pytest.mark.parametrize(
    ("kind", "service", "member", "purpose"),
    [
        (EMBEDDING, "jinaai", "task", "retrieval.passage"),
        (TaskType.EMBEDDING, "jinaai", "task", "retrieval.passage"),
        (EMBEDDING, "voyageai", "input_type", "document"),
        (EMBEDDING, "cohere", "input_type", "search_document"),
        (EMBEDDING, "nvidia", "input_type", "passage"),
        (EMBEDDING, "openai", "input_type", None),
        (COMPLETION, "openai", "input_type", None),
    ],
)
def test_a_trial_is_of_what_is_ingested(
    make_world: MakeWorld, kind: TaskType, service: str, member: str, purpose: str | None
) -> None:
    """As Elasticsearch's is, where a service tells purposes apart; but it is given up as soon as any other request."""
    world = make_world(lambda _: Reply(503))
    config = {"service": service, "service_settings": {"api_key": "k", "model_id": "m"}}
    answer = Application(world)("PUT", f"/_inference/{kind}/new", config)
    assert answer.status == 400
    assert [body(call).get(member) for call in world.provider.calls] == [purpose] * ATTEMPTS
