"""OpenAPI 3.1 of all faces, made from their tables of routes, their words for errors and their descriptions."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inferpoint.api.face import JSON, Face, Route
from inferpoint.api.headers import ERROR, REQUEST_ID
from inferpoint.api.openapi.description import MEDIA_TYPE, TEXT, Description, Schema
from inferpoint.errors import Kind
from inferpoint.version import __version__

_PARTS = re.compile(r"\{(\w+)\}")
_ABOUT = (
    "One server for every model provider, at which the clients of Elasticsearch, OpenAI, Anthropic and Cohere work as"
    " they are. Each face has paths, bodies and errors of its own; the endpoints behind them are the same. A"
    " server on which no key was made asks for none."
)
_SECURITY: Mapping[str, Schema] = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`ApiKey` and an encoded key, as Elasticsearch's clients send it.",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "An encoded key, as OpenAI's clients send it."},
    "Basic": {"type": "http", "scheme": "basic", "description": "For clients that know nothing else."},
    "XApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "An encoded key, as Anthropic's clients send it.",
    },
}
# The headers of every answer, of every error and of every inference.
_OF_ALL = {REQUEST_ID: "The id under which the log has the request."}
_OF_ERRORS = {
    ERROR: "The kind of the error, the same at every face.",
    "retry-after": "In how many seconds to ask again, where that is known.",
}
_OF_INFERENCES = {
    "x-inferpoint-calls": "How many calls of providers it took.",
    "x-inferpoint-attempts": "How often they were sent.",
    "x-inferpoint-queue-ms": "How long it waited for its turn, in milliseconds.",
    "x-inferpoint-upstream-ms": "How long providers took, in milliseconds.",
}
_HEADERS: Mapping[str, str] = _OF_ALL | _OF_ERRORS | _OF_INFERENCES
_MEANINGS: Mapping[Kind, str] = {
    Kind.INVALID: "the request is wrong",
    Kind.CONTEXT_OVERFLOW: "the prompt is longer than the model takes",
    Kind.UNAUTHENTICATED: "nobody knows who asks",
    Kind.FORBIDDEN: "the caller may not do this",
    Kind.NOT_FOUND: "there is no such endpoint or model",
    Kind.NO_ROUTE: "there is no such path",
    Kind.WRONG_METHOD: "the path is not for this method",
    Kind.CONFLICT: "there is one already, or it is being changed",
    Kind.TOO_LARGE: "more is sent than is taken",
    Kind.UNSUPPORTED: "the service cannot do this",
    Kind.RATE_LIMITED: "a limit is reached",
    Kind.OVERLOADED: "there is no room now",
    Kind.TIMED_OUT: "the time is over",
    Kind.CUT_OFF: "the provider cannot be reached, or breaks off",
    Kind.UNREADABLE: "the provider's answer cannot be read",
    Kind.INTERNAL: "the server failed",
}


def document(faces: Sequence[tuple[Face, Description, Sequence[Route]]]) -> Schema:
    """The document of *faces*, each with a description and the routes that it is of."""
    schemas = {name: schema for _, description, _ in faces for name, schema in description.schemas().items()}
    paths: dict[str, Schema] = {}
    responses: dict[str, Schema] = {}
    for face, description, routes in faces:
        failures = _failures(face, description, schemas)
        responses |= {_slug(description, status): response for status, response in failures.items()}
        errors = {status: {"$ref": f"#/components/responses/{_slug(description, status)}"} for status in failures}
        for route in routes:
            operation = _operation(route, description, errors, schemas)
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    descriptions = [description for _, description, _ in faces]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Inferpoint", "version": __version__, "description": _ABOUT},
        "servers": [{"url": ".", "description": "The server that answered with this document."}],
        "security": [{name: []} for name in _SECURITY],
        "tags": [{"name": one.title, "description": one.text} for one in descriptions],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "headers": {name: {"description": about, "schema": TEXT} for name, about in _HEADERS.items()},
            "securitySchemes": dict(_SECURITY),
        },
    }


def _operation(route: Route, description: Description, errors: Schema, schemas: Mapping[str, Schema]) -> Schema:
    summary, _, text = inspect.cleandoc(route.act.__doc__ or "").partition("\n\n")
    operation: Schema = {
        "tags": [description.title],
        "summary": " ".join(summary.split()).rstrip("."),
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "parameters": _parameters(route, description),
    }
    if text:
        operation["description"] = text
    if route.keyless:
        operation["security"] = []
    if route.form.takes:
        content = {media: {"schema": _ref(route.form.takes)} for media in (JSON, *description.media)}
        operation["requestBody"] = {"required": not route.form.optional, "content": content}
    headers = _headers([*_OF_ALL, *_OF_INFERENCES] if route.infers else _OF_ALL)
    content = _content(filter(None, (route.form.gives, route.form.streams)), description, schemas)
    answer = {"description": "What was asked for.", "headers": headers, "content": content}
    return {**operation, "responses": {"200": answer, **errors}}


def _parameters(route: Route, description: Description) -> list[Schema]:
    of_path = _PARTS.findall(route.path)
    names = [*of_path, *sorted(route.parameters), *description.common]
    return [_parameter(name, description, in_path=name in of_path) for name in names]


def _parameter(name: str, description: Description, *, in_path: bool) -> Schema:
    parameter = description.parameters[name]
    written: Schema = {
        "name": name,
        "in": "path" if in_path else parameter.at,
        "description": parameter.about,
        "schema": parameter.schema,
    }
    if in_path:
        written["required"] = True
    return {**written, "example": parameter.example} if parameter.example else written


def _content(names: Iterable[str], description: Description, schemas: Mapping[str, Schema]) -> Schema:
    """Answers of the schemas called *names* by their media types."""
    content: Schema = {}
    for name in names:
        media = schemas[name].get(MEDIA_TYPE)
        content |= {one: {"schema": _ref(name)} for one in ((media,) if media else (JSON, *description.media))}
    return content


def _failures(face: Face, description: Description, schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The answers of *face* to errors by their statuses; the rest are those of providers."""
    meanings: dict[str, list[str]] = {}
    for kind, words in face.words.items():
        meanings.setdefault(str(words.status), []).append(_MEANINGS[kind])
    told = {status: f"{'; '.join(several).capitalize()}." for status, several in sorted(meanings.items())}
    told["default"] = "What else went wrong, by the status of the provider that refused."
    content, headers = _content(description.errors, description, schemas), _headers([*_OF_ALL, *_OF_ERRORS])
    return {status: {"description": about, "headers": headers, "content": content} for status, about in told.items()}


def _headers(names: Iterable[str]) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _slug(description: Description, status: Any) -> str:
    return f"{description.title}.{status}"
