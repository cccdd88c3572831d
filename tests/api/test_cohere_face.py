from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from asgi import Application
from world import body, json_reply

from inferpoint.api.cohere.routes import FACE
from inferpoint.api.face import Request
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import ANONYMOUS

ASKED = {"model": "ranks", "query": "big?", "documents": ["a", "b", "c"]}


def test_documents_come_back_best_first(faces: Callable[..., Application]) -> None:
    ask = faces(
        lambda _: json_reply([{"index": 1, "score": 0.9}, {"index": 0, "score": 0.5}, {"index": 2, "score": 0}])
    )
    told = ask("POST", "/v2/rerank", {**ASKED, "top_n": 2})
    assert told.status == 200
    assert told.json["results"] == [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.5}]
    assert told.json["meta"]["api_version"] == {"version": "2"}
    sent = body(ask.world.provider.calls[-1])
    assert (sent["query"], sent["texts"]) == ("big?", ["a", "b", "c"])


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"documents": []}, "[documents]"),
        ({"documents": [{"text": "a"}]}, "[documents] must be an array of strings"),
        ({"query": None}, "[query] is required"),
        ({"top_n": 0}, "[top_n] must be at least 1"),
        ({"max_tokens_per_doc": 5}, "[max_tokens_per_doc] is not supported"),
        ({"model": "chat"}, "task_type"),
    ],
)
def test_what_is_wrong_is_named(ask: Application, more: Any, problem: str) -> None:
    told = ask("POST", "/v2/rerank", {**ASKED, **more})
    assert told.status == 400
    assert problem in told.json["message"]


def test_an_endpoint_that_is_not_there(ask: Application) -> None:
    assert ask("POST", "/v2/rerank", {**ASKED, "model": "nobody"}).status == 404


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_status(kind: Kind) -> None:
    answer = FACE.fail(InferenceError(kind, "x"), Request("POST", "/v2/rerank", {}, {}, {}, b"", ANONYMOUS, "r"))
    assert answer.status >= 400
    assert json.loads(answer.body)["message"] == "x"
