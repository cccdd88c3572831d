"""Conversations with InvokeModel, judged by AWS's own SDK; the models' bodies are from their documentation.

No counterpart in the registries has these models, so the replies are emulated from provider-wire-contracts 4.7.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from bedrock_judge import ours, read, sent
from played import answered, asked, complained, endpoint, reply, told

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import InputType
from inferpoint.model.results import Embeddings, Usage
from inferpoint.protocols.service import Limits

HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
SETTINGS = {"access_key": "AKIDEXAMPLE", "secret_key": "secret-example", "region": "us-east-1"}
TITAN = ["amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0"]
COHERE = [
    "cohere.embed-english-v3",
    "cohere.embed-multilingual-v3",
    "cohere.embed-v4:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2",
]
COUNT = "x-amzn-bedrock-input-token-count"


def model(provider: str, name: str, settings: Mapping[str, Any] = {}) -> Resolved:
    given = {**SETTINGS, "provider": provider, "model": name, **settings}
    return endpoint(TaskType.TEXT_EMBEDDING, "amazonbedrock", given)


def vectors(result: Any) -> list[Any]:
    assert isinstance(result, Embeddings)
    return [msgspec.json.decode(vector) for vector in result.vectors]


def judged(name: str, body: dict[str, Any]) -> tuple[str, str, Any, dict[str, str]]:
    return sent(
        "InvokeModel",
        modelId=name,
        body=json.dumps(body).encode(),
        contentType="application/json",
        accept="application/json",
    )


# --- Titan ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TITAN)
def test_titan_is_asked_for_one_text(name: str) -> None:
    """With no field that version 1 does not have."""
    assert ours(asked(model("amazontitan", name), "naïve 👋"), HOST) == judged(name, {"inputText": "naïve 👋"})


@pytest.mark.parametrize(
    "body",
    [
        {"embedding": [0.1, -2e-5, 3], "inputTextTokenCount": 7},
        {"embedding": [0.1, -2e-5, 3], "inputTextTokenCount": 7, "embeddingsByType": {"float": [0.1, -2e-5, 3]}},
    ],
    ids=TITAN,
)
def test_titans_reply(body: dict[str, Any]) -> None:
    """The numbers as they came, and their cost."""
    given = reply(body, headers={"content-type": "application/json", COUNT: "7"})
    assert json.loads(read("InvokeModel", given)["body"]) == body
    result = answered(model("amazontitan", TITAN[1]), given)
    assert vectors(result) == [body["embedding"]]
    assert result.usage == Usage(input=7)


@pytest.mark.parametrize(("provider", "inputs"), [("amazontitan", 1), ("cohere", 96)])
def test_a_call_takes_as_many_texts_as_the_model(provider: str, inputs: int) -> None:
    """Titan takes one text a call, Cohere's models 96."""
    resolved = model(provider, {"amazontitan": TITAN, "cohere": COHERE}[provider][0])
    assert resolved.task.rates.limits(resolved.endpoint.settings) == Limits(inputs=inputs)


@pytest.mark.parametrize("input_type", [InputType.CLASSIFICATION, InputType.CLUSTERING])
def test_titan_has_no_words_for_what_its_vectors_are_for(input_type: InputType) -> None:
    """`search` and `ingest` are taken everywhere; the others only where the wire has them."""
    resolved = model("amazontitan", TITAN[0])
    for everywhere in (InputType.SEARCH, InputType.INGEST):
        assert asked(resolved, "x", input_type=everywhere).body == b'{"inputText":"x"}'
    with pytest.raises(InferenceError) as refused:
        asked(resolved, "x", input_type=input_type)
    problem = f"Invalid input_type [{input_type}]. The input_type option is not supported for provider [amazontitan]"
    assert told(refused.value) == (400, "validation_exception", f"Validation Failed: 1: {problem};")


# --- Cohere -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("input_type", "purpose"),
    [
        (None, "search_document"),
        (InputType.INGEST, "search_document"),
        (InputType.SEARCH, "search_query"),
        (InputType.CLASSIFICATION, "classification"),
        (InputType.CLUSTERING, "clustering"),
    ],
)
@pytest.mark.parametrize("name", COHERE)
def test_cohere_is_told_what_the_vectors_are_for(name: str, input_type: InputType | None, purpose: str) -> None:
    """Cohere's models, which need a purpose, are told that of the input type, or else that of documents."""
    call = asked(model("cohere", name), "one", "two", input_type=input_type)
    assert ours(call, HOST) == judged(name, {"texts": ["one", "two"], "input_type": purpose})


ROWS = [[0.1, -2e-5, 3], [1, 2, 3]]


@pytest.mark.parametrize(
    "body",
    [
        {"id": "1", "response_type": "embeddings_floats", "embeddings": ROWS, "texts": ["one", "two"]},
        {"id": "1", "response_type": "embeddings_by_type", "embeddings": {"float": ROWS}, "texts": ["one", "two"]},
        {"embeddings": {"int8": [[1], [2]], "float": ROWS}},
    ],
    ids=["floats", "by type", "several types"],
)
def test_coheres_reply(body: dict[str, Any]) -> None:
    """Either shape; what it cost is in a header."""
    given = reply(body, headers={"content-type": "application/json", COUNT: "5"})
    assert json.loads(read("InvokeModel", given)["body"]) == body
    result = answered(model("cohere", COHERE[0]), given, "one", "two")
    assert vectors(result) == ROWS
    assert result.usage == Usage(input=5)


@pytest.mark.parametrize("headers", [{}, *({COUNT: said} for said in ("many", "", "-1", "²", "9" * 5000))])
def test_a_cost_that_is_not_said_is_not_known(headers: dict[str, str]) -> None:
    """And no error."""
    result = answered(model("cohere", COHERE[0]), reply({"embeddings": [[1]]}, headers=headers))
    assert result.usage is None


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        *((provider, body) for provider in ("amazontitan", "cohere") for body in (b"", b"null", b"[]", b"{}", b"<p>")),
        ("amazontitan", b'{"embedding":null}'),
        ("amazontitan", b'{"embedding":[]}'),
        ("amazontitan", b'{"embedding":["a"]}'),
        ("amazontitan", b'{"embedding":[0.1,0.'),
        ("amazontitan", b'{"results":[{"outputText":"Hello"}]}'),  # what ministack answers
        ("cohere", b'{"embeddings":null}'),
        ("cohere", b'{"embeddings":{}}'),
        ("cohere", b'{"embeddings":{"int8":[[1]]}}'),
        ("cohere", b'{"embeddings":[1,2]}'),
        ("cohere", b'{"embeddings":[null]}'),
        ("cohere", b'{"embeddings":"text"}'),
    ],
)
def test_what_are_no_embeddings_is_unreadable(provider: str, body: bytes) -> None:
    """Never another exception."""
    with pytest.raises(InferenceError) as fault:
        answered(model(provider, "m"), reply(body))
    assert fault.value.kind is Kind.UNREADABLE


def test_a_refusal() -> None:
    """As everywhere in Bedrock."""
    refusing = reply({"message": "Too many requests"}, 429, {"x-amzn-errortype": "ThrottlingException"})
    fault = complained(model("cohere", COHERE[0]), refusing)
    assert fault.upstream == Upstream(429, "Too many requests", "ThrottlingException")
    assert (fault.kind, fault.whose_limit) == (Kind.RATE_LIMITED, "provider")
