"""The endpoint of a request: looked up once, by a caller who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application
from world import (
    COMPLETION,
    body,
    json_reply,
    like_openai,
    like_text_embeddings_inference,
    openai,
)

from inferpoint.access.callers import Callers
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import Caller

SAID = [{"role": "user", "content": "hi"}]
FIRST = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("/_inference/{vectors}", {"input": "a"}),
    ("/_inference/text_embedding/{vectors}", {"input": "a"}),
    ("/_inference/embedding/{both}", {"input": "a"}),
    ("/_inference/{ranks}", {"input": ["a"], "query": "q"}),
    ("/_inference/{vectors}/_chunk", {"input": "a"}),
    ("/_inference/{text}/_stream", {"input": "a"}),
    ("/_inference/{chat}", {"messages": SAID}),
    ("/_inference/{chat}/_stream", {"messages": SAID}),
    ("/_inference/chat_completion/{chat}/_stream", {"messages": SAID}),
    ("/v1/embeddings", {"model": "{vectors}", "input": "a", "user": "u"}),
    ("/v1/chat/completions", {"model": "{chat}", "messages": SAID, "user": "u"}),
    ("/v1/messages", {"model": "{chat}", "max_tokens": 9, "messages": SAID, "metadata": {"user_id": "u"}}),
    ("/v2/rerank", {"model": "{ranks}", "query": "q", "documents": ["a"]}),
]


def provider(call: Call) -> Reply:
    """What a provider of any task says."""
    sent = body(call)
    if "texts" in sent:
        return json_reply([{"index": 0, "score": 0.9}])
    if sent.get("stream"):
        return Reply(200, FIRST + b"data: [DONE]\n\n")
    return like_openai(call) if "messages" in sent or "input" in sent else like_text_embeddings_inference(call)


def named(path: str, asked: dict[str, Any], name: Callable[[str], str]) -> tuple[str, dict[str, Any]]:
    """A request with the endpoints in braces called as *name* says."""
    before, _, rest = path.partition("{")
    inside, _, after = rest.partition("}")
    model = {"model": name(asked["model"][1:-1])} if "model" in asked else {}
    return before + (name(inside) if inside else "") + after, asked | model


@pytest.fixture
def ask(faces: Callable[..., Application]) -> Application:
    """A server with an endpoint for every request of the table."""
    server = faces(provider)
    server.world.create("text", COMPLETION, openai())
    server.world.create("both", TaskType.EMBEDDING, openai())
    return server


@pytest.mark.parametrize(("path", "asked"), ASKED, ids=[path for path, _ in ASKED])
def test_an_endpoint_is_looked_up_once(
    ask: Application, monkeypatch: pytest.MonkeyPatch, path: str, asked: dict[str, Any]
) -> None:
    """However much of the endpoint a face must know to read a body, one request finds it one time."""
    find, lookups = ask.world.endpoints.find, []

    def count(name: str) -> Any:
        lookups.append(name)
        return find(name)

    monkeypatch.setattr(ask.world.endpoints, "find", count)
    assert ask("POST", *named(path, asked, str)).status == 200
    assert len(lookups) == 1


@pytest.mark.parametrize(("path", "asked"), ASKED, ids=[path for path, _ in ASKED])
def test_who_may_not_ask_is_told_nothing_of_the_endpoint(
    ask: Application, monkeypatch: pytest.MonkeyPatch, path: str, asked: dict[str, Any]
) -> None:
    """A caller without privileges has the same 403 whether there is such an endpoint or not, and nobody is called."""
    monkeypatch.setattr(Callers, "of", lambda *_: Caller("eve", frozenset()))
    answers = [ask("POST", *named(path, asked, name)) for name in (str, lambda _: "none")]
    assert [answer.status for answer in answers] == [403, 403]
    assert "eve" in answers[0].body.decode()
    assert len({answer.body.replace(answer.headers["x-request-id"].encode(), b"") for answer in answers}) == 1
    assert not ask.world.provider.calls
