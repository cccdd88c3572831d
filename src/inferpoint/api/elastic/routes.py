"""Elasticsearch's `_inference` API: its table of routes, and what each of them does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from inferpoint import services
from inferpoint.api.elastic import chat, errors, read, write
from inferpoint.api.elastic.chunks import CHUNKED
from inferpoint.api.elastic.form import check, finish, flag
from inferpoint.api.face import EVENT_STREAM, Answer, Face, Incoming, Route
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import ANY, TaskType, task_type
from inferpoint.model.inference import Delta, InferenceRequest

VERSION = "9.5.0"
_EVERY = ("_all", "*")


async def root(_engine: Engine, _incoming: Incoming) -> Answer:
    """What clients' `info()` and Kibana read; the version is that of the API's behaviour."""
    body = {
        "name": "inferpoint",
        "cluster_name": "inferpoint",
        "cluster_uuid": "_na_",
        "version": {
            "number": VERSION,
            "build_flavor": "default",
            "build_type": "pip",
            "build_hash": "unknown",
            "build_date": "2026-11-20T00:00:00.000Z",
            "build_snapshot": False,
            "lucene_version": "0.0.0",
            "minimum_wire_compatibility_version": "8.19.0",
            "minimum_index_compatibility_version": "8.0.0",
        },
        "tagline": "You Know, for Search",
    }
    return Answer(body=msgspec.json.encode(body))


async def put(engine: Engine, incoming: Incoming) -> Answer:
    """Create an endpoint."""
    kind = _type(incoming)  # a wrong path is told before a missing body
    made = await engine.lifecycle.create(
        incoming.caller,
        incoming.names["inference_id"],
        read.json_object(incoming),
        kind=kind,
        seconds=read.timeout(incoming.query),
        validate=not flag(incoming.query, "skip_validation"),
    )
    return write.endpoint(made, VERSION)


async def update(engine: Engine, incoming: Incoming) -> Answer:
    """Change an endpoint."""
    kind = _type(incoming)
    config = read.json_object(incoming)
    config.pop("timeout", None)  # the JavaScript client writes parameters it does not know into the body
    changed = await engine.lifecycle.update(
        incoming.caller, incoming.names["inference_id"], config, kind=kind, seconds=read.timeout(incoming.query)
    )
    return write.endpoint(changed, VERSION)


async def get(engine: Engine, incoming: Incoming) -> Answer:
    """One endpoint, all of them, or all of a task type."""
    inference_id, kind = incoming.names.get("inference_id", "_all"), _type(incoming)
    if inference_id in _EVERY:
        return write.endpoints(engine.lifecycle.all(incoming.caller, kind))
    return write.endpoints([engine.lifecycle.get(incoming.caller, inference_id, kind)])


async def delete(engine: Engine, incoming: Incoming) -> Answer:
    """Delete an endpoint. Nothing refers to one here, so `force` has nothing to force."""
    dry_run = flag(incoming.query, "dry_run")
    flag(incoming.query, "force")
    done = await engine.lifecycle.delete(
        incoming.caller, incoming.names["inference_id"], _type(incoming), dry_run=dry_run
    )
    body: dict[str, Any] = {"acknowledged": done, "pipelines": [], "indexes": []}
    return Answer(body=msgspec.json.encode({**body, "error_message": ""} if dry_run else body))


async def infer(engine: Engine, incoming: Incoming) -> Answer:
    """A whole result."""
    kind, body = _type(incoming), _body(engine, incoming)
    if body is TaskType.CHAT_COMPLETION:
        return await chat.infer(engine, incoming, kind)
    request = _request(engine, incoming, body)
    return write.result(await engine.infer(incoming.names["inference_id"], request, kind), body)


async def preview(engine: Engine, incoming: Incoming) -> Answer:
    """What would be the chunks of some texts, by an endpoint's settings or by the request's alone."""
    request, cutting = read.preview(incoming)
    if "inference_id" in incoming.names:
        found = await engine.preview_on(incoming.names["inference_id"], request, cutting, _type(incoming))
    else:
        found = await engine.preview(request.texts, cutting)
    return write.previews(found, with_text=cutting.return_text)


async def stream(engine: Engine, incoming: Incoming) -> Answer:
    """A result as it comes. The status is known with the first piece, so an error before it has its own."""
    kind = _type(incoming)
    try:
        body = _body(engine, incoming)
    except InferenceError as error:
        return errors.fail_stream(error)
    if body is TaskType.CHAT_COMPLETION:
        return await chat.stream(engine, incoming, kind)
    pieces = engine.stream(incoming.names["inference_id"], _request(engine, incoming, body), kind)
    try:
        first = await anext(pieces)
    except InferenceError as error:
        return errors.fail_stream(error)
    return Answer(content_type=EVENT_STREAM, headers={"cache-control": "no-cache"}, pieces=_events(first, pieces))


async def list_services(_engine: Engine, incoming: Incoming) -> Answer:
    """What there is to set, for every service or for those that do a task."""
    kind = _type(incoming)
    found = (services.find(name) for name in services.names())
    return write.services(service for service in found if kind is None or kind in service.tasks)


async def list_quotas(engine: Engine, incoming: Incoming) -> Answer:
    """How much of each provider may be used, and who waits for it."""
    return write.quotas(await engine.quotas(incoming.caller))


async def _events(first: Sequence[Delta], pieces: AsyncGenerator[Sequence[Delta], None]) -> AsyncGenerator[bytes, None]:
    """Events as the deltas come; `[DONE]` only after a whole answer."""
    try:
        yield write.deltas(first)
        async for deltas in pieces:
            yield write.deltas(deltas)
        yield write.DONE
    except InferenceError as error:
        yield errors.event(error)
    finally:
        await pieces.aclose()


def _type(incoming: Incoming) -> TaskType | None:
    """The task type in the path; `any` is any."""
    name = incoming.names.get("task_type")
    return None if name is None or name.strip().lower() == ANY else task_type(name)


def _body(engine: Engine, incoming: Incoming) -> TaskType:
    """The task type whose body is read: the one in the path, else the one that the endpoint has."""
    kind = _type(incoming)
    return kind or engine.find(incoming.caller, incoming.names["inference_id"]).endpoint.task_type


def _request(engine: Engine, incoming: Incoming, body: TaskType) -> InferenceRequest:
    """What to infer, of any body but a chat's."""
    if body is TaskType.RERANK:
        return read.rerank(incoming)
    named = _type(incoming)
    if body is TaskType.EMBEDDING:
        service = engine.find(incoming.caller, incoming.names["inference_id"]).service
        return read.inference(incoming, named, items_for=service.name)
    return read.inference(incoming, named)


_TIMEOUT = frozenset({"timeout"})
_INFER = frozenset({"timeout", CHUNKED, read.PARTIAL})
_PUT = frozenset({"timeout", "skip_validation"})
_UPDATE = frozenset({"timeout", "master_timeout"})
_DELETE = frozenset({"dry_run", "force"})

FACE = Face(
    routes=(
        Route("GET", "/", root),
        Route("GET", "/_inference", get),
        Route("GET", "/_inference/_all", get),
        Route("GET", "/_inference/_services", list_services),
        Route("GET", "/_inference/_services/{task_type}", list_services),
        Route("GET", "/_inference/_quotas", list_quotas),
        Route("GET", "/_inference/{inference_id}", get),
        Route("GET", "/_inference/{task_type}/{inference_id}", get),
        Route("PUT", "/_inference/{inference_id}", put, _PUT, takes_body=True),
        Route("PUT", "/_inference/{task_type}/{inference_id}", put, _PUT, takes_body=True),
        Route("PUT", "/_inference/{inference_id}/_update", update, _UPDATE, takes_body=True),
        Route("PUT", "/_inference/{task_type}/{inference_id}/_update", update, _UPDATE, takes_body=True),
        Route("DELETE", "/_inference/{inference_id}", delete, _DELETE),
        Route("DELETE", "/_inference/{task_type}/{inference_id}", delete, _DELETE),
        Route("POST", "/_inference/{inference_id}", infer, _INFER, takes_body=True, infers=True),
        Route("POST", "/_inference/{task_type}/{inference_id}", infer, _INFER, takes_body=True, infers=True),
        Route("POST", "/_inference/_chunk", preview, takes_body=True),
        Route("POST", "/_inference/{inference_id}/_chunk", preview, takes_body=True),
        Route("POST", "/_inference/{task_type}/{inference_id}/_chunk", preview, takes_body=True),
        Route("POST", "/_inference/{inference_id}/_stream", stream, _TIMEOUT, takes_body=True, infers=True),
        Route("POST", "/_inference/{task_type}/{inference_id}/_stream", stream, _TIMEOUT, takes_body=True, infers=True),
    ),
    check=check,
    fail=errors.fail,
    finish=finish,
    lost=errors.lost,
    wrong_method=errors.wrong_method,
)
