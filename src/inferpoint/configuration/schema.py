"""The JSON schema of the configuration file, made from the declared settings."""

from __future__ import annotations

from typing import Any

from inferpoint.configuration import places
from inferpoint.configuration.places import Place
from inferpoint.endpoints.schemas import EndpointSchemas
from inferpoint.model.endpoint import TaskType
from inferpoint.model.json_schema import Schema, SettingSchemas, or_null
from inferpoint.model.settings import declared

_REFERENCE: Schema = {"type": "string", "pattern": r"(^|[^$])\$\{"}
_ANY = "endpoint"
_ENDPOINTS = "The inference endpoints that the server is to have: a list, or an object by task_type/inference_id."

_PLACES = "Where bulk jobs of the server may read and write, by names that their requests say."


def schema(config: type[Any]) -> Schema:
    """The schema of a file with the settings that *config* declares, and the endpoints of every service."""
    endpoints = EndpointSchemas("#/$defs/", SettingSchemas(_REFERENCE))
    form = SettingSchemas(_REFERENCE, everywhere=True).object(declared(config))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration file of Inferpoint",
        **form,
        "properties": {**form["properties"], "endpoints": _endpoints(endpoints), places.BULK: _bulk()},
        "$defs": {**endpoints.definitions(), _ANY: endpoints.of_any()},
    }


def _bulk() -> Schema:
    """The places of bulk jobs, by their names."""
    place = SettingSchemas(_REFERENCE, everywhere=True).object(declared(Place))
    by_name = {"type": "object", "patternProperties": {f"^(?:{places.NAME})$": place}, "additionalProperties": False}
    members = {places.PLACES: or_null({**by_name, "description": _PLACES})}
    return or_null({"type": "object", "properties": members, "additionalProperties": False})


def _endpoints(endpoints: EndpointSchemas) -> Schema:
    """All endpoints, in either form; those whose name begins with a task type need not say it."""
    by_name = {f"^{kind}/.+$": endpoints.of_type(kind) for kind in TaskType}
    entry = endpoints.ref(_ANY)
    named = {"type": "object", "patternProperties": {**by_name, "^[^/]+$": entry}, "additionalProperties": False}
    listed = {"type": "array", "items": {**entry, "required": ["inference_id"]}}
    return {"description": _ENDPOINTS, "anyOf": [named, listed, {"type": "null"}]}
