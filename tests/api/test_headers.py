"""What an inference came to, in the headers of every answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application, Told
from world import EMBEDDING, HANG, Answer, Arrived, World, body, in_turn, json_reply, like_openai, openai

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply

VECTORS, CHAT = "vectors", "chat"
SAID = [{"role": "user", "content": "hi"}]
ASKED = [
    (f"/_inference/{VECTORS}", {"input": "a"}),
    (f"/_inference/text_embedding/{VECTORS}", {"input": ["a"]}),
    (f"/_inference/chat_completion/{CHAT}", {"messages": SAID}),
    (f"/_inference/{CHAT}/_stream", {"messages": SAID}),
    ("/_inference/rerank/ranks", {"query": "q", "input": ["a"]}),
    ("/v1/embeddings", {"model": VECTORS, "input": "a"}),
    ("/v1/chat/completions", {"model": CHAT, "messages": SAID}),
    ("/v1/chat/completions", {"model": CHAT, "messages": SAID, "stream": True}),
    ("/v1/messages", {"model": CHAT, "max_tokens": 9, "messages": SAID}),
    ("/v2/rerank", {"model": "ranks", "query": "q", "documents": ["a"]}),
]


def travelled(told: Told) -> dict[str, str]:
    """Calls, attempts, and the rest by name."""
    names = ("calls", "attempts", "queue-ms", "upstream-ms", "cache")
    return {name: told.headers[f"x-inferpoint-{name}"] for name in names if f"x-inferpoint-{name}" in told.headers}


def times(calls: int, attempts: int, queue: int = 0, upstream: int = 0) -> dict[str, str]:
    return {"calls": str(calls), "attempts": str(attempts), "queue-ms": str(queue), "upstream-ms": str(upstream)}


def anything(call: Call) -> Reply | Arrived:
    """What the provider of each endpoint would answer."""
    said = body(call)
    if said.get("stream"):
        return Arrived(
            200, [b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n', b"data: [DONE]\n\n"]
        )
    return json_reply([{"index": 0, "score": 1.0}]) if "texts" in said else like_openai(call)


@pytest.mark.parametrize(("path", "given"), ASKED)
def test_every_face_tells(faces: Callable[[Answer], Application], path: str, given: Any) -> None:
    """Of an answer, whole or streamed: one call, one attempt, and how long they took; no cache where there is none."""
    told = faces(anything)("POST", path, given)
    assert (told.status, travelled(told)) == (200, times(1, 1))


@pytest.mark.parametrize(("path", "given"), ASKED)
def test_errors_tell_too(faces: Callable[[Answer], Application], path: str, given: Any) -> None:
    """What the provider refused was a call; what was refused before was none."""
    ask = faces(in_turn(json_reply({"error": {"message": "no"}}, 400)))
    refused = ask("POST", path, given)
    assert (refused.status, travelled(refused)) == (400, times(1, 1))
    misread = ask("POST", path, {**given, "input": 5, "messages": 5, "documents": 5, "unknown": 5})
    assert (misread.status, travelled(misread)) == (400, times(0, 0))


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("GET", "/", None),
        ("GET", f"/_inference/{VECTORS}", None),
        ("GET", "/_inference/_quotas", None),
        ("GET", "/v1/models", None),
        ("POST", "/_inference/_chunk", {"input": "a"}),
        ("DELETE", f"/_inference/{VECTORS}", None),
        ("POST", "/nowhere", {}),
    ],
)
def test_what_infers_nothing_tells_nothing(ask: Application, method: str, path: str, given: Any) -> None:
    """There is no call that could be told of."""
    assert travelled(ask(method, path, given)) == {}


def test_a_wait_is_told_in_milliseconds(make_world: Callable[..., World]) -> None:
    """Of a call that has to wait two seconds for its turn, and of one that is refused because it could not."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai({"rate_limit": {"requests_per_minute": 30}}))
    ask = Application(world)
    answers = [ask("POST", "/_inference/e", {"input": "x"}) for _ in range(2)]
    assert [travelled(each) for each in answers] == [times(1, 1), times(1, 1, 2000)]
    refused = ask("POST", "/_inference/e", {"input": "x"}, "timeout=1s")
    assert (refused.status, travelled(refused)) == (429, times(0, 0))


def test_a_retry_is_another_attempt(make_world: Callable[..., World]) -> None:
    """With its pause as waiting."""
    busy = Reply(503, headers={"retry-after": "6"})
    world = make_world(in_turn(busy, json_reply({"data": [{"index": 0, "embedding": [1]}]})), validate=False)
    world.create("e", EMBEDDING, openai())
    assert travelled(Application(world)("POST", "/v1/embeddings", {"model": "e", "input": "x"})) == times(1, 2, 6000)


def test_a_cache_tells_how_many_it_knew(make_world: Callable[..., World]) -> None:
    """So many of so many inputs, the same text each time it is there; where all are known there is no call."""
    world = make_world(validate=False)
    world.create("e", EMBEDDING, openai(cache={}))
    ask = Application(world)

    def known(*texts: str) -> tuple[str, str]:
        found = travelled(ask("POST", "/_inference/e", {"input": texts}))
        return found["cache"], found["calls"]

    assert known("a", "b") == ("0/2", "1")
    assert known("a", "a", "c") == ("2/3", "1")
    assert known("c", "b", "a") == ("3/3", "0")


@pytest.mark.parametrize(
    ("kind", "given"), [(EMBEDDING, {"input": "x"}), (TaskType.CHAT_COMPLETION, {"messages": SAID})]
)
def test_a_timeout_tells_of_the_call_that_took_too_long(
    make_world: Callable[..., World], kind: TaskType, given: Any
) -> None:
    """It was made, though it came to nothing."""
    world = make_world(lambda _: Arrived(200, [HANG]), validate=False)
    world.create("e", kind, openai())
    told = Application(world)("POST", "/_inference/e", given, "timeout=50ms")
    assert (told.status, travelled(told)["calls"], travelled(told)["attempts"]) == (408, "1", "1")
