"""An endpoint's life: created, looked at, changed, deleted; tried once before it is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from inferpoint.engine.access import MANAGE, MONITOR, allow
from inferpoint.engine.caches import Caches
from inferpoint.engine.drafts import check_inference_id, created, updated
from inferpoint.engine.endpoints import ALIASES, CACHE, Endpoints, Resolved, being_changed
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model import settings
from inferpoint.model.chat import Conversation, said
from inferpoint.model.endpoint import TaskType, resolved_type
from inferpoint.model.inference import Caller, Documents, Embeddings, InferenceRequest, InferenceResult, Texts
from inferpoint.protocols import vectors

T = TypeVar("T")

_TEXTS = ("how big",)
# What Elasticsearch asks of an endpoint to see that it works.
PROBES: Mapping[TaskType, Texts | Documents | Conversation] = {
    **dict.fromkeys(TaskType, _TEXTS),
    TaskType.RERANK: Documents("test query", _TEXTS),
    TaskType.CHAT_COMPLETION: said(_TEXTS[0]),
}


class Probe(Protocol):
    """One inference on an endpoint that is not kept yet."""

    async def __call__(self, resolved: Resolved, request: InferenceRequest, /) -> InferenceResult:
        """The whole result."""
        ...


class Lifecycle:
    """Every change is tried first, then written, then seen: nothing half made is ever stored or shown."""

    def __init__(
        self, endpoints: Endpoints, caches: Caches, probe: Probe, *, validate: bool, largest_chunk: int
    ) -> None:
        self._endpoints = endpoints
        self._caches = caches
        self._probe = probe
        self._validate = validate
        self._largest_chunk = largest_chunk
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def get(self, caller: Caller, inference_id: str, kind: TaskType | None = None) -> Resolved:
        """One endpoint, by its id or an alias."""
        allow(caller, MONITOR, "cluster:monitor/xpack/inference/get")
        resolved = self._endpoints.find(inference_id)
        _refuse_other_type(resolved, kind)
        return resolved

    def all(self, caller: Caller, kind: TaskType | None = None) -> Sequence[Resolved]:
        """Every endpoint, or every one of a task type, by id."""
        allow(caller, MONITOR, "cluster:monitor/xpack/inference/get")
        return self._endpoints.all(kind)

    async def create(
        self,
        caller: Caller,
        inference_id: str,
        config: Mapping[str, Any],
        *,
        kind: TaskType | None = None,
        seconds: float | None = None,
        validate: bool = True,
    ) -> Resolved:
        """Check *config*, try it once, keep it. Nothing is kept unless all of that went well."""
        allow(caller, MANAGE, "cluster:admin/xpack/inference/put")
        check_inference_id(inference_id)
        wanted = resolved_type(kind, config.get("task_type"))
        if wanted is None:
            raise invalid("model is missing required setting [task_type]")
        draft = created(inference_id, wanted, config, largest_chunk=self._largest_chunk)
        async with self._lock(inference_id):  # of two at once the second finds the first
            self._endpoints.refuse_duplicate(inference_id)
            self._endpoints.refuse_taken_aliases(draft.endpoint)
            if validate and self._validate:
                draft = await self._tried(draft, caller, seconds)
            await _written(self._endpoints.add(draft))
        return draft

    async def update(
        self,
        caller: Caller,
        inference_id: str,
        config: Mapping[str, Any],
        *,
        kind: TaskType | None = None,
        seconds: float | None = None,
    ) -> Resolved:
        """Change what may be changed, secrets included, after trying it. Aliases, a cache or no change cost nothing."""
        allow(caller, MANAGE, "cluster:admin/xpack/inference/update")
        check_inference_id(inference_id)
        wanted = _update_type(kind, config)
        lock = self._lock(inference_id)
        if lock.locked():
            raise being_changed(inference_id)
        async with lock:
            resolved = self._to_update(inference_id, config, wanted)
            draft = updated(resolved, config, largest_chunk=self._largest_chunk)
            if draft is not resolved:
                self._endpoints.refuse_taken_aliases(draft.endpoint)
                if self._validate and not draft.endpoint.same_to_providers(resolved.endpoint):
                    draft = await self._tried(draft, caller, seconds)
                await _written(self._replace(resolved, draft))
        return draft

    async def delete(
        self, caller: Caller, inference_id: str, kind: TaskType | None = None, *, dry_run: bool = False
    ) -> bool:
        """Forget an endpoint and say so; with *dry_run* only check that it could be."""
        allow(caller, MANAGE, "cluster:admin/xpack/inference/delete")
        async with self._lock(inference_id):
            while True:
                if not self._endpoints.unusable(inference_id):
                    _refuse_other_type(self._endpoints.own(inference_id), kind)
                if dry_run:
                    return False
                if await _written(self._remove(inference_id)):
                    return True

    async def _tried(self, draft: Resolved, caller: Caller, seconds: float | None) -> Resolved:
        """*draft* after one call, with the length of its vectors as that call found it."""
        endpoint = draft.endpoint
        try:
            result = await self._probe(
                draft, InferenceRequest(PROBES[endpoint.task_type], timeout=seconds, caller=caller)
            )
        except InferenceError as error:
            problem = "Could not complete inference endpoint creation as validation call to service threw an exception."
            raise invalid(problem) from error
        if not isinstance(result, Embeddings):
            return draft
        found, wanted = vectors.length(result.vectors[0]), getattr(endpoint.settings, "dimensions", None)
        if wanted not in (None, found):
            raise invalid(
                f"The retrieved embeddings size [{found}] does not match the size specified in the settings"
                f" [{wanted}]. Please recreate the [{endpoint.inference_id}] configuration with the correct dimensions"
            )
        return replace(draft, endpoint=replace(endpoint, dimensions=found))

    async def _replace(self, before: Resolved, after: Resolved) -> None:
        await self._endpoints.replace(before, after)
        await self._caches.sweep()

    async def _remove(self, inference_id: str) -> bool:
        removed = await self._endpoints.remove(inference_id)
        await self._caches.sweep()
        return removed

    def _to_update(self, inference_id: str, config: Mapping[str, Any], wanted: TaskType | None) -> Resolved:
        if not self._endpoints.exists(inference_id):
            problem = f"The inference endpoint [{inference_id}] does not exist and cannot be updated"
            raise InferenceError(Kind.NOT_FOUND, problem)
        resolved = self._endpoints.own(inference_id)
        if wanted not in (None, resolved.endpoint.task_type):
            raise invalid("Task type must match the task type of the existing endpoint")
        if config.get("service", resolved.service.name) != resolved.service.name:
            raise _not_updatable({"service": config["service"]})
        return resolved

    def _lock(self, inference_id: str) -> asyncio.Lock:
        return self._changing.setdefault(inference_id, asyncio.Lock())


async def _written(write: Coroutine[Any, Any, T]) -> T:
    """Wait for *write*, which goes on to its end when the caller leaves: memory and store stay the same.

    The wait ends with it, so that whoever changes the endpoint next finds it done.
    """
    writing = asyncio.ensure_future(write)
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        with contextlib.suppress(InferenceError):
            await asyncio.shield(writing)
        raise


def _refuse_other_type(resolved: Resolved, kind: TaskType | None) -> None:
    stored = resolved.endpoint.task_type
    if kind not in (None, stored):
        raise invalid(f"Requested task type [{kind}] does not match the inference endpoint's task type [{stored}]")


def _update_type(kind: TaskType | None, config: Mapping[str, Any]) -> TaskType | None:
    """The task type that an update names, once its form is known to be right."""
    if not config:
        raise invalid("Request body is empty")
    sections = ("service_settings", "task_settings", "chunking_settings")
    allowed = ("service", "task_type", *sections, ALIASES, CACHE)
    if extra := {name: value for name, value in config.items() if name not in allowed}:
        raise _not_updatable(extra)
    for name in sections:
        if not isinstance(config.get(name, {}), dict):
            raise invalid(f"Unable to parse [{name}] in the request [{settings.as_java(config)}]")
    if not isinstance(config.get("task_type", ""), str):
        raise invalid(f"Failed to parse [task_type] in update request [{settings.as_java(config)}]")
    return resolved_type(kind, config.get("task_type"))


def _not_updatable(fields: Mapping[str, Any]) -> InferenceError:
    shown = settings.as_java(fields)
    return invalid(f"Request contained fields which cannot be updated, remove these fields and try again [{shown}]")
