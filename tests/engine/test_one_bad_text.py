"""One bad text among many: only that text fails, whoever shares its call."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from batches import ONE_A_SECOND, ask, complaint, limited, marks, right, sent, together, vectors
from world import EMBEDDING, SECRET, World, body, hugging_face, json_reply, openai, told

from inferpoint.api.elastic import write
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InputType

MakeWorld = Callable[..., World]
BAD = "bad"
Spoil = Callable[[list[Any], int], Reply]


def row(value: Any) -> Spoil:
    """The reply with *value* in the place of the bad text's row."""
    return lambda rows, bad: json_reply({"data": [*rows[:bad], value, *rows[bad + 1 :]]})


def vector(value: Any) -> Spoil:
    return lambda rows, bad: row({**rows[bad], "embedding": value})(rows, bad)


def without_row(*, index: bool) -> Spoil:
    """The reply without the bad text's row, the others with their own *index* or with none."""

    def spoil(rows: list[Any], bad: int) -> Reply:
        left = [*rows[:bad], *rows[bad + 1 :]]
        return json_reply({"data": left if index else [{"embedding": each["embedding"]} for each in left]})

    return spoil


def whole(reply: Any) -> Spoil:
    """*reply* to the whole call, or that there is none."""
    return lambda _rows, _bad: reply


def not_a_number(rows: list[Any], bad: int) -> Reply:
    spoiled = vector("NaN")(rows, bad)
    return Reply(200, spoiled.body.replace(b'"NaN"', b"[NaN]"))


SPOILED: dict[str, Spoil] = {
    "null row": row(None),
    "empty row": row({}),
    "error as a row": row({"error": {"message": "no numbers"}}),
    "null": vector(None),
    "nulls": vector([None]),
    "empty vector": vector([]),
    "words": vector("not a vector"),
    "NaN": not_a_number,
    "row left out": without_row(index=False),
    "row left out, others by index": without_row(index=True),
    "500": whole(complaint("unsupported value: NaN", 500)),
    "424": whole(complaint("backend", 424)),
    "error under a 200": whole(json_reply({"error": {"message": "no numbers"}})),
    "no JSON": whole(Reply(200, b"<html>")),
    "hung up": whole(InferenceError(Kind.CUT_OFF, "it broke")),
    "400": whole(complaint("no", 400)),
}


def answering(spoil: Spoil, *bad: str) -> Callable[[Call], Reply]:
    """A provider that answers as *spoil* says when it meets one of the *bad* texts."""

    def answer(call: Call) -> Reply:
        texts, good = body(call)["input"], vectors(call)
        wrong = [place for place, text in enumerate(texts) if text in bad]
        return spoil(json.loads(good.body)["data"], wrong[0]) if wrong else good

    return answer


@pytest.fixture(params=SPOILED)
def world(make_world: MakeWorld, request: pytest.FixtureRequest) -> World:
    """A world whose provider does not get along with one text, and may be called once a second."""
    made = make_world(answering(SPOILED[request.param], BAD), validate=False)
    made.create("e", EMBEDDING, ONE_A_SECOND)
    return made


@pytest.mark.parametrize("place", [0, 2, 4])
def test_in_a_partial_request_all_others_have_their_vectors(world: World, place: int) -> None:
    """Wherever the bad text stands, and however the provider fails over it."""
    texts = ["a", "b", "c", "d"]
    texts.insert(place, BAD)
    (result,) = together(world, ask(world, *texts, partial=True))
    assert list(result.errors) == [place]
    assert result.errors[place].index == place
    assert [json.loads(bytes(value)) if value else None for value in result.vectors][place] is None
    del result.vectors[place], texts[place]
    right(result, *texts)


def test_an_error_in_the_place_of_a_row_is_told_in_the_providers_words(make_world: MakeWorld) -> None:
    """Without the key, which providers quote."""
    world = make_world(answering(row({"error": {"message": f"no numbers for {SECRET}"}}), BAD), validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    (result,) = together(world, ask(world, "a", BAD, partial=True))
    assert "no numbers for ***" in str(result.errors[1])


def test_strangers_in_the_same_call_have_their_vectors(world: World) -> None:
    """Only who sent the bad text has an error, which names it where there are others."""
    warm, good, bad, partly = together(
        world, ask(world, "w"), ask(world, "a", "b"), ask(world, "c", BAD), ask(world, "d", BAD, partial=True)
    )
    right(warm, "w")
    right(good, "a", "b")
    assert (bad.index, told(bad)[0] in (400, 424, 500)) == (1, True)
    assert list(partly.errors) == [1]
    assert sent(world)[0] == ["w", "a", "b", "c", BAD, "d"]


@pytest.mark.parametrize("kind", ["null", "500"])
def test_a_text_that_failed_is_asked_for_again(make_world: MakeWorld, kind: str) -> None:
    """A cache keeps the good ones of a call, and nothing of the bad."""
    world = make_world(answering(SPOILED[kind], BAD), validate=False)
    world.create("e", EMBEDDING, {**ONE_A_SECOND, "cache": {}})
    together(world, ask(world, "a", BAD, partial=True))
    world.provider.answer = vectors
    world.provider.calls.clear()
    (result,) = together(world, ask(world, "a", BAD))
    right(result, "a", BAD)
    assert sent(world) == [[BAD]]


def test_a_failure_is_not_looked_into_for_who_takes_all_or_none(make_world: MakeWorld) -> None:
    """A provider that may just be failing is not asked more, where nobody would have anything from it."""
    world = make_world(answering(SPOILED["500"], BAD), validate=False)
    world.create("e", EMBEDDING, ONE_A_SECOND)
    (error,) = together(world, ask(world, "a", BAD, "b"))
    assert (error.upstream.status, error.index, len(world.provider.calls)) == (500, None, 3)


@pytest.mark.parametrize("count", [2, 64, 1000])
@pytest.mark.parametrize("status", [424, 500])
def test_a_search_among_many_is_short(make_world: MakeWorld, count: int, status: int) -> None:
    """Of five calls four pass each time, so that the address's breaker lets all others through."""
    world = make_world(answering(whole(complaint("no", status)), "0"), validate=False)
    world.create("e", EMBEDDING, limited())
    (result,) = together(world, ask(world, *map(str, range(count)), partial=True))
    assert list(result.errors) == [0]
    assert len(world.provider.calls) <= 3 + 5 * math.ceil(math.log(count, 5))
    assert {report.state for report in world.breakers.states()} == {"closed"}


@pytest.mark.parametrize("purpose", [None, InputType.INGEST])
def test_a_provider_that_fails_is_not_searched(make_world: MakeWorld, purpose: InputType | None) -> None:
    """After four parts in a row it is no text's fault: all have the error, and what is ingested is tried again."""
    failing = [True]
    world = make_world(lambda call: complaint("down", 500) if failing[0] else vectors(call), validate=False)
    world.create("e", EMBEDDING, limited())
    world.clock.at(world.clock.monotonic() + 120, lambda: failing.__setitem__(0, False))
    texts = [str(number) for number in range(64)]
    (result,) = together(world, ask(world, *texts, partial=True, input_type=purpose, timeout=600))
    parts = [asked for asked in sent(world) if len(asked) < 64]
    assert len(parts) <= 4
    if purpose is InputType.INGEST:
        right(result, *texts)
    else:
        assert {(error.upstream.status, error.index) for error in result.errors.values()} == {(500, None)}


@pytest.mark.parametrize("words", ["", "zu viele", "一次最多六十四条"])
def test_a_list_whose_halves_pass_was_too_long(make_world: MakeWorld, words: str) -> None:
    """Whatever the words of the refusal: later calls are no larger than what passed."""
    world = make_world(
        lambda call: complaint(words, 400) if len(body(call)["input"]) > 64 else vectors(call), validate=False
    )
    world.create("e", EMBEDDING, limited())
    for number in range(4):
        texts = [f"{number} {place}" for place in range(200)]
        world.provider.calls.clear()
        (result,) = together(world, ask(world, *texts))
        right(result, *texts)
    assert len(world.provider.calls) <= 6


@pytest.mark.parametrize(
    "words", ["input数组最大不得超过64条", "Au plus 64 textes", "no more than 64", "limit:64", "batch size > 64"]
)
def test_the_only_number_of_such_a_refusal_is_the_bound(make_world: MakeWorld, words: str) -> None:
    """In any language; calls are as full from then on as the provider takes them."""
    world = make_world(
        lambda call: complaint(words, 400) if len(body(call)["input"]) > 64 else vectors(call), validate=False
    )
    world.create("e", EMBEDDING, limited())
    together(world, ask(world, *map(str, range(200))))
    world.provider.calls.clear()
    right(together(world, ask(world, *map(str, range(200, 400))))[0], *map(str, range(200, 400)))
    assert [len(asked) for asked in sent(world)] == [64, 64, 64, 8]


# Lengths


@pytest.mark.parametrize(
    ("config", "kind"), [(openai(), EMBEDDING), (openai(), TaskType.EMBEDDING), (hugging_face(), EMBEDDING)]
)
def test_vectors_of_another_length_are_refused(make_world: MakeWorld, config: Any, kind: TaskType) -> None:
    """Two spaces in one index find nothing: each such row is an error that names both lengths."""

    def rows(*of: Sequence[float]) -> Reply:
        listed = list(of)
        return json_reply(
            listed if config["service"] == "hugging_face" else {"data": [{"embedding": r} for r in listed]}
        )

    world = make_world(lambda _: rows([1, 2, 3, 4]))
    world.create("e", kind, config)
    world.provider.answer = lambda _: rows([1, 2, 3, 4], [1, 2], [4, 3, 2, 1])
    (result,) = together(world, ask(world, "a", "b", "c", partial=True))
    assert (list(result.errors), marks(result.__class__([result.vectors[0], result.vectors[2]]))) == ([1], [1, 4])
    assert result.errors[1].kind is Kind.UNREADABLE
    assert "[2] numbers" in str(result.errors[1])
    assert "have [4]" in str(result.errors[1])
    world.provider.answer = lambda _: rows([1, 2])
    (error,) = together(world, ask(world, "d"))
    assert told(error)[0] == 400


# Texts too long by themselves


def holding(most: int) -> Callable[[Call], Reply]:
    """A provider of which no text may be longer."""

    def answer(call: Call) -> Reply:
        return Reply(413, b"<html>") if any(len(text) > most for text in body(call)["input"]) else vectors(call)

    return answer


@pytest.mark.parametrize(
    ("length", "lengths"),
    [(60, [60]), (100, [100, 50]), (121, [121, 60]), (240, [240, 120, 60]), (243, [243, 121, 60])],
)
def test_a_text_answered_413_is_sent_by_its_half_and_its_quarter(
    make_world: MakeWorld, length: int, lengths: list[int]
) -> None:
    """As in Elasticsearch; that it was cut is told, also of the one that a cache knows."""
    world = make_world(holding(60), validate=False)
    world.create("e", EMBEDDING, {**limited(), "cache": {}})
    text = "".join(chr(0x4E00 + number) for number in range(length))
    for _ in range(2):
        (result,) = together(world, ask(world, "a", text, "b"))
        right(result, "a", text[: lengths[-1]], "b")
        assert result.cut == (frozenset() if len(lengths) == 1 else {1})
        assert write.result(result, EMBEDDING).headers.get("x-inferpoint-truncated") == ("1" if result.cut else None)
    alone = [len(asked[0]) for asked in sent(world) if len(asked) == 1 and asked[0] not in "ab"]
    assert alone == (lengths if len(lengths) > 1 else [])


def test_a_text_that_is_too_long_by_its_quarter_is_refused(make_world: MakeWorld) -> None:
    """It alone, with the provider's status; the others have their vectors."""
    world = make_world(holding(60), validate=False)
    world.create("e", EMBEDDING, limited())
    (result,) = together(world, ask(world, "a", "x" * 244, "b", partial=True))
    assert {place: error.upstream.status for place, error in result.errors.items()} == {1: 413}
    (error,) = together(world, ask(world, "x" * 244))
    assert told(error)[0] == 413


def test_a_text_is_halved_from_what_was_sent_of_it(make_world: MakeWorld) -> None:
    """With `max_input_tokens` the provider refused its beginning: half of that is sent, and not the same again."""
    world = make_world(holding(60), validate=False)
    world.create("e", EMBEDDING, openai({"max_input_tokens": 30}))
    (result,) = together(world, ask(world, "x" * 1000))
    assert (marks(result), result.cut) == (marks(together(world, ask(world, "x" * 45))[0]), {0})
    assert [len(asked[0]) for asked in sent(world)][:2] == [90, 45]
