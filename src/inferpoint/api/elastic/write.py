"""Results, endpoints and services as Elasticsearch writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

import msgspec
from msgspec.structs import asdict

from inferpoint.api.elastic import errors
from inferpoint.api.face import Response, json_response
from inferpoint.api.headers import FAILED, TOKENS, TRUNCATED
from inferpoint.endpoints.resolved import Resolved
from inferpoint.endpoints.sections import SERVICE_SETTINGS, TASK_SETTINGS
from inferpoint.engine.report import Quota
from inferpoint.errors import InferenceError
from inferpoint.model.budgets import CallerReport
from inferpoint.model.descriptions import described
from inferpoint.model.endpoint import Element, TaskType
from inferpoint.model.http import NOT_JSON, Call, Event, present
from inferpoint.model.quota import UNITS, Bucket
from inferpoint.model.results import (
    Chunk,
    ChunkedEmbeddings,
    Completion,
    Delta,
    Embeddings,
    InferenceResult,
    Previewed,
    Ranked,
    Ranking,
    SparseEmbeddings,
    Text,
    Usage,
)
from inferpoint.model.vectors import packed as base64
from inferpoint.protocols import sse
from inferpoint.protocols.service import Service

_TOKENS = {name: TOKENS.format(name) for name in Usage.__struct_fields__}
DONE = sse.written(Event(b"[DONE]", "message"))
_SUFFIX = {Element.FLOAT: "", Element.BYTE: "_bytes", Element.BIT: "_bits"}  # of the member of a dense result
_MEMBERS = {  # that hold the results of a task type; a chat has a form of its own
    TaskType.TEXT_EMBEDDING: "text_embedding",
    TaskType.SPARSE_EMBEDDING: "sparse_embedding",
    TaskType.EMBEDDING: "embeddings",
    TaskType.RERANK: "rerank",
    TaskType.COMPLETION: "completion",
}
_PIECE = sse.around({"completion": [{"delta": sse.SLOT}]}, "message")


def result(
    inferred: InferenceResult, kind: TaskType, element: Element = Element.FLOAT, *, packed: bool = False
) -> Response:
    """A whole result, its floats in base64 if *packed*.

    Its cost, and how many inputs were cut, have no place in the body, so headers tell them.
    """
    rows = _rows(inferred, packed=packed and element is Element.FLOAT)
    return json_response({_MEMBERS[kind] + _SUFFIX[element]: rows}, headers=_headers(inferred))


def _rows(inferred: InferenceResult, *, packed: bool) -> list[dict[str, Any]]:
    match inferred:
        case Embeddings(vectors):
            if packed:
                vectors = [None if vector is None else base64(vector) for vector in vectors]
            return _with_errors([{"embedding": vector} for vector in vectors], inferred.errors)
        case ChunkedEmbeddings(inputs):
            rows = [{"chunks": [_chunk(chunk, packed=packed) for chunk in chunks]} for chunks in inputs]
            return _with_errors(rows, inferred.errors)
        case SparseEmbeddings(weights):
            rows = [{"is_truncated": cut, "embedding": tokens} for tokens, cut in weights]
            return _with_errors(rows, inferred.errors)
        case Ranking(ranked):
            return [_ranked(document) for document in ranked]
        case Completion(choices):
            return [{"result": choice.text} for choice in choices]
        case _:
            assert_never(inferred)


def _with_errors(rows: list[dict[str, Any]], failed: Mapping[int, InferenceError]) -> list[dict[str, Any]]:
    """*rows* with the errors of inputs that could not be embedded in their places."""
    for index, error in failed.items():
        rows[index] = errors.item(error)
    return rows


def _headers(inferred: InferenceResult) -> dict[str, str]:
    usage = inferred.usage
    headers = {} if usage is None else {_TOKENS[name]: f"{count}" for name, count in asdict(usage).items() if count}
    match inferred:
        case Completion() | Ranking():
            return headers
        case Embeddings(cut=places) if places:
            headers[TRUNCATED] = str(len(places))
        case ChunkedEmbeddings(cut=count) if count:
            headers[TRUNCATED] = str(count)
        case _:
            pass
    if inferred.errors:
        headers[FAILED] = str(len(inferred.errors))
    return headers


def deltas(pieces: Sequence[Delta]) -> bytes:
    """One event for each piece of text."""
    return sse.repeated(_PIECE, [delta.text for delta in pieces if type(delta) is Text])


def endpoint(resolved: Resolved, version: str) -> Response:
    """One endpoint, as PUT answers it; what is taken but not wise comes as a `Warning`, which clients show."""
    warnings = ", ".join(f'299 Elasticsearch-{version} "{warning}"' for warning in resolved.warnings)
    return json_response(resolved.shown(), headers={"warning": warnings} if warnings else {})


def draft(resolved: Resolved, call: Call) -> Response:
    """An endpoint that is not kept, and the *call* that would try it, whose body is told as JSON where it is some."""
    try:
        body = msgspec.json.decode(call.body)
    except NOT_JSON:
        body = call.body.decode("utf-8", "replace")
    told = {"method": call.method, "url": call.url, "headers": call.headers, "body": body}
    return json_response({"endpoint": resolved.shown(), "call": told})


def endpoints(several: Iterable[Resolved]) -> Response:
    """Endpoints, as GET answers them, one or many."""
    return json_response({"endpoints": [resolved.shown() for resolved in several]})


def services(several: Iterable[Service]) -> Response:
    """The settings of each service: the union over its tasks, each setting with the tasks it is for."""
    told: list[dict[str, Any]] = [
        {
            "service": service.name,
            "name": service.title,
            "task_types": [kind.value for kind in service.tasks],
            "configurations": _configurations(service),
        }
        for service in several
    ]
    return json_response(told)


def _configurations(service: Service) -> dict[str, Any]:
    configurations: dict[str, Any] = {}
    for kind, task in service.tasks.items():
        for place, declared in ((SERVICE_SETTINGS, task.settings), (TASK_SETTINGS, task.options)):
            for name, setting in described(declared).items():
                told: dict[str, Any] = {**setting, "location": place, "supported_task_types": []}
                configurations.setdefault(name, told)["supported_task_types"].append(kind.value)
    return dict(sorted(configurations.items()))


def quotas(several: Iterable[Quota], callers: Sequence[CallerReport] = ()) -> Response:
    """Each rate group: its provider's last word beside what was configured, and the calls that wait in it.

    Beside them each of the *callers* with limits of its own, if there are any, and what is used of them.
    """
    told: dict[str, Any] = {"quotas": [_quota(quota) for quota in several]}
    if callers:
        told["callers"] = [{"caller": one.caller, "limits": _limits(one)} for one in callers]
    return json_response(told)


def _limits(report: CallerReport) -> dict[str, Any]:
    return {
        name: {"limit": one.limit, "used": one.used, "whole_in_seconds": round(one.whole_in, 3)}
        for name, one in report.limits.items()
    }


def _quota(quota: Quota) -> dict[str, Any]:
    standing = quota.standing
    configured = {f"{unit}_per_minute": getattr(standing.rate, unit) for unit in UNITS}
    return {
        "group": standing.group,
        "service": standing.service,
        "inference_ids": quota.inference_ids,
        "configured": {**configured, "burst": standing.rate.burst},
        "provider": {unit: _bucket(getattr(standing.told, unit)) for unit in UNITS},
        "paused_seconds": round(standing.paused, 3),
        "paused_because": standing.paused_because or None,
        "waiting": {
            lane: {"calls": count, "oldest_seconds": round(standing.oldest[lane], 3)}
            for lane, count in standing.waiting.items()
        },
        "breakers": quota.breakers,
    }


def _bucket(bucket: Bucket | None) -> dict[str, Any] | None:
    if bucket is None:
        return None
    return {"limit": bucket.limit, "remaining": bucket.remaining, "full_in_seconds": round(bucket.full_in, 3)}


def previews(inputs: Sequence[Sequence[Previewed]], *, with_text: bool) -> Response:
    """The chunks that each input would have."""
    rows = [{"chunks": [_previewed(chunk, with_text=with_text) for chunk in chunks]} for chunks in inputs]
    return json_response({"inputs": rows})


def _previewed(chunk: Previewed, *, with_text: bool) -> dict[str, Any]:
    return {name: value for name, value in asdict(chunk).items() if with_text or name != "text"}


def _chunk(chunk: Chunk, *, packed: bool) -> dict[str, Any]:
    """A chunk in the names under which `semantic_text` stores it."""
    dense = packed and isinstance(chunk.vector, msgspec.Raw)
    return present(
        {
            "start_offset": chunk.start_offset,
            "end_offset": chunk.end_offset,
            "text": chunk.text,
            "embeddings": base64(chunk.vector) if dense else chunk.vector,
        }
    )


def _ranked(document: Ranked) -> dict[str, Any]:
    return present({"index": document.index, "relevance_score": document.score, "text": document.text})
