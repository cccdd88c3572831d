"""What a face's OpenAPI says beyond its table of routes, and the words in which schemas are written.

Members that a body may leave out may be null, too, which is as good as absent at every face.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inferpoint.model.json_schema import Schema, or_null

MEDIA_TYPE = "x-media-type"  # the member of a schema that says what it is of, where that is no JSON
Members = Mapping[str, Schema]

TEXT: Schema = {"type": "string"}
WORD: Schema = {"type": "string", "minLength": 1}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}
OBJECT: Schema = {"type": "object"}
ANYTHING: Schema = {}
REFUSED: Schema = {"enum": [False, 0, [], {}, None], "description": "Only what says no."}
TEXTS: Schema = {"type": "array", "items": TEXT}


@dataclass(frozen=True)
class Form:
    """What goes into a route and comes out of it, by the names of schemas: `takes` is empty where it takes no body.

    One that also `streams` answers events to whoever asks for them. A body that is `optional` may be left out.
    """

    takes: str = ""
    gives: str = ""
    streams: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Parameter:
    """A parameter of a path, or else of the place `at`."""

    about: str
    schema: Schema
    example: str = ""
    at: str = "query"


@dataclass(frozen=True)
class Description:
    """A face's title and text, its schemas and parameters by their names, and the names of the schemas of its errors.

    Schemas are made when they are asked for. The parameters called `common` are those of every route of the face.
    `media` are further types of its JSON, both ways.
    """

    title: str
    text: str
    schemas: Callable[[], Mapping[str, Schema]]
    errors: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    common: Sequence[str] = ()
    media: Sequence[str] = ()


def ref(name: str) -> Schema:
    """The schema called *name*."""
    return {"$ref": f"#/components/schemas/{name}"}


def asked(required: Members, optional: Members | None = None, *, more: Schema | bool = NULL, **about: Any) -> Schema:
    """An object of a request's body; *more* is what members of other names may be."""
    members = {name: or_null(form) if form and form is not REFUSED else form for name, form in (optional or {}).items()}
    return _object({**required, **members}, required) | {"additionalProperties": more} | about


def told(required: Members, optional: Members | None = None, **about: Any) -> Schema:
    """An object of an answer, which may come to have more members."""
    return _object({**required, **(optional or {})}, required) | about


def listed(items: Schema, least: int = 0, **about: Any) -> Schema:
    """An array of *items*, at *least* so many."""
    return {"type": "array", "items": items} | ({"minItems": least} if least else {}) | about


def one_of(*choices: str | int) -> Schema:
    """One of *choices*."""
    return {"enum": [*choices]}


def either(*forms: Schema, **about: Any) -> Schema:
    """What has one of *forms*."""
    return {"anyOf": [*forms]} | about


def by_name(values: Schema) -> Schema:
    """An object of *values* by any names."""
    return {"type": "object", "additionalProperties": values}


def text_of(media_type: str, about: str) -> Schema:
    """An answer that is no JSON."""
    return {**TEXT, MEDIA_TYPE: media_type, "description": about}


def events(about: str) -> Schema:
    """One event of a stream: its type and its data, as the media type's schema is of each."""
    return told({"data": TEXT}, {"event": TEXT}, description=about) | {MEDIA_TYPE: "text/event-stream"}


def _object(members: Members, required: Members) -> Schema:
    form: Schema = {"type": "object", "properties": dict(members)}
    return {**form, "required": [*required]} if required else form
