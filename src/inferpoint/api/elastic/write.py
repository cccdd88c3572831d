"""Results, endpoints and services as Elasticsearch writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from inferpoint.api.elastic import errors
from inferpoint.api.face import CUT_HEADER, Answer
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.report import Quota
from inferpoint.errors import InferenceError
from inferpoint.model import settings
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Event
from inferpoint.model.inference import (
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
)
from inferpoint.model.quota import Bucket
from inferpoint.protocols import sse
from inferpoint.protocols.service import Service

DONE = sse.written(Event(b"[DONE]", "message"))
_FAILED = "x-inferpoint-failed"  # how many inputs of a partial request have an error
_USED = "x-inferpoint-{}-tokens"
_VECTORS = {
    TaskType.TEXT_EMBEDDING: "text_embedding",
    TaskType.SPARSE_EMBEDDING: "sparse_embedding",
    TaskType.EMBEDDING: "embeddings",
}


def result(inferred: InferenceResult, kind: TaskType) -> Answer:
    """A whole result. What it cost, and how many inputs were cut, have no place in the body, so headers say it."""
    match inferred:
        case Embeddings(vectors):
            found = [{"embedding": vector} for vector in vectors]
            body: dict[str, Any] = {_VECTORS[kind]: _with_errors(found, inferred.errors)}
        case ChunkedEmbeddings(inputs):
            found = [{"chunks": [_chunk(each) for each in chunks]} for chunks in inputs]
            body = {_VECTORS[kind]: _with_errors(found, inferred.errors)}
        case SparseEmbeddings(weights):
            found = [{"is_truncated": cut, "embedding": each} for each, cut in weights]
            body = {_VECTORS[kind]: _with_errors(found, inferred.errors)}
        case Ranking(ranked):
            body = {"rerank": [_ranked(each) for each in ranked]}
        case Completion(choices):
            body = {"completion": [{"result": choice.text} for choice in choices]}
    return Answer(body=msgspec.json.encode(body), headers=_headers(inferred))


def _with_errors(found: list[dict[str, Any]], failed: Mapping[int, InferenceError]) -> list[dict[str, Any]]:
    """*found* with the errors of those that could not be embedded in their places."""
    for index, error in failed.items():
        found[index] = errors.item(error)
    return found


def _headers(inferred: InferenceResult) -> dict[str, str]:
    headers: dict[str, str] = {}
    if inferred.usage is not None:
        headers = {_USED.format(name): str(count) for name, count in vars(inferred.usage).items() if count}
    match inferred:
        case Embeddings(cut=places) if places:
            headers[CUT_HEADER] = str(len(places))
        case ChunkedEmbeddings(cut=count) if count:
            headers[CUT_HEADER] = str(count)
        case _:
            pass
    match inferred:
        case Embeddings() | ChunkedEmbeddings() | SparseEmbeddings() if inferred.errors:
            headers[_FAILED] = str(len(inferred.errors))
        case _:
            pass
    return headers


def deltas(found: Sequence[Delta]) -> bytes:
    """One event for each piece of text."""
    texts = (delta.text for delta in found if isinstance(delta, Text))
    return b"".join(
        sse.written(Event(msgspec.json.encode({"completion": [{"delta": text}]}), "message")) for text in texts
    )


def endpoint(resolved: Resolved, version: str) -> Answer:
    """One endpoint, as PUT answers it; what is taken but not wise comes as a `Warning`, which clients show."""
    warnings = ", ".join(f'299 Elasticsearch-{version} "{warning}"' for warning in resolved.warnings)
    return Answer(body=msgspec.json.encode(resolved.shown()), headers={"warning": warnings} if warnings else {})


def endpoints(found: Iterable[Resolved]) -> Answer:
    """Endpoints, as GET answers them, one or many."""
    return Answer(body=msgspec.json.encode({"endpoints": [resolved.shown() for resolved in found]}))


def services(found: Iterable[Service]) -> Answer:
    """What there is to set for each service: the union over its tasks, each setting with the tasks it is for."""
    described = [
        {
            "service": service.name,
            "name": service.title,
            "task_types": [kind.value for kind in service.tasks],
            "configurations": _configurations(service),
        }
        for service in found
    ]
    return Answer(body=msgspec.json.encode(described))


def _configurations(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, task in service.tasks.items():
        for name, setting in {**settings.described(task.settings), **settings.described(task.options)}.items():
            found.setdefault(name, {**setting, "supported_task_types": []})["supported_task_types"].append(kind.value)
    return dict(sorted(found.items()))


def quotas(found: Iterable[Quota]) -> Answer:
    """How each rate group stands: what its provider told last beside what was configured, and who waits in it."""
    return Answer(body=msgspec.json.encode({"quotas": [_quota(each) for each in found]}))


def _quota(quota: Quota) -> dict[str, Any]:
    standing = quota.standing
    return {
        "group": standing.group,
        "service": standing.service,
        "inference_ids": quota.inference_ids,
        "configured": {
            "requests_per_minute": standing.rate.requests,
            "tokens_per_minute": standing.rate.tokens,
            "burst": standing.rate.burst,
        },
        "provider": {"requests": _bucket(standing.told.requests), "tokens": _bucket(standing.told.tokens)},
        "paused_seconds": round(standing.paused, 3),
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


def previews(found: Sequence[Sequence[Previewed]], *, with_text: bool) -> Answer:
    """What would be the chunks of each input."""
    inputs = [{"chunks": [_previewed(each, with_text=with_text) for each in chunks]} for chunks in found]
    return Answer(body=msgspec.json.encode({"inputs": inputs}))


def _previewed(each: Previewed, *, with_text: bool) -> dict[str, Any]:
    return {name: value for name, value in vars(each).items() if with_text or name != "text"}


def _chunk(each: Chunk) -> dict[str, Any]:
    """A chunk in the names under which `semantic_text` stores it."""
    found: dict[str, Any] = {"start_offset": each.start_offset, "end_offset": each.end_offset}
    if each.text is not None:
        found["text"] = each.text
    return {**found, "embeddings": each.vector}


def _ranked(each: Ranked) -> dict[str, Any]:
    found: dict[str, Any] = {"index": each.index, "relevance_score": each.score}
    return found if each.text is None else {**found, "text": each.text}
