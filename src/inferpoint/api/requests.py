"""Reading that the faces of model makers share: a body's members, and the person for whom a caller asks."""

from __future__ import annotations

from msgspec.structs import replace

from inferpoint.api.face import Request
from inferpoint.endpoints.resolved import Resolved
from inferpoint.model import settings
from inferpoint.model.fields import Fields
from inferpoint.model.requests import InferenceRequest

USER = "user"


def fields(request: Request) -> Fields:
    """The members of a request's body."""
    return Fields(request.object())


def for_user(resolved: Resolved, inference: InferenceRequest, user: str | None) -> InferenceRequest:
    """*inference* for the person *user*, whom makers want to know to detect abuse.

    A task setting where the task has one, or else a hint.
    """
    if user is None:
        return inference
    if USER in {setting.name for setting in settings.declared(resolved.task.options)}:
        return replace(inference, options={**inference.options, USER: user})
    return replace(inference, hints={**inference.hints, USER: user})
