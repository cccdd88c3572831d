"""The JSON schema of the configuration file, made from the declared settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inferpoint import services
from inferpoint.chunking import settings as chunking
from inferpoint.endpoints.sections import SERVICE_SETTINGS, TASK_SETTINGS
from inferpoint.model.cache import CacheSettings
from inferpoint.model.endpoint import TaskType
from inferpoint.model.setting import Setting
from inferpoint.model.settings import declared
from inferpoint.protocols.service import Task

Schema = dict[str, Any]

_TYPES: Mapping[type[Any], str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_TEXT: Schema = {"type": "string", "minLength": 1}
_REFERENCE: Schema = {"type": "string", "pattern": r"(^|[^$])\$\{"}
_ID: Schema = {**_TEXT, "description": "The id by which the endpoint is called."}
_ANY, _CACHE = "endpoint", "cache"
_ENDPOINTS = "The inference endpoints that the server is to have: a list, or an object by task_type/inference_id."


def schema(config: type[Any]) -> Schema:
    """The schema of a file with the settings that *config* declares, and the endpoints of every service."""
    every = [services.find(name) for name in services.names()]
    tasks = {(service.name, kind): task for service in every for kind, task in service.tasks.items()}
    definitions = {f"{service} {kind}": _endpoint(service, kind, task) for (service, kind), task in tasks.items()}
    of_type = {kind: [service for service, one in tasks if one is kind] for kind in TaskType}
    by_name = {f"^{kind}/.+$": _of_type(kind, those) for kind, those in of_type.items()}
    form = _object(declared(config), texts=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration file of Inferpoint",
        **form,
        "properties": {**form["properties"], "endpoints": _endpoints(by_name)},
        "$defs": {**definitions, _ANY: _of_any(tasks), chunking.SCOPE: _chunking(), _CACHE: _cache()},
    }


def _endpoints(by_name: Schema) -> Schema:
    """All endpoints, in either form; *by_name* are those whose name begins with a task type."""
    entry = {"$ref": f"#/$defs/{_ANY}"}
    named = {"type": "object", "patternProperties": {**by_name, "^[^/]+$": entry}, "additionalProperties": False}
    listed = {"type": "array", "items": {**entry, "required": ["inference_id"]}}
    return {"description": _ENDPOINTS, "anyOf": [named, listed, {"type": "null"}]}


def _of_any(tasks: Iterable[tuple[str, TaskType]]) -> Schema:
    """An endpoint that says of which task it is."""
    tasks = tuple(tasks)
    return {
        "type": "object",
        "required": ["service", "task_type"],
        "properties": {
            "service": {"enum": sorted({name for service, _ in tasks for name in _names(service)})},
            "task_type": {"enum": sorted({kind.value for _, kind in tasks})},
        },
        "allOf": [_if({"service": service, "task_type": kind}, f"{service} {kind}") for service, kind in tasks],
    }


def _of_type(kind: TaskType, names: Sequence[str]) -> Schema:
    """An endpoint of one task type, by one of the services called *names*."""
    return {
        "type": "object",
        "required": ["service"],
        "properties": {"service": {"enum": [one for name in names for one in _names(name)]}},
        "allOf": [_if({"service": service}, f"{service} {kind}") for service in names],
    }


def _names(service: str) -> list[str]:
    """All names by which a service is found, its own first."""
    return [service, *(alias for alias, name in services.ALIASES.items() if name == service)]


def _if(members: Mapping[str, str], name: str) -> Schema:
    """The definition called *name* for who has *members*, of which a service's name may be any of its own."""
    named = {member: _names(value) for member, value in members.items()}
    properties = {member: {"enum": values} if values[1:] else {"const": values[0]} for member, values in named.items()}
    return {"if": {"properties": properties, "required": [*members]}, "then": {"$ref": f"#/$defs/{name}"}}


def _endpoint(service: str, kind: TaskType, task: Task[Any, Any]) -> Schema:
    """An endpoint of one task of a service, in the form of a request's body."""
    properties: Schema = {
        "inference_id": _ID,
        "task_type": {"const": kind.value},
        "service": {"enum": _names(service)},
        SERVICE_SETTINGS: _object(declared(task.settings)),
        TASK_SETTINGS: _or_null(_object(declared(task.options))),
        chunking.SCOPE: {"$ref": f"#/$defs/{chunking.SCOPE}"},
        "aliases": {"type": ["array", "null"], "items": _TEXT, "description": "Other ids by which it is found."},
        "force": {"type": "boolean", "description": "Let an alias come to stand for vectors of another model."},
    }
    if kind.embeds:
        properties[_CACHE] = {"$ref": f"#/$defs/{_CACHE}"}
    return {
        "type": "object",
        "required": ["service", SERVICE_SETTINGS],
        "properties": properties,
        "additionalProperties": False,
    }


def _chunking() -> Schema:
    """The settings of one strategy or another; `sentence` where none is named."""
    forms: list[Schema] = []
    for name, record in chunking.STRATEGIES.items():
        form = _object(declared(record))
        form["properties"] = {"strategy": {"const": name}, **form["properties"]}
        default = chunking.Sentences.strategy
        forms.append(form if name == default else {**form, "required": ["strategy"]})
    return {"anyOf": [*forms, {"type": "null"}], "description": "How long texts are cut."}


def _cache() -> Schema:
    return {**_or_null(_object(declared(CacheSettings))), "description": "A cache of embeddings of its own."}


def _object(settings: Iterable[Setting], *, texts: bool = False) -> Schema:
    """An object of *settings*; with *texts* numbers may be references, too."""
    settings = tuple(settings)
    form: Schema = {
        "type": "object",
        "properties": {one.name: _value(one, texts=texts) for one in settings if not one.rest},
        "additionalProperties": False,
    }
    required = [one.name for one in settings if one.required]
    return {**form, "required": required} if required else form


def _value(setting: Setting, *, texts: bool) -> Schema:
    """What may be said of one setting."""
    form: Schema = _form(setting, texts=texts)
    if (texts and not setting.nested) or any(name in form for name in ("pattern", "enum")):
        form = {"anyOf": [form, _REFERENCE]}
    shown: Schema = {"description": setting.help}
    if isinstance(setting.default, int | float) or setting.default in setting.choices:  # other texts may be a machine's
        shown["default"] = setting.default
    return {**(form if setting.required else _or_null(form)), **shown}


def _form(setting: Setting, *, texts: bool) -> Schema:
    if setting.nested:
        return _object(declared(setting.kind), texts=texts)
    if setting.kind is dict:
        types = sorted({_TYPES[entry] for entry in setting.entries})
        of: Schema = {"type": types[0] if len(types) == 1 else types} if types else {}
        return {"type": "object", "minProperties": 1, "additionalProperties": of}
    if setting.kind is list:
        pair: Schema = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "string"}}
        return {"type": "array", "minItems": 1, "items": pair if setting.pairs else {"type": "string"}}
    form: Schema = {"type": _TYPES[setting.kind]}
    if setting.kind is str:
        form["minLength"] = 1
    if setting.pattern:
        form["pattern"] = f"^(?:{setting.pattern})$"
    if setting.choices:
        form |= {"pattern": _in_any_case(setting.choices)} if setting.any_case else {"enum": [*setting.choices]}
    bounds = {"minimum": setting.at_least, "maximum": setting.at_most, "exclusiveMinimum": setting.above}
    return {**form, **{name: bound for name, bound in bounds.items() if bound is not None}}


def _in_any_case(choices: Iterable[str | int]) -> str:
    """A pattern of *choices* in letters of any case, as every dialect of patterns reads it."""
    letters = (
        "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in str(one)) for one in choices
    )
    return f"^(?:{'|'.join(letters)})$"


def _or_null(form: Schema) -> Schema:
    """*form*, or null, which is as good as absent."""
    return (
        {**form, "type": [form["type"], "null"]}
        if isinstance(form.get("type"), str) and "enum" not in form
        else {"anyOf": [form, {"type": "null"}]}
    )
