from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from in_process import Application
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
        ({"documents": [{"text": "a"}]}, "[documents.0] must be a string"),
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


# --- POST /v1/rerank --------------------------------------------------------------------------------------------------


def ranking(faces: Callable[..., Application]) -> Application:
    rows = [{"index": 1, "score": 0.9}, {"index": 0, "score": 0.5}, {"index": 2, "score": 0}]
    return faces(lambda _: json_reply(rows))


def test_the_older_form_takes_objects_and_gives_documents_back(faces: Callable[..., Application]) -> None:
    """As Cohere's older API, Jina and vLLM have it, with the model and a cost for their clients."""
    ask = ranking(faces)
    given = {**ASKED, "documents": ["a", {"text": "b"}, "c"], "top_n": 2}
    told = ask("POST", "/v1/rerank", {**given, "return_documents": True}).json
    assert told["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
        {"index": 0, "relevance_score": 0.5, "document": {"text": "a"}},
    ]
    assert (told["model"], told["usage"]) == ("ranks", {"prompt_tokens": 0, "total_tokens": 0})
    assert told["meta"]["api_version"] == {"version": "1"}
    plain = ask("POST", "/v1/rerank", given).json
    assert [list(row) for row in plain["results"]] == [["index", "relevance_score"]] * 2
    assert body(ask.world.provider.calls[-1])["texts"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"documents": []}, "[documents]"),
        ({"documents": None}, "[documents]"),
        ({"documents": ["a", 3]}, "[documents[1]] must be a string"),
        ({"documents": [{"title": "a"}]}, "[documents[0]] must be a string, or an object with a [text]"),
        ({"query": 3}, "[query] must be a string"),
        ({"top_n": 0}, "[top_n] must be at least 1"),
        ({"return_documents": "yes"}, "[return_documents] must be true or false"),
        ({"rank_fields": ["a"]}, "[rank_fields] is not supported"),
        ({"model": "chat"}, "task_type"),
    ],
)
def test_what_is_wrong_with_the_older_form_is_named(ask: Application, more: Any, problem: str) -> None:
    told = ask("POST", "/v1/rerank", {**ASKED, **more})
    assert told.status == 400
    assert problem in told.json["message"]


# --- POST /v2/embed ---------------------------------------------------------------------------------------------------

EMBEDDED = {"model": "vectors", "input_type": "search_document", "texts": ["hi", "one"]}


def test_texts_are_embedded_in_each_form(ask: Application) -> None:
    """Numbers unless asked otherwise, and base64 of the same numbers."""
    told = ask("POST", "/v2/embed", EMBEDDED).json
    assert told["embeddings"] == {"float": [[2, 0, 1], [3, 0, 1]]}
    assert (told["response_type"], told["texts"]) == ("embeddings_by_type", ["hi", "one"])
    assert told["meta"]["api_version"] == {"version": "2"}
    both = ask("POST", "/v2/embed", {**EMBEDDED, "embedding_types": ["base64", "float"], "output_dimension": 3}).json
    assert both["embeddings"]["float"] == told["embeddings"]["float"]
    read = [list(array("f", base64.b64decode(row))) for row in both["embeddings"]["base64"]]
    assert read == both["embeddings"]["float"]


def test_inputs_of_one_text_each_are_texts(ask: Application) -> None:
    """The form for contents of several kinds, as far as it holds text."""
    inputs = [{"content": [{"type": "text", "text": text}]} for text in ("hi", "one")]
    told = ask("POST", "/v2/embed", {"model": "vectors", "input_type": "search_query", "inputs": inputs}).json
    assert told["embeddings"] == {"float": [[2, 0, 1], [3, 0, 1]]}


def test_the_cost_is_told(faces: Callable[..., Application]) -> None:
    """What the provider counted is what is billed."""
    ask = faces(lambda _: json_reply({"data": [{"embedding": [1, 2]}] * 2, "usage": {"prompt_tokens": 7}}))
    assert ask("POST", "/v2/embed", EMBEDDED).json["meta"]["billed_units"] == {"input_tokens": 7}


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"model": None}, "[model] is required"),
        ({"input_type": None}, "[input_type] is required"),
        ({"input_type": "image"}, "[input_type] must be one of [search_document"),
        ({"input_type": "clustering"}, "Invalid input_type [clustering]"),
        ({"texts": None}, "[texts] must be an array of at least one string"),
        ({"texts": []}, "[texts] must be an array of at least one string"),
        ({"texts": "hi"}, "[texts] must be an array"),
        ({"texts": ["hi", 1]}, "[texts.1] must be a string"),
        ({"images": ["data:"]}, "[images] is not supported"),
        ({"inputs": [{"content": []}]}, "[texts] and [inputs] cannot both be there"),
        ({"texts": None, "inputs": [{"content": [{"type": "image_url"}]}]}, "[inputs[0]] must have a [content]"),
        ({"embedding_types": ["float", "int8"]}, "[embedding_types] may hold [float, base64], not [int8]"),
        ({"output_dimension": 4}, "[output_dimension] is [4], but the vectors of [vectors] have [3]"),
        ({"truncate": "START"}, "[truncate] must be [END]"),
        ({"max_tokens": 5}, "[max_tokens] is not supported"),
        ({"model": "chat"}, "task_type"),
    ],
)
def test_what_is_wrong_with_an_embedding_is_named(ask: Application, more: Any, problem: str) -> None:
    told = ask("POST", "/v2/embed", {**EMBEDDED, **more})
    assert told.status == 400
    assert problem in told.json["message"]


def test_what_is_said_unasked_is_taken(ask: Application) -> None:
    """Members that ask for what is done anyhow."""
    assert ask("POST", "/v2/embed", {**EMBEDDED, "truncate": "END", "priority": 0}).status == 200
