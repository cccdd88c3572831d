"""Elasticsearch's `_inference` API: its table of routes, and the function of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, assert_never

from inferpoint import services
from inferpoint.access import actions
from inferpoint.api.elastic import chat, configuration, errors, read, secrets, write
from inferpoint.api.elastic.form import check, finish, flag
from inferpoint.api.elastic.openapi import DESCRIPTION
from inferpoint.api.face import Face, Request, Response, Route, json_response, streamed
from inferpoint.api.openapi.description import Form
from inferpoint.endpoints.resolved import Resolved
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import ANY, TaskType, task_type
from inferpoint.model.requests import InferenceRequest

VERSION = "9.5.0"
_EVERY = ("_all", "*")


async def root(_engine: Engine, _request: Request) -> Response:
    """The server as clients' `info()` and Kibana read it; the version is that of the API's behaviour."""
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
    return json_response(body)


async def put(engine: Engine, request: Request) -> Response:
    """Create an endpoint, or show how it would be tried."""
    kind = _type(request)  # a wrong path is told before a missing body
    if flag(request.query, "dry_run"):
        config = read.json_object(request)
        return write.draft(*engine.dry_run(request.caller, request.path_params["inference_id"], config, kind))
    resolved = await engine.lifecycle.create(
        request.manager,
        request.path_params["inference_id"],
        read.json_object(request),
        kind=kind,
        seconds=read.timeout(request.query),
        validate=not flag(request.query, "skip_validation"),
    )
    return write.endpoint(resolved, VERSION)


async def update(engine: Engine, request: Request) -> Response:
    """Change an endpoint."""
    kind = _type(request)
    read.timeout(request.query, "master_timeout")
    config = read.json_object(request)
    config.pop("timeout", None)  # the JavaScript client writes parameters it does not know into the body
    resolved = await engine.lifecycle.update(
        request.manager, request.path_params["inference_id"], config, kind=kind, seconds=read.timeout(request.query)
    )
    return write.endpoint(resolved, VERSION)


async def get(engine: Engine, request: Request) -> Response:
    """One endpoint, all of them, or all of a task type."""
    inference_id, kind = request.path_params.get("inference_id", "_all"), _type(request)
    if inference_id in _EVERY:
        return write.endpoints(engine.lifecycle.all(request.caller, kind))
    return write.endpoints([engine.lifecycle.get(request.caller, inference_id, kind)])


async def delete(engine: Engine, request: Request) -> Response:
    """Delete an endpoint. Nothing refers to one here, so `force` has nothing to force."""
    dry_run = flag(request.query, "dry_run")
    flag(request.query, "force")
    deleted = await engine.lifecycle.delete(
        request.manager, request.path_params["inference_id"], _type(request), dry_run=dry_run
    )
    body: dict[str, Any] = {"acknowledged": deleted, "pipelines": [], "indexes": []}
    return json_response({**body, "error_message": ""} if dry_run else body)


async def infer(engine: Engine, request: Request) -> Response:
    """A whole result."""
    kind, find = _type(request), _finder(engine, request)
    body = kind or find().endpoint.task_type
    if body is TaskType.CHAT_COMPLETION:
        return await chat.infer(engine, request, kind, find)
    inference = _inference(request, kind, body, find)
    resolved = find()
    result = await engine.infer(resolved, inference, kind)
    return write.result(result, body, resolved.element, packed=inference.packed)


async def stream(engine: Engine, request: Request) -> Response:
    """A result as it comes. The status is known with the first piece, so an error before it has its own."""
    kind, find = _type(request), _finder(engine, request)
    try:
        body = kind or find().endpoint.task_type
    except InferenceError as error:
        return errors.fail_stream(error)
    if body is TaskType.CHAT_COMPLETION:
        return await chat.stream(engine, request, kind, find)
    inference = _inference(request, kind, body, find)
    try:
        pieces = engine.stream(find(), inference, kind)
        return await streamed(pieces, write.deltas, lambda: write.DONE, errors.event)
    except InferenceError as error:
        return errors.fail_stream(error)


async def preview(engine: Engine, request: Request) -> Response:
    """The chunks that some texts would have, by an endpoint's settings or by the request's alone."""
    inference, chunking = read.preview(request)
    if "inference_id" in request.path_params:
        kind = _type(request)
        chunks = await engine.preview_on(_finder(engine, request)(), inference, chunking, kind)
    else:
        chunks = await engine.preview(inference.texts, chunking)
    return write.previews(chunks, with_text=chunking.return_text)


async def list_services(_engine: Engine, request: Request) -> Response:
    """The settings of every service, or of those that do a task."""
    kind = _type(request)
    every = (services.find(name) for name in services.names())
    return write.services(service for service in every if kind is None or kind in service.tasks)


async def list_quotas(engine: Engine, request: Request) -> Response:
    """How much of each provider may be used, and who waits for it."""
    return write.quotas(await engine.quotas(request.caller), await engine.callers(request.caller))


async def release_quota(engine: Engine, request: Request) -> Response:
    """End the pause of an endpoint's rate group."""
    return write.quotas([await engine.release(request.manager, request.path_params["inference_id"])])


def _type(request: Request) -> TaskType | None:
    """The task type in the path; `any` is any."""
    params = request.path_params
    return _named(params["task_type"]) if "task_type" in params else None


@lru_cache(100)
def _named(name: str) -> TaskType | None:
    return None if name.strip().lower() == ANY else task_type(name)


def _finder(engine: Engine, request: Request) -> Callable[[], Resolved]:
    """The endpoint in the path, looked up once, when it is first asked for.

    Elasticsearch reads a body before it looks for the endpoint, unless only the endpoint says how the body is read.
    """
    resolved: Resolved | None = None

    def find() -> Resolved:
        nonlocal resolved
        if resolved is None:
            resolved = engine.find(request.caller, request.path_params["inference_id"])
        return resolved

    return find


def _inference(
    request: Request, kind: TaskType | None, body: TaskType, find: Callable[[], Resolved]
) -> InferenceRequest:
    """The inference that a body asks for, but a chat, which has a file of its own.

    *kind* is the task type in the path, *body* the one whose body it is: that, else the one that the endpoint has.
    """
    match body:
        case TaskType.RERANK:
            return read.rerank(request)
        case TaskType.EMBEDDING:
            return read.inference(request, kind, items_for=find().service.name)
        case TaskType.TEXT_EMBEDDING | TaskType.SPARSE_EMBEDDING | TaskType.COMPLETION | TaskType.CHAT_COMPLETION:
            return read.inference(request, kind)
        case _:
            assert_never(body)


_TIMEOUT = frozenset({"timeout"})
_INFER = frozenset({"timeout", read.CHUNKED, read.PARTIAL})
_PUT = frozenset({"timeout", "skip_validation", "dry_run"})
_UPDATE = frozenset({"timeout", "master_timeout"})
_DELETE = frozenset({"dry_run", "force"})

_LISTED, _GONE = Form(gives="Endpoints"), Form(gives="Deleted")
_SERVICES, _QUOTAS = Form(gives="Services"), Form(gives="Quotas")
_TYPED, _CONFIG = Form("TypedEndpointConfig", "Made"), Form("EndpointConfig", "Made")
_CHANGE, _CHUNKS = Form("EndpointUpdate", "Endpoint"), Form("PreviewRequest", "Previews")
_WHOLE, _EVENTS = Form("InferenceRequest", "InferenceResult"), Form("InferenceRequest", streams="InferenceEvents")

FACE = Face(
    routes=(
        Route("GET", "/", root, form=Form(gives="Root"), action=actions.MAIN),
        Route("GET", "/_inference", get, form=_LISTED, action=actions.GET),
        Route("GET", "/_inference/_all", get, form=_LISTED, action=actions.GET),
        Route("GET", "/_inference/_services", list_services, form=_SERVICES, action=actions.SERVICES),
        Route("GET", "/_inference/_services/{task_type}", list_services, form=_SERVICES, action=actions.SERVICES),
        Route("GET", "/_inference/_quotas", list_quotas, form=_QUOTAS, action=actions.QUOTAS),
        Route(
            "POST",
            "/_inference/_apply",
            configuration.apply,
            configuration.APPLY,
            form=Form("ApplyRequest", "Applied"),
            action=actions.APPLY,
        ),
        Route("GET", "/_inference/_export", configuration.export, form=Form(gives="Exported"), action=actions.GET),
        *secrets.ROUTES,
        Route(
            "POST", "/_inference/{inference_id}/_quotas/_release", release_quota, form=_QUOTAS, action=actions.RELEASE
        ),
        Route("GET", "/_inference/{inference_id}", get, form=_LISTED, action=actions.GET),
        Route("GET", "/_inference/{task_type}/{inference_id}", get, form=_LISTED, action=actions.GET),
        Route("PUT", "/_inference/{inference_id}", put, _PUT, form=_TYPED, action=actions.PUT),
        Route("PUT", "/_inference/{task_type}/{inference_id}", put, _PUT, form=_CONFIG, action=actions.PUT),
        Route("PUT", "/_inference/{inference_id}/_update", update, _UPDATE, form=_CHANGE, action=actions.UPDATE),
        Route(
            "PUT",
            "/_inference/{task_type}/{inference_id}/_update",
            update,
            _UPDATE,
            form=_CHANGE,
            action=actions.UPDATE,
        ),
        Route("DELETE", "/_inference/{inference_id}", delete, _DELETE, form=_GONE, action=actions.DELETE),
        Route("DELETE", "/_inference/{task_type}/{inference_id}", delete, _DELETE, form=_GONE, action=actions.DELETE),
        Route("POST", "/_inference/{inference_id}", infer, _INFER, infers=True, form=_WHOLE),
        Route("POST", "/_inference/{task_type}/{inference_id}", infer, _INFER, infers=True, form=_WHOLE),
        Route("POST", "/_inference/_chunk", preview, form=_CHUNKS),
        Route("POST", "/_inference/{inference_id}/_chunk", preview, form=_CHUNKS),
        Route("POST", "/_inference/{task_type}/{inference_id}/_chunk", preview, form=_CHUNKS),
        Route("POST", "/_inference/{inference_id}/_stream", stream, _TIMEOUT, infers=True, form=_EVENTS),
        Route("POST", "/_inference/{task_type}/{inference_id}/_stream", stream, _TIMEOUT, infers=True, form=_EVENTS),
    ),
    words=errors.WORDS,
    fail=errors.fail,
    check=check,
    finish=finish,
    description=DESCRIPTION,
)
