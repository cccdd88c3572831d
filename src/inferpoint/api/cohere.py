"""Cohere's `POST /v2/rerank` over rerank endpoints: `model` is an inference id. https://docs.cohere.com/reference/rerank."""

from __future__ import annotations

from typing import Any

from inferpoint.api.face import Face, Request, Response, Route, Words, error_response, json_response
from inferpoint.api.requests import fields
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.requests import Documents
from inferpoint.model.results import Ranking

_WORDS = {
    Kind.INVALID: Words(400),
    Kind.CONTEXT_OVERFLOW: Words(400),
    Kind.UNAUTHENTICATED: Words(401),
    Kind.FORBIDDEN: Words(403),
    Kind.NOT_FOUND: Words(404),
    Kind.NO_ROUTE: Words(404, phrase="no such address: {method} {path}"),
    Kind.WRONG_METHOD: Words(405, phrase="{path} takes {allowed}, not {method}"),
    Kind.CONFLICT: Words(409),
    Kind.TOO_LARGE: Words(413),
    Kind.UNSUPPORTED: Words(422),
    Kind.RATE_LIMITED: Words(429),
    Kind.OVERLOADED: Words(503),
    Kind.TIMED_OUT: Words(504),
    Kind.CUT_OFF: Words(502),
    Kind.UNREADABLE: Words(502),
    Kind.INTERNAL: Words(500),
}


async def rerank(engine: Engine, request: Request) -> Response:
    """Documents by how well they answer a query, best first."""
    body = fields(request)
    model, query, documents = body.need("model", str), body.need("query", str), body.texts("documents")
    top_n = body.take("top_n", int)
    body.end()
    if not documents:
        raise invalid("[documents] must be an array of at least one string")
    if top_n is not None and top_n < 1:
        raise invalid("[top_n] must be at least 1")
    inference = request.inference(Documents(query, documents, return_documents=False, top_n=top_n))
    result = await engine.infer(engine.find(request.caller, model), inference, TaskType.RERANK)
    assert isinstance(result, Ranking)
    meta: dict[str, Any] = {"api_version": {"version": "2"}}
    if result.usage is not None:
        meta["tokens"] = {"input_tokens": result.usage.input, "output_tokens": result.usage.output}
    results = [{"index": document.index, "relevance_score": document.score} for document in result.ranked]
    return json_response({"id": request.request_id, "results": results, "meta": meta})


def fail(error: InferenceError, request: Request) -> Response:
    """An error in Cohere's form; one of the address alone is without an id."""
    words = _WORDS[error.kind]
    shown = {} if words.phrase else {"id": request.request_id}
    return error_response(error, words.status, {**shown, "message": str(error)})


FACE = Face((Route("POST", "/v2/rerank", rerank, takes_body=True, infers=True),), _WORDS, fail, prefix="/v2/")
