"""The person for whom a caller asks, as makers want to know to detect abuse: a task setting where the task has one."""

from __future__ import annotations

from dataclasses import replace

from inferpoint.engine.engine import Engine
from inferpoint.model import settings
from inferpoint.model.inference import InferenceRequest

USER = "user"


def asked_for(engine: Engine, model: str, request: InferenceRequest, user: str | None) -> InferenceRequest:
    """*request* for *user*. A task without such a setting may have a place for it on its wire, or refuses it."""
    if user is None:
        return request
    if USER in settings.described(engine.find(request.caller, model).task.options):
        return replace(request, options={**request.options, USER: user})
    return replace(request, params={**request.params, USER: user})
