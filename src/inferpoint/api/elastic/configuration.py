"""`_inference/_apply` and `_export`: all endpoints at once, as configuration that is kept elsewhere."""

from __future__ import annotations

from typing import Any, cast

from inferpoint.api.elastic import read
from inferpoint.api.elastic.form import flag
from inferpoint.api.face import Request, Response, json_response
from inferpoint.endpoints.applying import Change, Order, applied
from inferpoint.endpoints.exporting import exported
from inferpoint.engine.engine import Engine
from inferpoint.errors import invalid

_MEMBER = "endpoints"
APPLY = frozenset({"dry_run", "prune", "skip_validation"})


async def apply(engine: Engine, request: Request) -> Response:
    """Make the endpoints what the body says, or only tell what would be changed."""
    order = Order(
        _configs(read.json_object(request)),
        prune=flag(request.query, "prune"),
        validate=not flag(request.query, "skip_validation"),
        dry_run=flag(request.query, "dry_run"),
    )
    changes = await applied(engine.lifecycle, request.manager, order)
    failed = any(change.error for change in changes)
    return json_response({"errors": failed, "changes": [_written(change) for change in changes]})


async def export(engine: Engine, request: Request) -> Response:
    """Every endpoint as it could be applied elsewhere, with references in place of secrets."""
    return json_response({_MEMBER: exported(engine.lifecycle.all(request.caller))})


def _configs(body: dict[str, Any]) -> list[dict[str, Any]]:
    configs = body.get(_MEMBER)
    if len(body) == 1 and isinstance(configs, list):
        objects = cast("list[Any]", configs)
        if all(isinstance(config, dict) for config in objects):
            return objects
    raise invalid(f"The body must hold [{_MEMBER}], a list of objects, and nothing else")


def _written(change: Change) -> dict[str, Any]:
    """A change as JSON."""
    differing = [{"setting": one.setting, "before": one.before, "after": one.after} for one in change.differences]
    written: dict[str, Any] = {
        "inference_id": change.inference_id,
        "action": change.action.value,
        "differences": differing,
    }
    return written if change.error is None else {**written, "error": change.error.whole()}
