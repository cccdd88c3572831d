"""Cohere's `POST /v2/rerank` over rerank endpoints: `model` is an inference id. https://docs.cohere.com/reference/rerank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from inferpoint.api import fields, repeats
from inferpoint.api.face import Answer, Face, Incoming, Route
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.inference import Documents, InferenceRequest, Ranking

_STATUSES = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 422,
    Kind.RATE_LIMITED: 429,
    Kind.OVERLOADED: 503,
    Kind.TIMED_OUT: 504,
    Kind.CUT_OFF: 502,
    Kind.UNREADABLE: 502,
    Kind.INTERNAL: 500,
}


async def rerank(engine: Engine, incoming: Incoming) -> Answer:
    """Documents by how well they answer a query, best first."""
    body = fields.body(incoming)
    model, query, documents = body.need("model", str), body.need("query", str), body.texts("documents")
    top_n = body.take("top_n", int)
    body.end()
    if not documents:
        raise invalid("[documents] must be an array of at least one string")
    if top_n is not None and top_n < 1:
        raise invalid("[top_n] must be at least 1")
    asked = Documents(query, documents, return_documents=False, top_n=top_n)
    request = InferenceRequest(asked, caller=incoming.caller, request_id=incoming.request_id, journey=incoming.journey)
    result = await engine.infer(model, request, TaskType.RERANK)
    assert isinstance(result, Ranking)
    meta: dict[str, Any] = {"api_version": {"version": "2"}}
    if result.usage is not None:
        meta["tokens"] = {"input_tokens": result.usage.input, "output_tokens": result.usage.output}
    results = [{"index": each.index, "relevance_score": each.score} for each in result.ranked]
    return _json({"id": incoming.request_id, "results": results, "meta": meta})


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, msgspec.json.encode(body), headers=headers or {})


def fail(error: InferenceError, incoming: Incoming) -> Answer:
    """An error in Cohere's form."""
    status = repeats.status(error, _STATUSES[error.kind])
    return _json({"id": incoming.request_id, "message": str(error)}, status, repeats.headers(error, status))


def lost(incoming: Incoming) -> Answer:
    """There is no such path."""
    return _json({"message": f"no such address: {incoming.method} {incoming.path}"}, 404)


def wrong_method(incoming: Incoming, allowed: Sequence[str]) -> Answer:
    """There is, but not for this method."""
    methods = ", ".join(allowed)
    return _json({"message": f"{incoming.path} takes {methods}, not {incoming.method}"}, 405, {"allow": methods})


FACE = Face(
    routes=(Route("POST", "/v2/rerank", rerank, takes_body=True, infers=True),),
    check=lambda _incoming, _route: None,
    fail=fail,
    finish=lambda answer, _incoming: answer,
    lost=lost,
    wrong_method=wrong_method,
    root="/v2/",
)
