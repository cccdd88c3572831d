"""Endpoints as Anthropic lists its models. https://docs.anthropic.com/en/api/models-list."""

from __future__ import annotations

from typing import Any

from inferpoint.api.anthropic import errors
from inferpoint.api.face import Request, Response, json_response
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, invalid

VERSION = "anthropic-version"
_USUAL, _MOST = 20, 1000
_CREATED = "1970-01-01T00:00:00Z"  # what Anthropic says where a day is not known


def wanted(request: Request) -> bool:
    """Whether a client of Anthropic's asks: the paths of its models are OpenAI's too."""
    return VERSION in request.headers


async def answer(engine: Engine, request: Request) -> Response:
    """One page of the endpoints under each of their names, or the one whose name the path holds."""
    try:
        name = "/".join(request.path_params.values())
        if not name:
            return json_response(_page(engine, request))
        engine.lifecycle.get(request.caller, name)
        return json_response(_model(name))
    except InferenceError as error:
        return errors.fail(error, request)


def _page(engine: Engine, request: Request) -> dict[str, Any]:
    endpoints = [resolved.endpoint for resolved in engine.lifecycle.all(request.caller)]
    names = [name for endpoint in endpoints for name in (endpoint.inference_id, *endpoint.aliases)]
    limit, query = _limit(request), request.query
    if "before_id" in query:
        end = _place(names, "before_id", query["before_id"])
        page, more = names[max(0, end - limit) : end], end > limit
    else:
        begin = _place(names, "after_id", query["after_id"]) + 1 if "after_id" in query else 0
        page, more = names[begin : begin + limit], len(names) > begin + limit
    ends = {"first_id": page[0] if page else None, "last_id": page[-1] if page else None}
    return {"data": [_model(name) for name in page], "has_more": more, **ends}


def _limit(request: Request) -> int:
    text = request.query.get("limit", str(_USUAL))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST):
        raise invalid(f"[limit] must be an integer from 1 to {_MOST}, not [{text}]")
    return int(text)


def _place(names: list[str], parameter: str, name: str) -> int:
    if name not in names:
        raise invalid(f"[{parameter}] is [{name}], which is no model")
    return names.index(name)


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED, "lifecycle": "active"}
