"""What becomes of a call that fails, is told to wait or comes too late: when it is tried again, and at whose cost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from clock import on_a_loop, settle
from ways import BUSY, CUT, LIMITED, OK, Way
from world import HANG, Arrived

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.quota import Lane, Rate

ONE_A_SECOND = Rate(60)


@pytest.fixture
def _longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses without luck: each is as long as it may be."""
    monkeypatch.setattr("random.uniform", lambda _low, high: high)


def to(name: str, host: str = "a") -> dict[str, object]:
    """What sends a call that a test knows again by its *name*."""
    return {"prepare": lambda: Call(f"https://{host}.test/{name}")}


def spend_all(way: Way) -> None:
    """Leave the rate group nothing of its budget for retries."""
    while way.budgets.spend("g"):
        pass


@pytest.mark.parametrize("refusal", [Reply(429, headers={"retry-after": "10"}), Reply(503), CUT])
@on_a_loop
async def test_a_retry_goes_before_its_callers_calls_that_wait_already(refusal: Reply | InferenceError) -> None:
    """A call that had a turn does not wait once more behind all that came after it."""
    way = Way(refusal, OK)
    tried = way.sending(rate=ONE_A_SECOND, **to("tried"))
    for number in range(20):
        way.sending(rate=ONE_A_SECOND, **to(f"other {number}"))
    await way.clock.advance(16)
    assert tried.done()
    assert "tried" in way.sent[1:5]
    await way.clock.advance(60)


@pytest.mark.usefixtures("_longest_pauses")
def test_pauses_of_a_group_begin_anew_once_a_call_was_taken() -> None:
    """One, two and four seconds while nothing is taken; after a call that was, the next pause is one second again."""
    way = Way(LIMITED, LIMITED, LIMITED, OK, LIMITED, OK)
    way.send()
    assert way.clock.passed == pytest.approx(7)
    way.send()
    assert way.clock.passed == pytest.approx(8)


@on_a_loop
async def test_who_was_overtaken_until_too_late_is_refused_unsent_and_unpaid() -> None:
    """When the turn comes after the deadline nothing is sent, and the next has the turn at once."""
    way = Way(OK)
    rate = Rate(6, tokens=60)
    await way.outbound.send(way.outgoing(rate=rate, **to("first")))
    late = way.sending(rate=rate, lane=Lane.INGEST, seconds=15, tokens=600, **to("late"))
    await settle()
    searches = [way.sending(rate=rate, lane=Lane.SEARCH, **to(f"search {number}")) for number in range(2)]
    await way.clock.advance(20)
    error = late.exception()
    assert isinstance(error, InferenceError)
    assert (error.kind, error.whose_limit) == (Kind.RATE_LIMITED, "ours")
    assert way.sent == ["first", "search 0", "search 1"]
    assert all(each.done() for each in searches)


@on_a_loop
async def test_what_joined_a_call_as_its_turn_came_is_charged() -> None:
    """A call is closed when its turn has come: the tokens that it holds then hold up the next, not those of before."""
    way = Way(OK)
    rate = Rate(tokens=600)
    inputs = [100]

    def prepare() -> Call:
        inputs.append(300)
        return Call("https://a.test/")

    await way.outbound.send(way.outgoing(rate=rate, tokens=lambda: sum(inputs), prepare=prepare))
    following = way.sending(rate=rate)
    await way.clock.advance(39)
    assert not following.done()
    await way.clock.advance(1)
    assert following.done()


@on_a_loop
async def test_who_waited_for_a_broken_address_does_not_wait_for_the_queue_again() -> None:
    """A turn that an open breaker made useless is not the last: when the address is tried the call goes first."""
    way = Way(answer=lambda call: Reply(500) if call.url.endswith("broken") else OK)
    for _ in range(5):
        await way.outbound.send(way.outgoing(**to("broken")))
    waiting = way.sending(rate=ONE_A_SECOND, **to("waiting"))
    for number in range(20):
        way.sending(rate=ONE_A_SECOND, **to(f"other {number}", host="b"))
    await way.clock.advance(5)
    assert waiting.done()
    assert "waiting" in way.sent[5:9]
    await way.clock.advance(60)


@pytest.mark.parametrize(
    ("lane", "failures", "answer"),
    [(Lane.SEARCH, 3, BUSY), (Lane.OTHER, 3, BUSY), (Lane.INGEST, 3, OK), (Lane.INGEST, 8, OK)],
)
def test_what_is_ingested_is_tried_until_its_deadline(lane: Lane, failures: int, answer: Reply) -> None:
    """The third failure is the answer where somebody waits for it; a document is tried again while there is time."""
    way = Way(*[BUSY] * failures, OK)
    assert way.send(lane=lane, seconds=1000) == answer
    assert len(way.sent) == failures + (answer is OK)


def test_what_is_ingested_is_answered_by_its_deadline() -> None:
    """A provider that fails for longer than that is handed on as it is."""
    way = Way(CUT)
    with pytest.raises(InferenceError):
        way.send(lane=Lane.INGEST, seconds=100)
    assert len(way.sent) > 3
    assert way.clock.passed <= 100


@pytest.mark.parametrize(("lane", "answer"), [(Lane.OTHER, BUSY), (Lane.INGEST, OK)])
def test_what_is_ingested_waits_for_the_budget(lane: Lane, answer: Reply) -> None:
    """Where no retry is left at the moment, a document waits until there is one; nobody else does."""
    way = Way(BUSY, OK)
    spend_all(way)
    assert way.send(lane=lane) == answer
    assert (way.clock.passed >= 9) is (answer is OK)


def test_a_provider_that_fails_takes_no_retries_from_its_neighbours() -> None:
    """Each rate group has a budget of its own."""
    way = Way(BUSY, BUSY, OK)
    spend_all(way)
    assert way.send() == BUSY
    assert way.send(group="neighbour") == OK


@on_a_loop
async def test_tries_of_a_failing_address_cost_no_budget() -> None:
    """What a breaker lets through one at a time adds no load: it is tried again also when the budget is empty."""
    way = Way(*[Reply(500)] * 5, BUSY, OK)
    for _ in range(5):
        await way.outbound.send(way.outgoing())
    spend_all(way)
    assert (await way.clock.drive(way.outbound.send(way.outgoing())))[0] == OK
    assert way.clock.passed < 9


async def failing(way: Way, **more: object) -> str:
    """The state of the only address, after five calls to it one after the other."""
    for _ in range(5):
        with suppress(InferenceError):
            await way.outbound.send(way.outgoing(final=lambda _: True, **more))
    return way.states["g"]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        *[(Reply(status), "open") for status in (500, 502, 503, 504, 529)],
        *[(Reply(status), "closed") for status in (200, 304, 400, 401, 404, 408, 413, 422, 429, 501, 505)],
        (CUT, "open"),
        (InferenceError(Kind.INVALID, "no"), "closed"),
    ],
    ids=str,
)
@on_a_loop
async def test_an_address_is_left_alone_for_failures_of_its_provider_only(
    answer: Reply | InferenceError, state: str
) -> None:
    """Five answers that say it is overloaded or out of order, or no answer: not a refusal, and not our own mistake."""
    assert await failing(Way(answer), seconds=0) == state


@pytest.mark.parametrize(("url", "state"), [("https://a.test/", "open"), ("local:text_embedding", "closed")])
@on_a_loop
async def test_a_model_of_our_own_is_not_left_alone_for_being_slow(url: str, state: str) -> None:
    """Deadlines that pass are failures of a provider; a model in this process has just much to do."""
    way = Way(OK)

    async def send(_call: Call) -> None:
        await asyncio.get_running_loop().create_future()

    way.provider.send = send
    tasks = [way.sending(seconds=6, prepare=lambda: Call(url)) for _ in range(5)]
    await way.clock.advance(6)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert way.states == {"g": state, "": "closed"}


@pytest.mark.parametrize("since", ["it is tried", "it is waited for"])
@on_a_loop
async def test_a_failing_address_is_not_forgotten_while_somebody_is_busy_with_it(since: str) -> None:
    """Minutes later one call at most is on its way, whether that takes so long or the machine stood still meanwhile."""
    way = Way(*[Reply(500)] * 5, Arrived(200, [HANG]))
    for _ in range(5):
        await way.outbound.send(way.outgoing())
    tasks = [way.sending(seconds=None)]
    if since == "it is tried":
        await way.clock.advance(400)
    else:
        await settle()
        way.clock.jump(400)
    tasks.append(way.sending(seconds=None))
    await way.clock.advance(1)
    assert len(way.sent) == 6
    assert way.states == {"g": "half_open", "": "closed"}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("lane", [Lane.SEARCH, Lane.OTHER])
@on_a_loop
async def test_all_who_wait_for_a_provider_that_throttles_hear_so_soon(lane: Lane) -> None:
    """Nobody is held up by the pauses that others were told: who comes, and who had a turn, hears it in time."""
    way = Way(LIMITED)
    began: dict[asyncio.Task[Any], float] = {}
    took: list[float] = []
    for _ in range(40):
        task = way.sending(seconds=50, lane=lane)
        began[task] = way.clock.passed
        task.add_done_callback(lambda task: took.append(way.clock.passed - began[task]))
        await way.clock.advance(1)
    await way.clock.advance(10)
    assert len(took) == 40
    assert max(took) <= 10
    errors = [error for task in began if (error := task.exception()) is not None]
    statuses = {task.result()[0].status for task in began if task.exception() is None}
    assert statuses == {429}
    assert all(isinstance(error, InferenceError) and error.whose_limit == "provider" for error in errors)


@on_a_loop
async def test_what_is_ingested_waits_for_any_pause() -> None:
    """A document that comes while the provider asks to wait is sent once it does not."""
    way = Way(Reply(429, headers={"retry-after": "40"}), OK)
    tasks = [way.sending(lane=Lane.INGEST)]
    await way.clock.advance(1)
    tasks += [way.sending(lane=Lane.INGEST), way.sending(lane=Lane.OTHER)]
    await settle()
    assert [task.done() for task in tasks] == [False, False, True]
    await way.clock.advance(45)
    assert [task.result()[0] for task in tasks[:2]] == [OK, OK]


@on_a_loop
async def test_who_was_told_to_wait_hears_the_providers_words_when_others_are_told_to_wait_longer() -> None:
    """The refusal that a call had is its answer, with the pause of its queue, when that gets too long for it."""
    way = Way(Reply(429, b"slow down"))
    waiting = way.sending(lane=Lane.OTHER)
    await settle()
    assert not waiting.done()
    way.limiter.pause("g", 30, "")
    await settle()
    assert waiting.result()[0] == Reply(429, b"slow down", {"retry-after": "30"})
