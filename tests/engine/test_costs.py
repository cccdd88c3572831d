"""What a call costs is charged to its rate limit: first as estimated, then as the provider counted it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from batches import ask, complaint, limited, together
from world import CHAT, COMPLETION, EMBEDDING, World, body, in_turn, json_reply, told

from inferpoint.model.chat import said
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest

MakeWorld = Callable[..., World]


def counting(tokens: int) -> Callable[[Call], Reply]:
    """A provider that counts so many *tokens* for each call."""

    def answer(call: Call) -> Reply:
        usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        if "messages" in body(call):
            choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}
            return json_reply({"id": "1", "model": "m", "choices": [choice], "usage": usage})
        return json_reply({"data": [{"index": 0, "embedding": [1]}], "usage": usage})

    return answer


def made(make_world: MakeWorld, kind: TaskType, answer: Callable[[Call], Reply], **rate: int) -> World:
    world = make_world(answer, validate=False)
    world.create("e", kind, limited(requests_per_minute=6000, **rate))
    return world


@pytest.mark.parametrize("kind", [EMBEDDING, COMPLETION])
def test_the_next_call_waits_for_what_the_last_cost(make_world: MakeWorld, kind: TaskType) -> None:
    """A call that cost half a minute's tokens, however little was expected of it, is paid for by half a minute."""
    world = made(make_world, kind, counting(3000), tokens_per_minute=6000)
    together(world, ask(world, "a"))
    assert world.clock.passed == 0
    together(world, ask(world, "b"))
    assert world.clock.passed == pytest.approx(30, rel=0.1)


@pytest.mark.parametrize("kind", [EMBEDDING, COMPLETION])
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_call_costs_nothing(make_world: MakeWorld, kind: TaskType, status: int) -> None:
    """Providers count no tokens of what they refuse: the next call goes at once."""
    world = made(make_world, kind, in_turn(complaint("no", status)), tokens_per_minute=6000)
    (error,) = together(world, ask(world, "x" * 12_000))
    assert told(error)[0] == status
    world.provider.answer = counting(1)
    together(world, ask(world, "b"))
    assert world.clock.passed < 1


@pytest.mark.parametrize("kind", [COMPLETION, CHAT])
@pytest.mark.parametrize("stream", [False, True])
def test_a_talk_longer_than_a_minute_is_refused(make_world: MakeWorld, kind: TaskType, *, stream: bool) -> None:
    """With the limit and the estimate, before anything is asked: its turn would never come."""
    world = made(make_world, kind, counting(1), tokens_per_minute=1000)
    text = "x" * 9000

    async def asked() -> Any:
        request = InferenceRequest(said(text) if kind is CHAT else (text,))
        if not stream:
            return await world.inferring("e", request)
        return [deltas async for deltas in world.streaming("e", request)]

    (error,) = together(world, asked())
    assert told(error)[0] == 400
    assert "is longer than the [1000] tokens_per_minute of its rate limit" in told(error)[2]
    assert world.provider.calls == []


def test_a_budget_that_is_spent_is_not_asked_again(make_world: MakeWorld) -> None:
    """A provider's 429 that no waiting mends is told at once, and the others of the account need not wait for it."""
    spent = complaint("You exceeded your current quota", 429, type="insufficient_quota", code="insufficient_quota")
    world = made(make_world, EMBEDDING, in_turn(spent))
    (error,) = together(world, ask(world, "a"))
    assert (told(error)[0], len(world.provider.calls), world.clock.passed) == (429, 1, 0)


@pytest.mark.parametrize(
    ("kind", "url"),
    [(EMBEDDING, "https://other.test/v1/embeddings"), (COMPLETION, "https://other.test/v1/chat/completions")],
)
def test_a_service_is_where_the_servers_owner_says(make_world: MakeWorld, kind: TaskType, url: str) -> None:
    """An origin that is set for a service holds for all its endpoints that name no address of their own."""
    world = make_world(counting(1), validate=False, environ={"OPENAI_BASE_URL": "https://other.test/v1"})
    world.create("e", kind, limited())
    together(world, ask(world, "a"))
    assert [call.url for call in world.provider.calls] == [url]
