"""Partial results: each input has its embedding or its own error; and whose error it is where the request has one."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from world import EMBEDDING, HANG, Answer, Arrived, World, body, hugging_face, json_reply, like_openai, openai, told

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import ANONYMOUS, Chunking, InferenceRequest, Tokens
from inferpoint.model.results import ChunkedEmbeddings, Embeddings, SparseEmbeddings
from inferpoint.outbound.transport import UnreachableError

MakeWorld = Callable[..., World]

REFUSED = (
    "Received a bad request status code for request from inference entity id [e] status [400]."
    " Error message: [no bad words]"
)


def texts_of(call: Call) -> list[str]:
    said = body(call)
    return said["input"] if "input" in said else said["inputs"]


def picky(most: int | None = None) -> Answer:
    """A provider like OpenAI that takes no text with "bad" in it, and no more than *most* in a call."""

    def answer(call: Call) -> Reply:
        texts = texts_of(call)
        if most is not None and len(texts) > most:
            return json_reply({"error": {"message": "array too long", "code": "array_above_max_length"}}, 400)
        if any("bad" in text for text in texts):
            return json_reply({"error": {"message": "no bad words", "type": "invalid_request_error"}}, 400)
        return like_openai(call)

    return answer


@pytest.fixture
def opened(make_world: MakeWorld) -> Callable[..., World]:
    """A function that makes a world with an endpoint `e`, given how its provider answers and the endpoint's rate."""

    def make(answer: Answer | None = None, **rate: int) -> World:
        world = make_world(answer or picky(), validate=False)
        world.run(world.endpoints.load())
        for each in world.engine.lifecycle.all(ANONYMOUS):
            world.run(world.engine.lifecycle.delete(ANONYMOUS, each.endpoint.inference_id))
        world.create("e", EMBEDDING, openai({"rate_limit": {"requests_per_minute": 100_000, **rate}}))
        return world

    return make


def partial(world: World, *texts: str, **more: Any) -> Embeddings:
    found = world.infer("e", *texts, partial=True, **more)
    assert isinstance(found, Embeddings)
    assert [index for index, vector in enumerate(found.vectors) if vector is None] == sorted(found.errors)
    for index in set(range(len(texts))) - set(found.errors):
        assert json.loads(bytes(found.vectors[index]))[0] == len(texts[index])
    return found


def refused(act: Callable[[], Any]) -> InferenceError:
    with pytest.raises(InferenceError) as caught:
        act()
    return caught.value


def statuses(found: Embeddings | SparseEmbeddings | ChunkedEmbeddings) -> dict[int, int]:
    """The status of each error, as Elasticsearch's clients are told."""
    return {index: told(error)[0] for index, error in sorted(found.errors.items())}


def test_each_input_has_its_embedding_or_its_error(opened: Callable[..., World]) -> None:
    """In the words that the whole request would be refused with if it were alone."""
    world = opened()
    found = partial(world, "a", "bad", "ccc", "dd", "very bad")
    assert {index: told(error) for index, error in found.errors.items()} == dict.fromkeys(
        (1, 4), (400, "status_exception", REFUSED)
    )
    assert told(refused(lambda: world.infer("e", "bad"))) == (400, "status_exception", REFUSED)
    assert partial(world, "a").errors == {}
    assert told(partial(world, "bad").errors[0])[2] == REFUSED


def test_an_input_given_twice_is_wrong_twice(opened: Callable[..., World]) -> None:
    """Each place has the error that is about it."""
    found = partial(opened(), "bad", "a", "bad")
    assert {index: error.index for index, error in found.errors.items()} == {0: 0, 2: 2}


@given(
    st.lists(st.booleans(), min_size=1, max_size=32),
    st.integers(1, 40),
)
@example([True] * 31 + [False], 40)
@example([True] * 31 + [False], 3)
@example([False] * 3 + [True] + [False] * 4, 2)
def test_whatever_is_wrong_the_others_are_embedded_once(
    opened: Callable[..., World], wrong: list[bool], most: int
) -> None:
    """Every good text is embedded once, and sent no more than halving and one try of more take; the bad have errors."""
    world = opened(picky(most))
    texts = [f"{'bad' if each else 'good'} {number}" for number, each in enumerate(wrong)]
    found = partial(world, *texts)
    assert sorted(found.errors) == [index for index, each in enumerate(wrong) if each]
    assert {told(error)[2] for error in found.errors.values()} <= {REFUSED}
    calls = [texts_of(call) for call in world.provider.calls]
    taken = [text for call in calls if len(call) <= most and "bad" not in "".join(call) for text in call]
    assert sorted(taken) == sorted(text for text in texts if "bad" not in text)
    often = max(sum(text in call for call in calls) for text in texts)
    halvings = math.ceil(math.log2(len(texts)))
    assert often <= halvings + 2  # with the first call, and one that tries more than was taken before


def test_the_first_that_is_found_is_named(opened: Callable[..., World]) -> None:
    """Without asking for all: the halves of the call that was refused go before all other calls."""
    for wrong in (0, 700, 2047):
        world = opened()
        error = refused(lambda world=world, wrong=wrong: world.infer("e", *_texts(2048, wrong)))
        assert (error.index, str(error)) == (wrong, f"Input [{wrong}]: {REFUSED}")
        assert len(world.provider.calls) <= 2 * 11 + 1
    world = opened()
    assert refused(lambda: world.infer("e", *_texts(2048 * 4, 3))).index == 3
    assert len(world.provider.calls) <= 12 + 4


def _texts(count: int, wrong: int) -> list[str]:
    return [f"{'bad' if number == wrong else 'good'} {number}" for number in range(count)]


def test_one_input_is_not_named(opened: Callable[..., World]) -> None:
    """The error of a request with one input has nothing to add, not even where it is cut into many chunks."""
    world = opened(tokens_per_minute=1000)
    assert str(refused(lambda: world.infer("e", "bad"))) == REFUSED
    assert str(refused(lambda: world.infer("e", "x" * 9000))).startswith("An input of about [")
    chunking = Chunking({"strategy": "word", "max_chunk_size": 10, "overlap": 0})
    long = " ".join(["word"] * 25 + ["bad"])
    assert str(refused(lambda: world.infer("e", long, chunking=chunking))) == REFUSED
    error = refused(lambda: world.infer("e", "a", long, chunking=chunking))
    assert (error.index, str(error)) == (1, f"Input [1]: {REFUSED}")


def test_callers_do_not_pay_for_each_other(opened: Callable[..., World]) -> None:
    """Texts of several callers that travelled together: who sent the bad one is told, without a place."""
    world = opened()

    async def all_at_once() -> list[Any]:
        asked = [world.inferring("e", InferenceRequest((text,))) for text in ("a", "bad", "c")]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = world.run(all_at_once())
    assert texts_of(world.provider.calls[0]) == ["a", "bad", "c"]
    assert [isinstance(each, Embeddings) for each in found] == [True, False, True]
    assert str(found[1]) == REFUSED


def test_a_provider_that_refuses_everything_is_not_asked_about_everything(opened: Callable[..., World]) -> None:
    """After some inputs in a row that were refused on their own, the others have the same error."""
    world = opened(lambda _: json_reply({"error": {"message": "no bad words"}}, 400))
    found = partial(world, *map(str, range(2048 * 2)))
    assert {told(error)[2] for error in found.errors.values()} == {REFUSED}
    assert len(world.provider.calls) < 100


@pytest.mark.parametrize(("status", "told_as"), [(429, 429), (500, 400), (503, 400), (401, 401)])
def test_what_is_no_inputs_fault_is_not_looked_for(opened: Callable[..., World], status: int, told_as: int) -> None:
    """A provider that is busy, broken or locked says nothing about texts: all in the call have its status."""
    world = opened(lambda _: json_reply({"error": {"message": "later"}}, status))
    found = partial(world, "a", "b", "c", "d", timeout=2.0)
    assert statuses(found) == dict.fromkeys(range(4), told_as)
    parts = [call for call in world.provider.calls if len(texts_of(call)) < 4]
    assert len(parts) <= (4 if status == 500 else 0)  # which some say of one text; a few parts tell
    other = opened(lambda _: json_reply({"error": {"message": "later"}}, status))  # no breaker has seen failures there
    error = refused(lambda: other.infer("e", "a", "b", timeout=2.0))
    assert (told(error)[0], error.index) == (told_as, None)


def failing_over_forty(make_world: MakeWorld, answer: Any) -> tuple[World, Any]:
    """A world whose provider answers so for calls with one of seventy texts, and what came of all three."""

    def reply(call: Call) -> Any:
        texts = texts_of(call)
        return answer if "40" in texts else json_reply([[len(text)] for text in texts])

    world = make_world(reply, validate=False)
    world.create("e", EMBEDDING, hugging_face())
    return world, partial(world, *map(str, range(70)), timeout=5.0)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (json_reply({"error": {"message": "slow down"}}, 429, **{"x-should-retry": "false"}), 429),
        (UnreachableError("nobody is there"), 500),
    ],
)
def test_calls_that_fail_take_no_others_along(make_world: MakeWorld, answer: Any, status: int) -> None:
    """Of a list that needs three calls those that failed leave errors, and are not divided."""
    world, found = failing_over_forty(make_world, answer)
    assert statuses(found) == dict.fromkeys(range(32, 64), status)
    assert {len(texts_of(call)) for call in world.provider.calls} == {32, 6}
    assert {error.index for error in found.errors.values()} == {None}


@pytest.mark.parametrize(
    "answer",
    [
        InferenceError(Kind.CUT_OFF, "it broke"),
        Arrived(200, [b'{"data', InferenceError(Kind.CUT_OFF, "it broke")]),
    ],
)
def test_a_text_over_which_a_provider_hangs_up_is_found(make_world: MakeWorld, answer: Any) -> None:
    """By few calls, each made once: a server that crashes over a text is not made to for every attempt."""
    world, found = failing_over_forty(make_world, answer)
    assert statuses(found) == {40: 500}
    assert found.errors[40].index == 40
    assert sum("40" in texts_of(call) for call in world.provider.calls) <= 3 + 3


def test_a_throttled_half_is_not_divided(opened: Callable[..., World]) -> None:
    """Nor does what happens on the search for a bad text count as the fault of others."""

    def answer(call: Call) -> Reply:
        if texts_of(call)[0] == "c":
            return json_reply({"error": {"message": "slow down"}}, 429, **{"x-should-retry": "false"})
        return picky()(call)

    found = partial(opened(answer), "bad", "b", "c", "d")
    assert statuses(found) == {0: 400, 2: 429, 3: 429}


def test_who_runs_out_of_time_has_what_came(make_world: MakeWorld) -> None:
    """What is missing at the deadline is told so, input by input."""

    def reply(call: Call) -> Any:
        texts = texts_of(call)
        return Arrived(200, [b"[", HANG]) if "40" in texts else json_reply([[len(text)] for text in texts])

    world = make_world(reply, validate=False)
    world.create("e", EMBEDDING, hugging_face())
    found = partial(world, *map(str, range(70)), timeout=1.0)
    assert statuses(found) == dict.fromkeys(range(32, 64), 408)
    assert told(found.errors[32])[1] == "timeout_exception"


def test_what_cannot_be_in_time_is_refused_and_the_rest_goes(make_world: MakeWorld) -> None:
    """A partial request sends as many calls as have their turn before its deadline; another is refused whole."""
    world = make_world(lambda call: json_reply([[len(text)] for text in texts_of(call)]), validate=False)
    world.create("e", EMBEDDING, hugging_face({"rate_limit": {"requests_per_minute": 60}}))
    texts = list(map(str, range(32 * 10)))
    error = refused(lambda: world.infer("e", *texts, timeout=3.5))
    assert (told(error)[0], error.whose_limit, len(world.provider.calls)) == (429, "ours", 0)
    found = partial(world, *texts, timeout=3.5)
    assert len(world.provider.calls) == 4
    assert statuses(found) == dict.fromkeys(range(4 * 32, 320), 429)
    assert found.errors[319].whose_limit == "ours"


def test_a_text_longer_than_a_minutes_tokens_is_named(opened: Callable[..., World]) -> None:
    """Its turn would never come; in a partial request the others go."""
    world = opened(tokens_per_minute=1000)
    long = "x" * 9000
    problem = "An input of about [3001] tokens is longer than the [1000] tokens_per_minute of its rate limit"
    error = refused(lambda: world.infer("e", "a", long))
    assert (error.index, told(error)) == (1, (400, "status_exception", f"Input [1]: {problem}"))
    assert world.provider.calls == []
    found = partial(world, long, "a", "bad", long, "b")
    assert {index: str(error) for index, error in found.errors.items()} == {0: problem, 2: REFUSED, 3: problem}
    assert len(partial(world, long).errors) == 1
    tokens = world.run(world.inferring("e", InferenceRequest(Tokens(((1,) * 1001, (1, 2))), partial=True)))
    assert isinstance(tokens, Embeddings)
    assert list(tokens.errors) == [0]


def test_a_text_too_long_for_the_model_is_named(opened: Callable[..., World]) -> None:
    """A provider says it of a whole call in the words it has for too much; alone it is the text's own fault."""

    def answer(call: Call) -> Reply:
        if any(len(text) > 50 for text in texts_of(call)):
            return json_reply({"error": {"message": "This model's maximum context length is 50 tokens"}}, 400)
        return like_openai(call)

    found = partial(opened(answer), "a", "x" * 51, "b", "", "c")
    assert statuses(found) == {1: 400}


def test_an_input_with_a_bad_chunk_has_no_chunks(opened: Callable[..., World]) -> None:
    """It has the error of the first such chunk, about the input; the others have theirs."""
    chunking = Chunking({"strategy": "word", "max_chunk_size": 10, "overlap": 0})
    long = " ".join(["good"] * 25)
    found = opened().infer("e", long, long + " bad bad", "short", chunking=chunking, partial=True)
    assert isinstance(found, ChunkedEmbeddings)
    assert [len(chunks) for chunks in found.inputs] == [3, 0, 1]
    assert {index: (error.index, str(error)) for index, error in found.errors.items()} == {1: (1, REFUSED)}


@pytest.mark.parametrize(
    ("answer", "texts"), [(picky(), ("bad " * 25,)), (lambda _: Reply(401), ("a " * 25, "b " * 25))], ids=["one", "all"]
)
def test_an_error_names_no_input_where_there_is_nothing_to_name(
    opened: Callable[..., World], answer: Answer, texts: tuple[str, ...]
) -> None:
    """The only input is not named, and what all calls are refused for is about no input, however they were cut."""
    chunking = Chunking({"strategy": "word", "max_chunk_size": 10, "overlap": 0})
    found = opened(answer).infer("e", *texts, chunking=chunking, partial=True)
    assert isinstance(found, ChunkedEmbeddings)
    assert {index: error.index for index, error in found.errors.items()} == dict.fromkeys(range(len(texts)))


def test_weights_are_partial_too(make_world: MakeWorld) -> None:
    """Sparse vectors have errors like dense ones."""

    def reply(call: Call) -> Reply:
        texts = texts_of(call)
        return json_reply({"error": "no"}, 422) if "bad" in texts else json_reply([{text: 1.0} for text in texts])

    world = make_world(reply, validate=False)
    world.create("s", TaskType.SPARSE_EMBEDDING, hugging_face())
    found = world.infer("s", "a", "bad", partial=True)
    assert isinstance(found, SparseEmbeddings)
    assert (found.weights[0], statuses(found)) == (({"a": 1.0}, False), {1: 422})


def test_errors_are_not_kept(make_world: MakeWorld) -> None:
    """A cache knows the embeddings of a partial result, and asks again for what failed."""
    world = make_world(picky(), validate=False)
    world.create(
        "e",
        EMBEDDING,
        openai(),
    )
    world.create("kept", EMBEDDING, openai(cache={}))
    for _ in range(2):
        found = world.infer("kept", "a", "bad", partial=True)
        assert isinstance(found, Embeddings)
        assert statuses(found) == {1: 400}
    assert [texts_of(call) for call in world.provider.calls] == [["a", "bad"], ["a"], ["bad"], ["bad"]]


def test_numbers_of_what_failed_are_none(opened: Callable[..., World]) -> None:
    """Whoever computes with a partial result has the numbers of the others, each in its place."""
    found = partial(opened(), "a", "bad", "very bad")
    assert (found.numbers(), sorted(found.errors)) == ([[1.0, 0.0, 1.0], [], []], [1, 2])
    assert partial(opened(), "a").numbers() == [[1.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", [TaskType.COMPLETION, TaskType.CHAT_COMPLETION, TaskType.RERANK])
def test_only_embeddings_are_partial(make_world: MakeWorld, kind: TaskType) -> None:
    """There is one answer in everything else."""
    world = make_world(validate=False)
    world.create("o", kind, hugging_face())
    error = refused(lambda: world.infer("o", "x", partial=True))
    assert told(error)[0] == 400
