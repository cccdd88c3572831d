"""What the requests of a caller with limits of its own count for, on their whole walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from batches import ask, counted, limited, limits, right, sent, together, vectors
from world import CHAT, COMPLETION, EMBEDDING, SECRET, Arrived, World, json_reply, openai, told

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.budgets import BUDGETS
from inferpoint.model.caller_limits import CallerLimits
from inferpoint.model.chat import said
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import Caller, InferenceRequest

MakeWorld = Callable[..., World]
PRICE = {"usd_per_million_input_tokens": 1000, "usd_per_million_output_tokens": 2000}


def caller(name: str = "key-1", **most: Any) -> Caller:
    return Caller(name, limits=CallerLimits(**most))


def made(make_world: MakeWorld, answer: Any = vectors, **sections: Any) -> World:
    world = make_world(answer, validate=False)
    world.create("e", EMBEDDING, {**limited(), **sections})
    return world


def used(world: World, name: str = "key-1") -> dict[str, float]:
    """What a caller has used of every budget, whatever it has."""
    return {budget.name: world.spending.used(name, budget) / budget.scale for budget in BUDGETS}


def in_turn(*answers: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
    """*answers* one after the other, the last again and again."""
    left = list(answers)

    def answer(call: Call) -> Reply:
        return (left.pop(0) if len(left) > 1 else left[0])(call)

    return answer


def test_a_request_that_needs_three_calls_is_one_request(make_world: MakeWorld) -> None:
    """Requests a minute are those of the caller, however they are cut; tokens are what the provider counted of all."""
    world = made(make_world)
    limits(world, inputs=1)
    mine = caller(requests_per_minute=1, tokens_per_day=10**6)
    right(
        together(world, ask(world, "a", "bb", "a text that is longer", caller=mine))[0],
        "a",
        "bb",
        "a text that is longer",
    )
    assert len(world.provider.calls) == 3
    assert used(world)["tokens_per_day"] == sum(map(counted, ("a", "bb", "a text that is longer")))
    (error,) = together(world, ask(world, "c", caller=mine, timeout=30))
    assert (error.kind, error.whose_limit) == (Kind.RATE_LIMITED, "key")
    assert "The key [key-1] has [1] requests_per_minute" in told(error)[2]


@pytest.mark.parametrize("most", [{"tokens_per_day": 20}, {"tokens_per_minute": 20}])
def test_a_request_that_could_not_be_made_whole_pays_for_no_part_of_it(
    make_world: MakeWorld, most: dict[str, int]
) -> None:
    """What needs more calls than are left is refused before the first of them; a partial one has what there is."""
    world = made(make_world)
    limits(world, inputs=1)
    texts = [f"a text of several tokens, {number}" for number in range(9)]
    (error,) = together(world, ask(world, *texts, caller=caller(**most), timeout=30))
    assert (error.kind, error.whose_limit) == (Kind.RATE_LIMITED, "key")
    assert next(iter(most)) in told(error)[2]
    assert world.provider.calls == []
    (partly,) = together(world, ask(world, *texts, caller=caller(**most), timeout=30, partial=True))
    assert 0 < len(partly.errors) < len(texts)
    assert {one.whose_limit for one in partly.errors.values()} == {"key"}


def test_what_is_tried_again_is_one_request_and_counted_once(make_world: MakeWorld) -> None:
    """A caller does not pay for what its provider failed at, nor for what it throttled."""
    failing = in_turn(lambda _: Reply(500), lambda _: Reply(429, headers={"retry-after": "1"}), vectors)
    world = made(make_world, failing)
    right(together(world, ask(world, "abc", caller=caller(requests_per_minute=1, tokens_per_day=100)))[0], "abc")
    assert len(world.provider.calls) == 3
    assert used(world)["tokens_per_day"] == counted("abc")


def test_what_is_refused_costs_nothing(make_world: MakeWorld) -> None:
    """A provider that says no is not paid, and so does not use up a budget."""
    world = made(make_world, lambda _: Reply(400))
    (error,) = together(world, ask(world, "abc", caller=caller(tokens_per_day=100)))
    assert told(error)[0] == 400
    assert set(used(world).values()) == {0}


def test_what_the_cache_knows_costs_nothing(make_world: MakeWorld) -> None:
    """A known text is answered when nothing is left of a budget; an unknown one is not."""
    world = made(make_world, cache={})
    text = "a text of a length"
    mine = caller(tokens_per_day=counted(text) + 3)
    for _ in range(3):
        right(together(world, ask(world, text, caller=mine))[0], text)
    assert used(world)["tokens_per_day"] == counted(text)
    (error,) = together(world, ask(world, "another that is longer", caller=mine))
    assert told(error)[0] == 429
    assert sent(world) == [[text]]
    (partly,) = together(world, ask(world, text, "another that is longer", caller=mine, partial=True))
    assert [told(partly.errors[1])[0], 0 in partly.errors] == [429, False]


def chatting(call: Call) -> Reply:
    """An answer of ten tokens to a prompt of fifty, of which the provider knew forty."""
    usage = {"prompt_tokens": 50, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
    if b'"stream":true' in call.body:
        pieces = [
            b'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}\n\n',
            b'data: {"choices": [], "usage": %s}\n\n' % json_reply(usage).body,
            b"data: [DONE]\n\n",
        ]
        return Arrived(200, pieces, {"content-type": "text/event-stream"})  # type: ignore[return-value]
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}
    return json_reply({"id": "1", "model": "m", "choices": [choice], "usage": usage})


@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_costs_what_its_provider_counted(make_world: MakeWorld, stream: bool) -> None:
    """Whole or in pieces: what is sent, what was in the cache and what was written, each at its price, exactly."""
    world = make_world(chatting, validate=False)
    price = {**PRICE, "usd_per_million_cached_tokens": 100}
    world.create("e", COMPLETION, openai(price=price))
    mine = caller(usd_per_day=1, usd_per_month=2)
    if stream:
        world.stream("e", caller=mine)
    else:
        world.infer("e", "hi", caller=mine)
    dollars = (10 * 1000 + 40 * 100 + 10 * 2000) / 10**6
    assert used(world) == {
        "tokens_per_day": 60,
        "tokens_per_month": 60,
        "usd_per_day": dollars,
        "usd_per_month": dollars,
    }
    assert all(world.spending._uses["key-1"][budget.period].open == (0, 0) for budget in BUDGETS)


def test_a_budget_in_dollars_needs_a_price(make_world: MakeWorld) -> None:
    """An endpoint of which nobody said what it costs is not called for such a key, before its provider is asked."""
    world = made(make_world)
    (error,) = together(world, ask(world, "abc", caller=caller(usd_per_month=5)))
    assert told(error)[0] == 403
    assert "the endpoint [e] has no [price]" in told(error)[2]
    assert not world.provider.calls
    world.update("e", {"price": PRICE})
    together(world, ask(world, "abc", caller=caller(usd_per_month=5)))
    assert used(world)["usd_per_month"] == counted("abc") / 1000


def test_one_callers_budget_is_not_anothers(make_world: MakeWorld) -> None:
    """Who has used its own up is refused, who has not is answered, and who has none is not counted."""
    world = made(make_world)
    first, second = caller("first", tokens_per_day=1), caller("second", tokens_per_day=50)
    found = together(world, *(ask(world, "some text", caller=one) for one in (first, second, Caller("third"))))
    assert isinstance(found[0], InferenceError)
    right(found[1], "some text")
    right(found[2], "some text")
    assert [used(world, name)["tokens_per_day"] for name in ("first", "second", "third")] == [
        0,
        counted("some text"),
        0,
    ]


def test_a_request_that_waits_for_its_callers_turn_keeps_its_timeout(make_world: MakeWorld) -> None:
    """What waits for the caller's own limit is part of the time that a request has, and is answered in it."""
    world = made(make_world)
    mine = caller(requests_per_minute=6)
    found = together(world, *(ask(world, f"text {n}", caller=mine, timeout=25) for n in range(9)))
    assert [isinstance(one, InferenceError) for one in found] == [False] * 8 + [True]
    assert world.clock.passed == pytest.approx(20)


def test_counting_tokens_is_a_request_that_costs_nothing(make_world: MakeWorld) -> None:
    """Who has nothing left may still ask a provider how long a prompt is, as often as it may ask in a minute."""
    world = make_world(lambda _: json_reply({"input_tokens": 7}), validate=False)
    settings = {"api_key": SECRET, "model_id": "claude-sonnet-4-5"}
    world.create("e", CHAT, {"service": "anthropic", "service_settings": settings, "task_settings": {"max_tokens": 9}})
    mine = caller(requests_per_minute=1, tokens_per_day=1)
    request = InferenceRequest(said("hello, how are you?"), caller=mine, timeout=10)
    resolved = world.engine.find(mine, "e")
    assert world.run(world.engine.count(resolved, request)) == 7
    assert used(world)["tokens_per_day"] == 0
    with pytest.raises(InferenceError, match="requests_per_minute"):
        world.run(world.engine.count(resolved, request))
