"""The JSON schemas of endpoints as users write them, made from the declarations of every service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inferpoint import services
from inferpoint.chunking import settings as chunking
from inferpoint.endpoints.sections import SERVICE_SETTINGS, TASK_SETTINGS
from inferpoint.model.cache import CacheSettings
from inferpoint.model.endpoint import TaskType
from inferpoint.model.json_schema import Schema, SettingSchemas, or_null
from inferpoint.model.price import Price
from inferpoint.model.settings import declared
from inferpoint.protocols.service import Task

CACHE, PRICE = "cache", "price"
_TEXT: Schema = {"type": "string", "minLength": 1}
_ID: Schema = {**_TEXT, "description": "The id by which the endpoint is called."}


class EndpointSchemas:
    """The endpoint of each task of each service, in the form of a request's body.

    Definitions refer to each other by their names, each behind `at`, which is where they will stand in a document.
    """

    def __init__(self, at: str, written: SettingSchemas) -> None:
        self._at = at
        self._written = written
        every = [services.find(name) for name in services.names()]
        self._tasks = {(service.name, kind): task for service in every for kind, task in service.tasks.items()}

    def definitions(self) -> Schema:
        """Every endpoint under the name of its service and task, and the sections that all have."""
        endpoints = {_name(*key): self._endpoint(*key, task) for key, task in self._tasks.items()}
        return {**endpoints, chunking.SCOPE: self._chunking(), CACHE: self._cache(), PRICE: self._price()}

    def ref(self, name: str) -> Schema:
        """A reference to the definition called *name*."""
        return {"$ref": f"{self._at}{name}"}

    def alternatives(self) -> list[Schema]:
        """A reference to each endpoint's definition."""
        return [self.ref(_name(*key)) for key in self._tasks]

    def of_any(self) -> Schema:
        """An endpoint that says of which task it is."""
        return {
            "type": "object",
            "required": ["service", "task_type"],
            "properties": {
                "service": {"enum": sorted({service for service, _ in self._tasks})},
                "task_type": {"enum": sorted({kind.value for _, kind in self._tasks})},
            },
            "allOf": [
                self._if({"service": service, "task_type": kind}, (service, kind)) for service, kind in self._tasks
            ],
        }

    def of_type(self, kind: TaskType) -> Schema:
        """An endpoint of one task type."""
        names = [service for service, one in self._tasks if one is kind]
        return {
            "type": "object",
            "required": ["service"],
            "properties": {"service": {"enum": names}},
            "allOf": [self._if({"service": service}, (service, kind)) for service in names],
        }

    def _if(self, members: Mapping[str, str], key: tuple[str, TaskType]) -> Schema:
        """The definition of *key* for who has *members*."""
        properties = {member: {"const": str(value)} for member, value in members.items()}
        return {"if": {"properties": properties, "required": [*members]}, "then": self.ref(_name(*key))}

    def _endpoint(self, service: str, kind: TaskType, task: Task[Any, Any]) -> Schema:
        properties: Schema = {
            "inference_id": _ID,
            "task_type": {"const": kind.value},
            "service": {"const": service},
            SERVICE_SETTINGS: self._written.object(declared(task.settings)),
            TASK_SETTINGS: or_null(self._written.object(declared(task.options))),
            chunking.SCOPE: self.ref(chunking.SCOPE),
            "aliases": {"type": ["array", "null"], "items": _TEXT, "description": "Other ids by which it is found."},
            PRICE: self.ref(PRICE),
            "force": {"type": "boolean", "description": "Let an alias come to stand for vectors of another model."},
        }
        if kind.embeds:
            properties[CACHE] = self.ref(CACHE)
        return {
            "type": "object",
            "required": ["service", SERVICE_SETTINGS],
            "properties": properties,
            "additionalProperties": False,
        }

    def _chunking(self) -> Schema:
        """The settings of one strategy or another; `sentence` where none is named."""
        forms: list[Schema] = []
        for name, record in chunking.STRATEGIES.items():
            form = self._written.object(declared(record))
            unsaid = name == chunking.Sentences.strategy
            strategy: Schema = {"enum": [name, None]} if unsaid else {"const": name}
            form["properties"] = {"strategy": strategy, **form["properties"]}
            forms.append(form if unsaid else {**form, "required": ["strategy"]})
        return {"anyOf": [*forms, {"type": "null"}], "description": "How long texts are cut."}

    def _cache(self) -> Schema:
        cache = or_null(self._written.object(declared(CacheSettings)))
        return {**cache, "description": "A cache of embeddings of its own."}

    def _price(self) -> Schema:
        price = or_null(self._written.object(declared(Price)))
        return {**price, "description": "What its provider charges, for budgets in dollars."}


def _name(service: str, kind: TaskType) -> str:
    return f"{service}.{kind}"
