"""Rankings of more documents than one call takes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from batches import complaint
from world import World, body, hugging_face, json_reply, told

from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import Documents, InferenceRequest
from inferpoint.model.results import Ranking

MakeWorld = Callable[..., World]
MANY = tuple(f"document {number * 7919 % 100}" for number in range(100))


def score(text: str) -> float:
    return len(set(text)) + int(text.rpartition(" ")[2]) / 1000


def scores(call: Call) -> Reply:
    """Every document by its own score, worst first; and a token for each."""
    texts = body(call)["texts"]
    rows = [{"index": place, "score": score(text)} for place, text in enumerate(texts)]
    rows.sort(key=lambda row: row["score"])
    return json_reply(rows, **{"x-compute-tokens": str(len(texts))})


def taking(most: int, refusal: str = "batch size {n} > maximum allowed batch size {most}") -> Callable[[Call], Reply]:
    def answer(call: Call) -> Reply:
        count = len(body(call)["texts"])
        return complaint(refusal.format(n=count, most=most), 413) if count > most else scores(call)

    return answer


def ranked(world: World, *texts: str, **more: Any) -> Ranking:
    result = world.run(world.inferring("r", InferenceRequest(Documents("query", texts, **more))))
    assert isinstance(result, Ranking)
    return result


def opened(make_world: MakeWorld, answer: Callable[[Call], Reply], **sections: Any) -> World:
    world = make_world(answer, validate=False)
    limit = {"rate_limit": {"requests_per_minute": 10**6, "burst": 10**6}}
    world.create("r", TaskType.RERANK, hugging_face(limit, **sections))
    return world


@pytest.mark.parametrize("most", [1, 2, 7, 32, 99, 100])
@pytest.mark.parametrize("words", ["batch size {n} > maximum allowed batch size {most}", "too large"])
def test_many_calls_rank_as_one(make_world: MakeWorld, most: int, words: str) -> None:
    """Every document once, best first, with its own index, and the cost of all calls."""
    whole = ranked(opened(make_world, scores), *MANY)
    parts = ranked(opened(make_world, taking(most, words)), *MANY)
    assert parts == whole
    assert sorted(document.index for document in parts.ranked) == list(range(100))
    assert all(before.score >= after.score for before, after in itertools.pairwise(parts.ranked))


@pytest.mark.parametrize(("more", "sections"), [({"top_n": 5}, {}), ({}, {"task_settings": {"top_n": 5}})])
def test_the_best_of_all_parts_are_answered(make_world: MakeWorld, more: Any, sections: Any) -> None:
    """As many as were asked for, with their texts where those were asked for."""
    world = opened(make_world, taking(10), **sections)
    best = ranked(world, *MANY, return_documents=True, **more).ranked
    assert [document.text for document in best] == sorted(MANY, key=score)[::-1][:5]
    assert all(MANY[document.index] == document.text for document in best)


def test_what_a_call_takes_is_learnt(make_world: MakeWorld) -> None:
    """Of a second ranking no call is refused."""
    world = opened(make_world, taking(32))
    ranked(world, *MANY)
    world.provider.calls.clear()
    ranked(world, *MANY)
    assert [len(body(call)["texts"]) for call in world.provider.calls] == [32, 32, 32, 4]


@pytest.mark.parametrize(
    ("count", "reply", "status"),
    [
        (100, complaint("the query is empty", 400), 400),
        (1, complaint("batch size 1 > maximum allowed batch size 0", 413), 413),
        (3, complaint("no such model", 404), 404),
        (3, json_reply([{"index": 0, "score": 1}]), 400),
    ],
)
def test_what_is_not_the_size_is_told_at_once(make_world: MakeWorld, count: int, reply: Reply, status: int) -> None:
    """A refusal for another reason ends the request after one call."""
    world = opened(make_world, lambda _: reply)
    with pytest.raises(InferenceError) as caught:
        ranked(world, *MANY[:count])
    assert (told(caught.value)[0], len(world.provider.calls)) == (status, 1)


def test_one_part_that_fails_ends_the_request(make_world: MakeWorld) -> None:
    """Half a ranking is none."""

    def answer(call: Call) -> Reply:
        return complaint("no", 422) if MANY[70] in body(call)["texts"] else scores(call)

    world = opened(make_world, taking(32))
    ranked(world, *MANY)
    world.provider.answer = answer
    with pytest.raises(InferenceError) as caught:
        ranked(world, *MANY)
    assert told(caught.value)[0] == 422
    assert not any(sum(group.waiting.values()) for group in world.run(world.limiter.groups()))
    assert world.clock.alarms == 0


def test_a_document_without_a_score_is_named(make_world: MakeWorld) -> None:
    """By its place in the request, in whichever call it was; NaN, as a model may score it, is no number."""

    def answer(call: Call) -> Reply:
        texts = body(call)["texts"]
        rows = ", ".join(
            f'{{"index": {place}, "score": {"NaN" if text == MANY[70] else 1}}}' for place, text in enumerate(texts)
        )
        return Reply(200, f"[{rows}]".encode())

    world = opened(make_world, taking(32))
    ranked(world, *MANY)
    world.provider.answer = answer
    with pytest.raises(InferenceError, match=r"^Document \[70\]: .*a document has no score") as caught:
        ranked(world, *MANY)
    assert caught.value.index == 70


def test_documents_are_sent_in_their_order(make_world: MakeWorld) -> None:
    """So that two equal ones are answered in the order of the request, as one call does."""
    world = opened(make_world, taking(3))
    result = ranked(world, *["same 1"] * 8)
    assert [document.index for document in result.ranked] == list(range(8))
    assert json.loads(world.provider.calls[0].body)["query"] == "query"
