from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from clock import FakeClock, settle
from world import EMBEDDING, HANG, Arrived, World, body, hugging_face, json_reply, openai, told

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.inference import Caller, Cutting, Embeddings, InferenceRequest, InputType, Tokens
from inferpoint.protocols.service import Limits

MakeWorld = Callable[..., World]
Asked = Coroutine[Any, Any, Any]


def mark(text: Any) -> int:
    """What tells one input from another in its vector."""
    return zlib.crc32(repr(text).encode("utf-8", "surrogatepass")) % 1_000_000


def counted(text: Any) -> int:
    """The tokens of an input, as our provider counts them: a quarter of the bytes, and one."""
    return len(text.encode()) // 4 + 1 if isinstance(text, str) else len(text)


def vectors(call: Call) -> Reply:
    """A vector for each input, that tells which it was of, and the tokens of all."""
    given = body(call)["input"]
    tokens = sum(map(counted, given))
    return json_reply(
        {
            "data": [{"index": place, "embedding": [mark(text)]} for place, text in enumerate(given)],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def complaint(words: str, status: int = 400, **more: str) -> Reply:
    return json_reply({"error": {"message": words, **more}}, status)


class Late(Arrived):
    """A reply whose body takes some time."""

    def __init__(self, clock: FakeClock, seconds: float, reply: Reply) -> None:
        super().__init__(reply.status, [reply.body], reply.headers)
        self._clock = clock
        self._seconds = seconds

    async def pieces(self) -> AsyncIterator[bytes]:
        await self._clock.sleep(self._seconds)
        async for piece in super().pieces():
            yield piece


def limited(**rate: int) -> dict[str, Any]:
    """The configuration of an endpoint with such a rate limit: without one, far more than any test asks for."""
    return openai({"rate_limit": rate or {"requests_per_minute": 10**9, "burst": 10**6}})


ONE_A_SECOND = limited(requests_per_minute=60)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world whose endpoint `e` may call once a second."""
    made = make_world(vectors, validate=False)
    made.create("e", EMBEDDING, ONE_A_SECOND)
    return made


def ask(world: World, *texts: str, endpoint: str = "e", **more: Any) -> Asked:
    return world.engine.infer(endpoint, InferenceRequest(texts, **{"timeout": 10**6, **more}))


def together(world: World, *asked: Asked) -> list[Any]:
    """What becomes of all that are asked at once; afterwards nothing may be left."""

    async def all_of_them() -> list[Any]:
        found = await asyncio.gather(*asked, return_exceptions=True)
        await settle()
        assert len(asyncio.all_tasks()) == 2  # this one, and the one that drives the clock
        return found

    found = world.run(all_of_them())
    nothing_is_left(world)
    return found


def nothing_is_left(world: World) -> None:
    assert (world.limiter.waiting(), world.clock.alarms) == (0, 0)
    assert world.engine._batching._pools == {}


def sent(world: World) -> list[Any]:
    """The inputs of every call so far."""
    return [body(call)["input"] for call in world.provider.calls]


def marks(found: Any) -> list[int]:
    assert isinstance(found, Embeddings), found
    return [json.loads(bytes(vector))[0] for vector in found.vectors]


def right(found: Any, *texts: Any) -> None:
    """That *found* are the vectors of *texts*, in order."""
    assert marks(found) == list(map(mark, texts))


def limits(world: World, **most: int) -> None:
    """Have calls of `e` hold no more than that."""
    resolved = world.endpoints.find("e")
    task = replace(resolved.task, limits=lambda _: Limits(**most))
    world.endpoints._resolved["e"] = replace(resolved, task=task)


# Packing


def test_calls_are_filled_in_order(world: World) -> None:
    """As full as inputs, tokens and bytes allow, and no fuller; vectors come in the order of their texts."""
    texts = [f"{number:05}" + "x" * (number * 7 % 300) for number in range(1000)]
    for most in ({"inputs": 96}, {"tokens": 2000}, {"bytes": 5000}, {"inputs": 30, "tokens": 2000, "bytes": 4000}):
        world.update("e", {"aliases": [f"a{len(world.provider.calls)}"]})
        limits(world, **most)
        world.provider.calls.clear()
        (found,) = together(world, ask(world, *texts))
        right(found, *texts)
        calls = sent(world)
        assert [text for call in calls for text in call] == texts
        for call in calls:
            assert len(call) <= most.get("inputs", 1000)
            assert sum(map(counted, call)) <= most.get("tokens", 10**9) * 0.95
            assert sum(map(len, call)) <= most.get("bytes", 10**9) * 0.95
        ideal = max(
            len(texts) / most.get("inputs", 10**9),
            sum(map(counted, texts)) / most.get("tokens", 10**9),
            sum(map(len, texts)) / most.get("bytes", 10**9),
        )
        assert len(calls) <= ideal * 1.3 + 1


def test_token_arrays_are_packed_exactly(make_world: MakeWorld) -> None:
    """Their tokens are known: calls are filled to the last that is allowed."""
    world = make_world(vectors, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    limits(world, tokens=1000)
    arrays = tuple((number, *range(9)) for number in range(950))
    (found,) = together(world, world.engine.infer("e", InferenceRequest(Tokens(arrays), timeout=10**6)))
    right(found, *map(list, arrays))
    assert [len(call) for call in sent(world)] == [95] * 10
    assert found.usage.input == 9500


def test_no_call_takes_more_than_a_seconds_tokens(make_world: MakeWorld) -> None:
    """So that who comes next need not wait; a single longer text goes alone."""
    world = make_world(vectors, validate=False)
    world.create("e", EMBEDDING, limited(requests_per_minute=6000, tokens_per_minute=60_000))
    texts = [f"{number:04}" * 20 for number in range(500)]
    long = "y" * 40_000
    right(together(world, ask(world, *texts, long))[0], *texts, long)
    assert all(sum(map(counted, call)) <= 1000 for call in sent(world)[:-1])
    assert sent(world)[-1] == [long]
    used = sum(sum(map(counted, call)) for call in sent(world)[:-1])
    assert world.clock.passed == pytest.approx(used / 1000, rel=0.25)


def test_a_text_longer_than_a_minute_is_refused(make_world: MakeWorld) -> None:
    """With the limit and the estimate, before anything is asked; which one it is of several is said."""
    world = make_world(vectors, validate=False)
    world.create("e", EMBEDDING, limited(requests_per_minute=60, tokens_per_minute=100))
    problem = "An input of about [334] tokens is longer than the [100] tokens_per_minute of its rate limit"
    alone, among = (together(world, ask(world, *texts))[0] for texts in (["x" * 1000], ["a", "b", "x" * 1000]))
    assert told(alone)[0] == 400
    assert told(alone)[2].endswith(problem)
    assert (told(among)[0], told(among)[2]) == (400, f"Input [2]: {problem}")
    assert world.provider.calls == []


# Refusals of calls that hold too much


class Capped:
    """A provider that refuses calls of more than *inputs* or *tokens*, in the words of one of several kinds."""

    def __init__(self, kind: str, inputs: int = 10**9, tokens: int = 10**9) -> None:
        self.kind = kind
        self.inputs = inputs
        self.tokens = tokens
        self.refused = 0

    def __call__(self, call: Call) -> Reply:
        given = body(call)["input"]
        tokens = sum(map(counted, given))
        if len(given) <= self.inputs and tokens <= self.tokens:
            return vectors(call)
        self.refused += 1
        return REFUSALS[self.kind](len(given), tokens, self)


REFUSALS: dict[str, Callable[[int, int, Capped], Reply]] = {
    "openai-tokens": lambda _, tokens, cap: complaint(
        f"Invalid 'input': requested {tokens} tokens, max {cap.tokens} tokens per request",
        type="max_tokens_per_request",
        code="max_tokens_per_request",
    ),
    "openai-inputs": lambda inputs, _, cap: complaint(
        f"Invalid 'input': array too long. Expected an array with maximum length {cap.inputs}, but got an array with"
        f" length {inputs} instead.",
        code="array_above_max_length",
    ),
    "tei-inputs": lambda inputs, _, cap: complaint(
        f"batch size {inputs} > maximum allowed batch size {cap.inputs}", 422
    ),
    "cohere-inputs": lambda inputs, _, cap: complaint(
        f"invalid request: total number of texts must be at most {cap.inputs} - received {inputs}"
    ),
    "vllm-tokens": lambda _, __, ___: complaint("This model's maximum context length is exceeded by the input"),
    "plain-tokens": lambda _, __, ___: Reply(413, b"<html>Request Entity Too Large</html>"),
}
STATED = ("openai-tokens", "openai-inputs", "tei-inputs", "cohere-inputs")


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_call_is_made_smaller_and_nobody_sees_it(make_world: MakeWorld, kind: str) -> None:
    """What the provider takes is found in few calls, kept to by all later requests, and nearly used up."""
    provider = Capped(kind, **({"inputs": 100} if kind.endswith("inputs") else {"tokens": 2500}))
    world = make_world(provider, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    texts = [f"{number:05}" * 20 for number in range(6000)]
    right(together(world, ask(world, *texts))[0], *texts)
    assert provider.refused <= (2 if kind in STATED else 14)
    provider.refused = 0
    world.provider.calls.clear()
    right(together(world, ask(world, *texts, caller=Caller("other")))[0], *texts)
    assert provider.refused == 0
    assert len(world.provider.calls) <= 6000 / (100 if kind.endswith("inputs") else 2500 / 26) * 1.25


def test_a_changed_endpoint_learns_anew(make_world: MakeWorld) -> None:
    """It may be another model: what the old version's calls might hold says nothing."""
    provider = Capped("openai-inputs", inputs=10)
    world = make_world(provider, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    texts = [str(number) for number in range(100)]
    together(world, ask(world, *texts))
    provider.inputs = 1000
    world.update("e", {"service_settings": {"api_key": "other"}})
    world.provider.calls.clear()
    together(world, ask(world, *texts))
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize("count", [1, 3, 3000])
def test_a_provider_that_takes_nothing_ends_in_an_error(
    make_world: MakeWorld, kind: str, count: int, *, partial: bool
) -> None:
    """After a bounded number of calls; in a partial request each input has it."""
    provider = Capped(kind, inputs=0, tokens=0)
    world = make_world(provider, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    (found,) = together(world, ask(world, *map(str, range(count)), partial=partial))
    assert len(world.provider.calls) <= 40
    if partial:
        assert sorted(found.errors) == list(range(count))
    else:
        assert found.upstream.status in (400, 413, 422)


@pytest.mark.parametrize("kind", ["openai-tokens", "vllm-tokens", "plain-tokens"])
@pytest.mark.parametrize("place", [0, 333, 999])
def test_one_text_too_long_does_not_shrink_calls_for_ever(make_world: MakeWorld, kind: str, place: int) -> None:
    """It alone has the error, and later calls are as large as they were."""
    provider = Capped(kind, tokens=30_000)
    world = make_world(provider, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    texts = [f"{number:05}" * 20 for number in range(1000)]
    texts[place] = "long" * 40_000
    (found,) = together(world, ask(world, *texts, partial=True))
    assert list(found.errors) == [place]
    assert found.errors[place].upstream.status in (400, 413)
    assert len(world.provider.calls) <= 40
    texts[place] = "short"
    world.provider.calls.clear()
    right(together(world, ask(world, *texts))[0], *texts)
    assert len(world.provider.calls) == 1


# One input at fault


def faulty(*bad: str) -> Callable[[Call], Reply]:
    def answer(call: Call) -> Reply:
        wrong = [text for text in body(call)["input"] if text in bad]
        return complaint("an input is not valid") if wrong else vectors(call)

    return answer


@pytest.mark.parametrize("bad", [[0], [2047], [1000], [0, 1], [0, 2], [5, 1999], [1022, 1023, 1024]])
def test_an_input_at_fault_is_found_among_many(world: World, bad: Sequence[int]) -> None:
    """Wherever it is; in a partial request all others have their vectors."""
    texts = [str(number) for number in range(2048)]
    world.provider.answer = faulty(*(texts[place] for place in bad))
    (found,) = together(world, ask(world, *texts, partial=True))
    assert sorted(found.errors) == sorted(bad)
    assert marks(replace(found, vectors=[v for v in found.vectors if v is not None])) == [
        mark(text) for place, text in enumerate(texts) if place not in bad
    ]
    world.provider.calls.clear()
    (error,) = together(world, ask(world, *texts))
    assert told(error)[2].startswith(f"Input [{bad[0]}]: ")
    assert len(world.provider.calls) < 40


def test_an_input_at_fault_is_its_own_requests(world: World) -> None:
    """Those who travelled with it have their vectors."""
    world.provider.answer = faulty("bad")
    found = together(world, *(ask(world, *texts) for texts in ("a", "b", ("c", "bad"), "d", ("bad",), "e")))
    right(found[1], "b")
    assert [isinstance(each, InferenceError) for each in found] == [False, False, True, False, True, False]
    assert told(found[2])[2].startswith("Input [1]: ")
    assert not told(found[4])[2].startswith("Input")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500])
def test_an_error_that_is_nobodys_fault_reaches_all(world: World, status: int) -> None:
    """After a bounded number of calls, for each who waited."""
    world.provider.answer = lambda _: complaint("no", status)
    found = together(world, *(ask(world, f"{number}") for number in range(200)))
    assert all(each.upstream.status == status for each in found)
    assert len(world.provider.calls) <= 40


# Merging


def test_who_has_to_wait_shares_a_call(world: World) -> None:
    """Those who ask in the same moment go together at once; each has its own, and its part of the cost."""
    found = together(world, *(ask(world, f"text {number}", "same") for number in range(100)))
    for number, each in enumerate(found):
        right(each, f"text {number}", "same")
    assert [len(call) for call in sent(world)] == [101]
    assert world.clock.passed == 0
    assert sum(each.usage.input for each in found) == sum(map(counted, sent(world)[0]))


def test_usage_adds_up_over_calls(world: World) -> None:
    """Whoever shared what with whom: all that was paid for is told to somebody, once."""
    limits(world, inputs=7)
    requests = [[f"{number * step % 40}" * 9 for number in range(1, 12)] for step in range(1, 12)]
    found = together(world, *(ask(world, *texts) for texts in requests))
    for texts, each in zip(requests, found, strict=True):
        right(each, *texts)
    assert sum(each.usage.input for each in found) == sum(sum(map(counted, call)) for call in sent(world))
    assert len({text for call in sent(world) for text in call}) == sum(map(len, sent(world)))


def test_nobody_waits_in_order_to_share(make_world: MakeWorld) -> None:
    """Where there is room calls go at once: no time passes."""
    world = make_world(vectors, validate=False)
    world.create("e", EMBEDDING, limited())

    async def one_by_one() -> None:
        for number in range(5):
            right(await ask(world, f"{number}"), f"{number}")

    world.run(one_by_one())
    assert (len(world.provider.calls), world.clock.passed) == (5, 0)


def test_no_more_wait_than_calls_are_needed(world: World) -> None:
    """A full queue of small requests is one call after the other, each as full as may be."""
    limits(world, inputs=50)
    found = together(world, *(ask(world, f"{number}") for number in range(1000)))
    assert all(isinstance(each, Embeddings) for each in found)
    assert [len(call) for call in sent(world)] == [50] * 20
    assert world.clock.passed == pytest.approx(19)


def test_what_differs_never_shares_a_call(world: World) -> None:
    """Endpoints, options, purposes, callers, texts and tokens: each group has a call of its own."""
    world.create("f", EMBEDDING, ONE_A_SECOND)
    kinds: dict[str, Callable[[str], Asked]] = {
        "plain": lambda text: ask(world, text),
        "endpoint": lambda text: ask(world, text, endpoint="f"),
        "options": lambda text: ask(world, text, options={"user": "u"}),
        "others": lambda text: ask(world, text, options={"user": "v"}),
        "search": lambda text: ask(world, text, input_type=InputType.SEARCH),
        "ingest": lambda text: ask(world, text, input_type=InputType.INGEST),
        "caller": lambda text: ask(world, text, caller=Caller("eve")),
    }
    asked = [(f"{kind} {number}", make) for number in range(5) for kind, make in kinds.items()]
    tokens = [world.engine.infer("e", InferenceRequest(Tokens(((number,),)), timeout=10**6)) for number in range(5)]
    found = together(world, *(make(text) for text, make in asked), *tokens)
    for (text, _), each in zip(asked, found, strict=False):
        right(each, text)
    calls = sent(world)
    assert len(calls) == len(kinds) + 1
    assert sorted(len({str(text).split(" ")[0] for text in call}) for call in calls if isinstance(call[0], str)) == [
        1
    ] * len(kinds)
    assert sorted(body(call).get("user", "") for call in world.provider.calls) == [""] * 6 + ["u", "v"]


def test_an_update_is_not_shared_with_those_who_came_before(world: World) -> None:
    """Who waits since before has the old version's answer, by the old version's key."""

    async def both() -> list[Any]:
        before = asyncio.ensure_future(ask(world, "a"))
        await settle()
        waiting = asyncio.ensure_future(ask(world, "old"))
        await settle()
        assert world.limiter.waiting() == 1
        await world.engine.lifecycle.update(Caller("me"), "e", {"service_settings": {"api_key": "new"}}, kind=None)
        return await asyncio.gather(before, waiting, ask(world, "new"))

    for each, text in zip(world.run(both()), ("a", "old", "new"), strict=True):
        right(each, text)
    assert sorted(map(tuple, sent(world))) == [("a",), ("new",), ("old",)]
    keys = {text: call.headers["authorization"] for call in world.provider.calls for text in body(call)["input"]}
    assert keys["old"] == keys["a"] != keys["new"] == "Bearer new"


# Who leaves, and when


async def all_of(*asked: Any) -> list[Any]:
    return await asyncio.gather(*asked, return_exceptions=True)


async def leaving(world: World, *tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def asking(world: World, *texts: str, **more: Any) -> asyncio.Task[Any]:
    return asyncio.ensure_future(ask(world, *texts, **more))


def test_who_leaves_does_not_take_others_along(world: World) -> None:
    """Neither while all wait nor while their call is on its way; what only they wanted is not sent."""
    world.provider.answer = lambda call: Late(world.clock, 5, vectors(call))

    async def some_leave() -> list[Any]:
        first = asking(world, "first")
        await settle()
        waiting = [asking(world, f"{number}", "shared") for number in range(6)]
        await settle()
        await leaving(world, *waiting[:2])
        await world.clock.advance(1.5)
        await leaving(world, waiting[2])
        return await world.clock.drive(all_of(first, *waiting[3:]))

    for each, texts in zip(
        asyncio.run(some_leave()), (["first"], *([f"{n}", "shared"] for n in (3, 4, 5))), strict=True
    ):
        right(each, *texts)
    assert [set(call) for call in sent(world)] == [{"first"}, {"shared", "2", "3", "4", "5"}]
    nothing_is_left(world)


@pytest.mark.parametrize("when", [0.0, 0.5, "just before", "just after", 1.5])
def test_the_last_who_leaves_ends_the_call(world: World, when: Any) -> None:
    """In the queue, in the instant of its turn or on its way; the place is given back and nothing stays."""
    open_ones: list[Arrived] = []

    def never(_call: Call) -> Arrived:
        open_ones.append(Arrived(200, [b"{", HANG]))
        return open_ones[-1]

    async def all_leave() -> None:
        await ask(world, "before")
        world.provider.answer = never
        turn, waiting = world.clock.monotonic() + 1, list[asyncio.Task[Any]]()

        def leave() -> None:
            for task in waiting:
                task.cancel()

        if when == "just before":  # alarms of one moment go off in the order in which they were set
            world.clock.at(turn, leave)
        waiting += [asking(world, f"{number}", "shared") for number in range(3)]
        await settle()
        if when == "just after":
            world.clock.at(turn, leave)
        await world.clock.advance(1.0 if isinstance(when, str) else when)
        await leaving(world, *waiting)
        await settle()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(all_leave())
    nothing_is_left(world)
    assert all(each.closed for each in open_ones)
    assert len(world.provider.calls) == (2 if when in ("just after", 1.5) else 1)


def test_a_place_that_is_given_back_is_used(world: World) -> None:
    """Who asks after everyone left waits no longer than if they had never come."""

    async def after_them() -> None:
        await ask(world, "before")
        waiting = [asking(world, f"{number}") for number in range(3)]
        await settle()
        await leaving(world, *waiting)
        right(await world.clock.drive(ask(world, "after")), "after")

    asyncio.run(after_them())
    assert world.clock.passed == pytest.approx(1)
    assert sent(world) == [["before"], ["after"]]


@pytest.mark.parametrize("first", [True, False])
def test_who_comes_in_the_instant_of_the_turn_is_served(world: World, *, first: bool) -> None:
    """On that call or on the next: none is lost, none is asked for twice."""
    found: list[asyncio.Task[Any]] = []

    async def in_that_instant() -> list[Any]:
        await ask(world, "before")
        turn = world.clock.monotonic() + 1
        if first:
            world.clock.at(turn, lambda: found.append(asking(world, "b", "a")))
        found.append(asking(world, "a"))
        await settle()
        if not first:
            world.clock.at(turn, lambda: found.append(asking(world, "b", "a")))
        await world.clock.advance(1)
        return await world.clock.drive(all_of(*found))

    a, b = asyncio.run(in_that_instant())
    right(a, "a")
    right(b, "b", "a")
    assert sent(world) == ([["before"], ["a", "b"]] if first else [["before"], ["a"], ["b"]])
    nothing_is_left(world)


def test_whose_time_is_up_is_told_alone(world: World) -> None:
    """Those on the same call who wait longer are answered."""

    async def both() -> list[Any]:
        free = asyncio.get_running_loop().create_future()

        class Held(Arrived):
            async def pieces(self) -> AsyncIterator[bytes]:
                await free
                async for piece in super().pieces():
                    yield piece

        world.provider.answer = lambda call: Held(200, [vectors(call).body])
        short, long = asking(world, "a", "b", timeout=0.05), asking(world, "b", "c", timeout=10**6)
        partial = asking(world, "c", "d", timeout=0.05, partial=True)
        found = await asyncio.gather(short, partial, return_exceptions=True)
        free.set_result(None)
        return [*found, await long]

    short, partial, long = world.run(both())
    assert short.kind is Kind.TIMED_OUT
    assert [partial.errors[place].kind for place in (0, 1)] == [Kind.TIMED_OUT] * 2
    right(long, "b", "c")
    assert len(world.provider.calls) == 1
    nothing_is_left(world)


@pytest.mark.parametrize("timeout", [0, -1, -(10.0**300)])
def test_who_has_no_time_is_not_asked_for(world: World, timeout: float) -> None:
    """Too late is too late: at once, and the provider sees nothing."""
    for error in together(world, ask(world, "a", timeout=timeout), ask(world, *map(str, range(9999)), timeout=timeout)):
        assert error.kind is Kind.TIMED_OUT
    assert world.provider.calls == []


@pytest.mark.parametrize("timeout", [10.0**9, 10.0**300, float("inf")])
def test_who_has_all_the_time_waits(world: World, timeout: float) -> None:
    """However long."""
    for found in together(world, *(ask(world, f"{number}", timeout=timeout) for number in range(3))):
        assert isinstance(found, Embeddings)


def test_what_cannot_be_in_time_is_refused_at_once(world: World) -> None:
    """Before any of its calls is made; what is shorter still goes, and what others wait for does not count twice."""
    limits(world, inputs=10)

    async def asked() -> list[Any]:
        patient = asking(world, *map(str, range(100)))
        await settle()
        asked = (
            ask(world, *(f"x{number}" for number in range(310)), timeout=30),
            ask(world, "y", timeout=5),
            ask(world, "99", "y", timeout=30),
        )
        return await world.clock.drive(all_of(*asked, patient))

    many, soon, later, patient = asyncio.run(asked())
    for error in (many, soon):
        assert (error.kind, error.whose_limit) == (Kind.RATE_LIMITED, "ours")
        assert error.retry_after > 0
    right(later, "99", "y")
    right(patient, *map(str, range(100)))
    assert not any(text.startswith("x") for call in sent(world) for text in call)
    nothing_is_left(world)


# The same text more than once


def test_the_same_text_is_asked_for_once(world: World) -> None:
    """Many callers' at the same time, one list's too; each place has its vector."""
    world.provider.answer = lambda call: Late(world.clock, 3, vectors(call))

    async def ten() -> list[Any]:
        first = [asking(world, "a", "b", "a") for _ in range(5)]
        await settle()
        await world.clock.advance(1)  # while the call is on its way
        return await world.clock.drive(all_of(*first, *(asking(world, "b", "a") for _ in range(5))))

    found = asyncio.run(ten())
    for each in found[:5]:
        right(each, "a", "b", "a")
    for each in found[5:]:
        right(each, "b", "a")
    assert sent(world) == [["a", "b"]]
    assert sum(each.usage.input for each in found) == 2


def test_what_failed_is_asked_for_again(world: World) -> None:
    """An error is of those who waited for it, not of those who come later."""
    world.provider.answer = faulty("a")
    found = together(world, *(ask(world, "a") for _ in range(10)))
    assert {told(each)[0] for each in found} == {400}
    assert len(world.provider.calls) == 1
    world.provider.answer = vectors
    right(together(world, ask(world, "a"))[0], "a")


@pytest.mark.parametrize("order", ["joins-leaves", "leaves-joins"])
def test_who_joins_as_another_leaves_is_answered(world: World, order: str) -> None:
    """Whether the call goes on for them or is made anew."""
    world.provider.answer = lambda call: Late(world.clock, 3, vectors(call))

    async def both() -> Any:
        first = asking(world, "a")
        await settle()
        await world.clock.advance(1)
        if order == "joins-leaves":
            second = asking(world, "a")
            await asyncio.sleep(0)
            first.cancel()
        else:
            first.cancel()
            second = asking(world, "a")
        return (await world.clock.drive(all_of(first, second)))[1]

    right(asyncio.run(both()), "a")
    nothing_is_left(world)
    assert len(world.provider.calls) <= 2


# What is known already


def cached(make_world: MakeWorld, answer: Callable[[Call], Reply] = vectors, **cache: int) -> World:
    world = make_world(answer, validate=False)
    world.create("e", EMBEDDING, {**ONE_A_SECOND, "cache": cache})
    return world


def test_what_is_known_costs_nothing(make_world: MakeWorld) -> None:
    """No turn, no call, no time; even while others wait."""
    world = cached(make_world)
    together(world, ask(world, "a", "b"))

    async def meanwhile() -> None:
        others = asking(world, "x"), asking(world, "y", caller=Caller("other"))
        await settle()
        before = world.clock.passed
        found = await ask(world, "b", "a", "b")
        right(found, "b", "a", "b")
        assert (found.usage.input, world.clock.passed) == (0, before)
        await world.clock.drive(all_of(*others))

    asyncio.run(meanwhile())
    assert sent(world) == [["a", "b"], ["x"], ["y"]]


def test_what_is_known_in_part_costs_the_rest(make_world: MakeWorld) -> None:
    """Nine tenths known are a tenth of the price, in the order of the texts."""
    world = cached(make_world)
    texts = [f"text {number}" for number in range(1000)]
    together(world, ask(world, *(text for place, text in enumerate(texts) if place % 10)))
    world.provider.calls.clear()
    (found,) = together(world, ask(world, *texts))
    right(found, *texts)
    assert sent(world) == [texts[::10]]
    assert found.usage.input == sum(map(counted, texts[::10]))


def test_errors_are_never_kept(make_world: MakeWorld) -> None:
    """What was refused is asked for again, what came beside it is not."""
    world = cached(make_world, faulty("bad"))
    (found,) = together(world, ask(world, "good", "bad", partial=True))
    assert list(found.errors) == [1]
    world.provider.answer = vectors
    world.provider.calls.clear()
    right(together(world, ask(world, "bad", "good"))[0], "bad", "good")
    assert sent(world) == [["bad"]]


@pytest.mark.parametrize(
    "other",
    [
        {"options": {"user": "u"}},
        {"input_type": InputType.SEARCH},
        {"input_type": InputType.INGEST},
        {"endpoint": "f"},
        {"version": 2},
    ],
)
def test_what_is_known_of_another_is_not_known(make_world: MakeWorld, other: dict[str, Any]) -> None:
    """Options, purpose, endpoint, version: each has its own vectors."""
    world = cached(make_world)
    world.create("f", EMBEDDING, {**ONE_A_SECOND, "cache": {}})
    together(world, ask(world, "a"))
    if other.pop("version", 0):
        world.update("e", {"service_settings": {"api_key": "other"}})
    right(together(world, ask(world, "a", **other))[0], "a")
    assert len(world.provider.calls) == 2
    right(together(world, ask(world, "a", **other, caller=Caller("eve")))[0], "a")
    assert len(world.provider.calls) == 2


def test_token_arrays_are_known_apart_from_texts(make_world: MakeWorld) -> None:
    """Whatever they look like."""
    world = cached(make_world)
    for _ in range(2):
        arrays = world.engine.infer("e", InferenceRequest(Tokens(((1, 2), (3,))), timeout=10**6))
        right(together(world, arrays)[0], [1, 2], [3])
        right(together(world, ask(world, "(1, 2)", "[3]"))[0], "(1, 2)", "[3]")
    assert len(world.provider.calls) == 2


def test_that_a_text_was_cut_is_known_too(make_world: MakeWorld) -> None:
    """The second answer says it like the first."""
    world = make_world(vectors, validate=False)
    world.create("e", EMBEDDING, openai({"max_input_tokens": 2}, cache={}))
    first, second = (together(world, ask(world, "short", "very much longer"))[0] for _ in range(2))
    assert first.cut == second.cut == frozenset({1})
    assert first.vectors == second.vectors
    assert len(world.provider.calls) == 1


def test_weights_are_known_too(make_world: MakeWorld) -> None:
    """Sparse embeddings come back as they were."""
    world = make_world(lambda _: json_reply([{"a": 0.5, "b": 2}, {"c": 1}]), validate=False)
    world.create("e", TaskType.SPARSE_EMBEDDING, hugging_face(cache={}))
    first, second = (together(world, ask(world, "x", "y"))[0] for _ in range(2))
    assert first.weights == second.weights == [({"a": 0.5, "b": 2}, False), ({"c": 1}, False)]
    assert len(world.provider.calls) == 1


def test_a_full_cache_forgets_and_answers(make_world: MakeWorld) -> None:
    """What has no place is asked for again."""
    world = cached(make_world, memory_bytes=1000)
    texts = [f"text {number}" for number in range(100)]
    for _ in range(3):
        right(together(world, ask(world, *texts))[0], *texts)
    assert len(world.provider.calls) == 3
    assert len(sent(world)[-1]) > 90


def test_chunks_are_known_too(make_world: MakeWorld) -> None:
    """Of a text of which one sentence changed, one chunk is paid for."""
    world = cached(make_world)
    chunking = {"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 0}
    sentences = [" ".join([f"Word{number}"] * 15) + ". " for number in range(10)]
    together(world, ask(world, "".join(sentences), "Other.", cutting=Cutting(chunking)))
    sentences[4] = " ".join(["New"] * 15) + ". "
    world.provider.calls.clear()
    (found,) = together(world, ask(world, "Other.", "".join(sentences), cutting=Cutting(chunking, return_text=True)))
    assert [len(chunks) for chunks in found.inputs] == [1, 10]
    assert len(sent(world)[0]) == 1
    for chunk in found.inputs[1]:
        assert json.loads(bytes(chunk.vector)) == [mark(chunk.text)]


# What nobody expected


@pytest.mark.parametrize("where", ["encode", "decode"])
def test_an_exception_of_a_service_reaches_everyone_as_it_is(world: World, where: str) -> None:
    """Those who waited for that call; the next is as if nothing had been."""
    resolved = world.endpoints.find("e")

    def broken(*_: Any) -> Any:
        raise KeyError("third party")

    world.endpoints._resolved["e"] = replace(resolved, task=replace(resolved.task, **{where: broken}))
    asked = [ask(world, f"{number}", *more) for number in range(3) for more in ([], ["same"])]
    for found in together(world, *asked, ask(world, "z", partial=True)):
        assert isinstance(found, KeyError)
    world.endpoints._resolved["e"] = resolved
    right(together(world, ask(world, "0", "same"))[0], "0", "same")


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"data": []}', b'{"data": [{"embedding": "x"}]}'])
def test_an_answer_that_cannot_be_read_is_not_looked_into(world: World, answer: bytes) -> None:
    """It is no input's fault: one call, the same error for all."""
    world.provider.answer = lambda _: Reply(200, answer)
    found = together(world, ask(world, "a", "b"), ask(world, "c", partial=True))
    assert found[0].kind is Kind.UNREADABLE
    assert found[1].errors[0].kind is Kind.UNREADABLE
    assert len(world.provider.calls) == 1
