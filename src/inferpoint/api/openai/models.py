"""Endpoints as OpenAI lists models, each under its id and each of its aliases."""

from __future__ import annotations

from typing import Any

from inferpoint.api.anthropic import models as anthropic_models
from inferpoint.api.face import Request, Response, json_response
from inferpoint.engine.engine import Engine
from inferpoint.model.endpoint import Endpoint


async def models(engine: Engine, request: Request) -> Response:
    """Every endpoint, whatever its task, under each of its names."""
    if anthropic_models.wanted(request):
        return await anthropic_models.answer(engine, request)
    endpoints = [resolved.endpoint for resolved in engine.lifecycle.all(request.caller)]
    data = [_model(name, endpoint) for endpoint in endpoints for name in (endpoint.inference_id, *endpoint.aliases)]
    return json_response({"object": "list", "data": data})


async def model(engine: Engine, request: Request) -> Response:
    """One endpoint as a model, also by an alias with a slash that a client does not escape."""
    if anthropic_models.wanted(request):
        return await anthropic_models.answer(engine, request)
    name = "/".join(request.path_params.values())
    return json_response(_model(name, engine.lifecycle.get(request.caller, name).endpoint))


def _model(name: str, endpoint: Endpoint) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": endpoint.service}
