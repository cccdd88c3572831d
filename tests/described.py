"""The OpenAPI document of all faces, and schemas in it as judges."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from inferpoint.api import operations
from inferpoint.api.elastic.jobs import JobRoutes
from inferpoint.api.elastic.security import Security
from inferpoint.api.face import Route
from inferpoint.api.openapi import routes
from inferpoint.app import faces


async def exposition() -> bytes:
    """No metrics."""
    return b""


FIRST, *OTHERS = faces()
MADE = (*Security(None).routes(), *JobRoutes(None).routes())  # type: ignore[arg-type]
FACES = (replace(FIRST, routes=(*FIRST.routes, *MADE)), *OTHERS)
WATCHING = operations.routes(exposition, stopping=lambda: False)
OWN = routes.routes(FACES, WATCHING)


@cache
def document() -> Any:
    """The document as it is answered."""
    return json.loads(asyncio.run(OWN[0].act(None, None)).body)  # type: ignore[arg-type]


def every() -> list[Route]:
    """All routes."""
    return [*(route for face in FACES for route in face.routes), *WATCHING, *OWN]


def operation(route: Route) -> Any:
    """What the document says of *route*."""
    return document()["paths"][route.path][route.method.lower()]


def resolved(value: Any) -> Any:
    """*value*, or what it refers to."""
    while "$ref" in value:
        *_, kind, name = value["$ref"].split("/")
        value = document()["components"][kind][name]
    return value


def problems(schema: Any, value: Any) -> list[str]:
    """What is wrong with *value* by a schema of the document."""
    validator = Draft202012Validator({**schema, "components": document()["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
