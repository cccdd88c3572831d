from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from batches import (
    ONE_A_SECOND,
    ask,
    complaint,
    counted,
    faulty,
    limited,
    limits,
    mark,
    marks,
    right,
    sent,
    together,
    vectors,
)
from msgspec.structs import replace
from world import EMBEDDING, World, body, told

from inferpoint.errors import InferenceError
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import Caller, InferenceRequest, Tokens

MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world whose endpoint `e` may call once a second."""
    made = make_world(vectors, validate=False)
    made.create("e", EMBEDDING, ONE_A_SECOND)
    return made


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
    (found,) = together(world, world.inferring("e", InferenceRequest(Tokens(arrays), timeout=10**6)))
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


def test_a_provider_that_takes_less_and_less_is_followed(make_world: MakeWorld) -> None:
    """Refusals with answers between them are of calls, not of the endpoint, however many they are."""
    provider = Capped("tei-inputs", inputs=200)

    def answer(call: Call) -> Reply:
        reply = provider(call)
        if reply.status == 200:
            provider.inputs = max(1, provider.inputs * 9 // 10)
        return reply

    world = make_world(answer, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    texts = list(map(str, range(1900)))
    right(together(world, ask(world, *texts))[0], *texts)
    assert provider.refused > 20


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
@pytest.mark.parametrize("count", [1, 3, 300])
def test_a_provider_that_takes_nothing_ends_in_an_error(
    make_world: MakeWorld, kind: str, count: int, *, partial: bool
) -> None:
    """After a bounded number of calls; in a partial request each input has it."""
    provider = Capped(kind, inputs=0, tokens=0)
    world = make_world(provider, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    (found,) = together(world, ask(world, *map(str, range(count)), partial=partial))
    assert len(world.provider.calls) <= 120
    if partial:
        assert sorted(found.errors) == list(range(count))
    else:
        assert found.upstream.status in (400, 413, 422)


@pytest.mark.parametrize("kind", [kind for kind in REFUSALS if kind.endswith("inputs")])
def test_a_provider_that_takes_not_even_one_input_is_not_asked_for_each(make_world: MakeWorld, kind: str) -> None:
    """No call can hold less than one: those who wait have the same error, after as many calls as halving takes."""
    world = make_world(Capped(kind, inputs=0), validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    (found,) = together(world, ask(world, *map(str, range(300)), partial=True))
    assert len(found.errors) == 300
    assert len(world.provider.calls) <= 10


def test_what_is_learnt_of_one_text_too_long_is_forgotten_whole(make_world: MakeWorld) -> None:
    """However often calls with it had to be halved until it was alone, later calls are as large as before."""

    def answer(call: Call) -> Reply:
        if max(map(counted, body(call)["input"])) > 2000:
            return complaint("This model's maximum context length is 2000 tokens")
        return vectors(call)

    world = make_world(answer, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    texts = [f"{number:05}" * 20 for number in range(2000)]
    (found,) = together(world, ask(world, *texts, "long" * 2100, partial=True))
    assert list(found.errors) == [2000]
    world.provider.calls.clear()
    right(together(world, ask(world, *reversed(texts)))[0], *reversed(texts))
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("kind", ["openai-tokens", "vllm-tokens", "plain-tokens"])
@pytest.mark.parametrize("place", [0, 333, 999])
def test_one_text_too_long_does_not_shrink_calls_for_ever(make_world: MakeWorld, kind: str, place: int) -> None:
    """It alone has the error, or after a 413 loses its end; and later calls are as large as they were."""
    provider = Capped(kind, tokens=30_000)
    world = make_world(provider, validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    texts = [f"{number:05}" * 20 for number in range(1000)]
    texts[place] = "long" * 40_000
    (found,) = together(world, ask(world, *texts, partial=True))
    if kind == "plain-tokens":
        assert (list(found.errors), list(found.cut)) == ([], [place])
    else:
        assert list(found.errors) == [place]
        assert found.errors[place].upstream.status == 400
    assert len(world.provider.calls) <= 40
    texts[place] = "short"
    world.provider.calls.clear()
    right(together(world, ask(world, *texts))[0], *texts)
    assert len(world.provider.calls) == 1


# One input at fault


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
    assert len(world.provider.calls) <= 80
