"""`POST /v2/rerank`, and `POST /v1/rerank` as Cohere's older API, Jina, vLLM and their clients have it.

https://docs.cohere.com/reference/rerank.
"""

from __future__ import annotations

from typing import Any, cast

from inferpoint.api.face import Request, Response, json_response
from inferpoint.api.requests import fields
from inferpoint.engine.engine import Engine
from inferpoint.errors import invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.fields import Fields
from inferpoint.model.requests import Documents, Texts
from inferpoint.model.results import Ranking, Usage


async def rerank(engine: Engine, request: Request) -> Response:
    """Documents by how well they answer a query, best first."""
    body = fields(request)
    model, query, documents = body.need("model", str), body.need("query", str), body.texts("documents")
    top_n = _top_n(body)
    body.end()
    if not documents:
        raise invalid("[documents] must be an array of at least one string")
    ranking = await _ranking(engine, request, model, Documents(query, documents, return_documents=False, top_n=top_n))
    results = [{"index": document.index, "relevance_score": document.score} for document in ranking.ranked]
    return json_response({"id": request.request_id, "results": results, "meta": _meta("2", ranking.usage)})


async def rerank_v1(engine: Engine, request: Request) -> Response:
    """Documents ranked in the older form: they may be objects with a `text`, and come back where they are asked for."""
    body = fields(request)
    model, query, texts = body.need("model", str), body.need("query", str), _documents(body)
    top_n, return_documents = _top_n(body), body.take("return_documents", bool) or False
    body.end()
    ranking = await _ranking(engine, request, model, Documents(query, texts, return_documents=False, top_n=top_n))
    results: list[dict[str, Any]] = []
    for document in ranking.ranked:
        row: dict[str, Any] = {"index": document.index, "relevance_score": document.score}
        results.append(row | {"document": {"text": texts[document.index]}} if return_documents else row)
    used = ranking.usage or Usage()
    usage = {"prompt_tokens": used.input, "total_tokens": used.input + used.output}
    meta = _meta("1", ranking.usage)
    return json_response({
        "id": request.request_id, "model": model, "results": results, "usage": usage, "meta": meta,
    })  # fmt: skip


async def _ranking(engine: Engine, request: Request, model: str, documents: Documents) -> Ranking:
    result = await engine.infer(engine.find(request.caller, model), request.inference(documents), TaskType.RERANK)
    assert isinstance(result, Ranking)
    return result


def _top_n(body: Fields) -> int | None:
    top_n = body.take("top_n", int)
    if top_n is not None and top_n < 1:
        raise invalid("[top_n] must be at least 1")
    return top_n


def _documents(body: Fields) -> Texts:
    values = body.array("documents")
    if not values:
        raise invalid("[documents] must be an array of at least one string, or object with a [text]")
    return tuple(_text(value, place) for place, value in enumerate(values))


def _text(value: Any, place: int) -> str:
    match value:
        case str():
            return value
        case {"text": str()} if len(value) == 1:
            return cast("str", value["text"])
        case _:
            raise invalid(f"[documents[{place}]] must be a string, or an object with a [text] and nothing else")


def _meta(version: str, usage: Usage | None) -> dict[str, Any]:
    meta: dict[str, Any] = {"api_version": {"version": version}}
    if usage is not None:
        meta["tokens"] = {"input_tokens": usage.input, "output_tokens": usage.output}
    return meta
