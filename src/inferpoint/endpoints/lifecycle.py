"""An endpoint's life: created, looked at, changed, deleted; tried once before it is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from inferpoint import services
from inferpoint.endpoints import document, spaces
from inferpoint.endpoints.access import MANAGE, MONITOR, allow
from inferpoint.endpoints.caches import Caches
from inferpoint.endpoints.directory import Endpoints, being_changed
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType, check_inference_id, resolved_type
from inferpoint.model.requests import Caller, InferenceRequest
from inferpoint.model.results import Embeddings, InferenceResult
from inferpoint.model.times import human
from inferpoint.protocols import vectors

T = TypeVar("T")
Probe = Callable[[Resolved, InferenceRequest], Coroutine[Any, Any, InferenceResult]]

TRIAL_PATIENCE = 5.0  # seconds for which a trial call waits: whoever creates an endpoint is told when to come again
_BUSY = (Kind.RATE_LIMITED, Kind.OVERLOADED)


class Lifecycle:
    """Changes of endpoints, each tried first, then written, then seen: nothing half made is ever stored or shown.

    *probe* makes one inference on an endpoint that is not kept yet; without *validate* nothing is tried. *release* ends
    the pause of a rate group, for those that lose their endpoints.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        caches: Caches,
        probe: Probe,
        release: Callable[[str], None],
        *,
        validate: bool,
        largest_chunk: int,
    ) -> None:
        self._endpoints = endpoints
        self._caches = caches
        self._probe = probe
        self._release = release
        self._validate = validate
        self._largest_chunk = largest_chunk
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._writes: set[asyncio.Task[Any]] = set()

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

    def stored(self, caller: Caller, inference_id: str) -> Resolved | None:
        """The endpoint of that very id, if there is one; `INTERNAL` for one that cannot be used."""
        allow(caller, MONITOR, "cluster:monitor/xpack/inference/get")
        return self._endpoints.own(inference_id) if self._endpoints.exists(inference_id) else None

    def parsed(self, inference_id: str, config: Mapping[str, Any], kind: TaskType | None = None) -> Resolved:
        """The endpoint that *config* describes, neither tried nor kept; `INVALID` with every problem."""
        check_inference_id(inference_id)
        task_type = resolved_type(kind, config.get("task_type"))
        if task_type is None:
            raise invalid("model is missing required setting [task_type]")
        return document.parse(inference_id, task_type, config, largest_chunk=self._largest_chunk)

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
        draft = self.parsed(inference_id, config, kind)
        ask = self._ask(caller, seconds) if validate and self._validate else None
        async with self._lock(inference_id):  # of two at once the second finds the first
            self._endpoints.refuse_duplicate(inference_id)
            self._endpoints.refuse_taken_aliases(draft.endpoint)
            if ask is not None:
                draft = await self._tried(draft, ask, draft.endpoint.dimensions)
            if not document.forced(config):
                await self._refuse_other_spaces(draft, (), ask)
            await self._written(self._endpoints.add(draft))
        return draft

    async def update(
        self,
        caller: Caller,
        inference_id: str,
        config: Mapping[str, Any],
        *,
        kind: TaskType | None = None,
        seconds: float | None = None,
        validate: bool = True,
    ) -> Resolved:
        """Change what may be changed, secrets included, after trying it; what no provider sees costs nothing.

        An alias of another endpoint moves to this one, in one step with all else; one of embeddings only to vectors
        that compare with those that it stood for, or when *config* says to `force` it.
        """
        allow(caller, MANAGE, "cluster:admin/xpack/inference/update")
        check_inference_id(inference_id)
        document.check_update(config)
        task_type = resolved_type(kind, config.get("task_type"))
        lock = self._lock(inference_id)
        if lock.locked():
            raise being_changed(inference_id)
        async with lock:
            resolved = self._to_update(inference_id, config, task_type)
            draft = document.merge(resolved, config, largest_chunk=self._largest_chunk)
            if draft is not resolved:
                losing = self._endpoints.losing(draft.endpoint)
                if draft.secrets != resolved.secrets and draft.group == resolved.group:
                    self._release(draft.group)  # another key in a queue that does not tell keys apart
                ask = self._ask(caller, seconds) if validate and self._validate else None
                if ask is not None and not document.same_to_providers(draft.endpoint, resolved.endpoint):
                    draft = await self._tried(draft, ask)
                if not document.forced(config):
                    spaces.refuse_other_length(resolved.endpoint, draft.endpoint)
                    await self._refuse_other_spaces(draft, resolved.endpoint.aliases, ask)
                without = [(owner, document.without(owner, draft.endpoint.aliases)) for owner in losing]
                await self._written(self._replace(resolved, draft, without))
        return draft

    async def delete(
        self, caller: Caller, inference_id: str, kind: TaskType | None = None, *, dry_run: bool = False
    ) -> bool:
        """Forget an endpoint and say so; with *dry_run* only check that it could be."""
        allow(caller, MANAGE, "cluster:admin/xpack/inference/delete")
        async with self._lock(inference_id):
            while True:
                unusable = self._endpoints.unusable(inference_id)
                resolved = None if unusable else self._endpoints.own(inference_id)
                if resolved is not None:
                    _refuse_other_type(resolved, kind)
                if dry_run:
                    return False
                if await self._written(self._remove(inference_id, resolved)):
                    return True

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    def _ask(self, caller: Caller, seconds: float | None) -> Probe:
        """The way to make an inference to try something, for *caller* and within *seconds*."""
        return lambda resolved, request: self._probe(
            resolved, msgspec.structs.replace(request, timeout=seconds, patience=TRIAL_PATIENCE, caller=caller)
        )

    async def _refuse_other_spaces(self, draft: Resolved, aliases: Collection[str], ask: Probe | None) -> None:
        """`INVALID` when an alias that is new to *draft* stood for vectors that do not compare with its own."""
        if not draft.endpoint.task_type.embeds:
            return
        added = [alias for alias in draft.endpoint.aliases if alias not in aliases]
        stood_for = dict(await self._endpoints.former(added))
        for owner in self._endpoints.losing(draft.endpoint):
            if owner.endpoint.task_type.embeds:
                stood_for |= dict.fromkeys(owner.endpoint.aliases, spaces.vectors_of(owner.endpoint))
        for alias in added:
            if (before := stood_for.get(alias)) is not None:
                owner = self._endpoints.usable(before.inference_id)
                await spaces.refuse_other_space(alias, before, owner, draft, ask)

    async def _tried(self, draft: Resolved, ask: Probe, told: int | None = None) -> Resolved:
        """*draft* after one call, with the length of its vectors as that call found it."""
        endpoint = draft.endpoint
        unmeasured = replace(draft, endpoint=replace(endpoint, dimensions=None))
        try:
            result = await ask(unmeasured, draft.probe)
        except InferenceError as error:
            if error.kind in _BUSY and error.retry_after is not None:
                raise _not_now(error, error.retry_after) from error
            problem = "Could not complete inference endpoint creation as validation call to service threw an exception."
            raise invalid(problem) from error
        if not isinstance(result, Embeddings):
            return draft
        measured = vectors.length(result.vectors[0]) * draft.element.dimensions
        expected = getattr(endpoint.settings, "dimensions", None) or told
        if expected not in (None, measured):
            raise invalid(
                f"The retrieved embeddings size [{measured}] does not match the size specified in the settings"
                f" [{expected}]."
                f" Please recreate the [{endpoint.inference_id}] configuration with the correct dimensions"
            )
        return replace(draft, endpoint=replace(endpoint, dimensions=measured))

    async def _written(self, write: Coroutine[Any, Any, T]) -> T:
        """Wait for *write*, which goes on to its end when the caller leaves: memory and store stay the same.

        The wait ends with the write also then, so that the next change of the endpoint finds it done.
        """
        writing = asyncio.create_task(write)
        self._writes.add(writing)
        writing.add_done_callback(self._writes.discard)
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            with contextlib.suppress(InferenceError):
                await asyncio.shield(writing)
            raise

    async def _replace(self, before: Resolved, after: Resolved, losing: Sequence[tuple[Resolved, Resolved]]) -> None:
        await self._endpoints.replace(before, after, losing)
        self._release_unused(before.group)
        await self._caches.sweep()

    async def _remove(self, inference_id: str, resolved: Resolved | None) -> bool:
        removed = await self._endpoints.remove(inference_id)
        if removed and resolved is not None:
            self._release_unused(resolved.group)
        await self._caches.sweep()
        return removed

    def _release_unused(self, group: str) -> None:
        """End the pause of a rate group that no endpoint is in any more: who comes back to it begins anew."""
        if all(resolved.group != group for resolved in self._endpoints.all()):
            self._release(group)

    def _to_update(self, inference_id: str, config: Mapping[str, Any], kind: TaskType | None) -> Resolved:
        if not self._endpoints.exists(inference_id):
            problem = f"The inference endpoint [{inference_id}] does not exist and cannot be updated"
            raise InferenceError(Kind.NOT_FOUND, problem)
        resolved = self._endpoints.own(inference_id)
        if kind not in (None, resolved.endpoint.task_type):
            raise invalid("Task type must match the task type of the existing endpoint")
        if services.own_name(config.get("service", resolved.service.name)) != resolved.service.name:
            raise document.not_updatable({"service": config["service"]})
        return resolved

    def _lock(self, inference_id: str) -> asyncio.Lock:
        return self._changing.setdefault(inference_id, asyncio.Lock())


def _not_now(error: InferenceError, seconds: float) -> InferenceError:
    """What is told when the trial call of an endpoint would have to wait, as *error* tells."""
    problem = f"The endpoint is not kept, as it could not be tried now; come again in [{human(seconds)}]. {error}"
    whose_limit = error.whose_limit or "provider"
    return InferenceError(Kind.RATE_LIMITED, problem, retry_after=seconds, whose_limit=whose_limit)


def _refuse_other_type(resolved: Resolved, kind: TaskType | None) -> None:
    stored = resolved.endpoint.task_type
    if kind not in (None, stored):
        raise invalid(f"Requested task type [{kind}] does not match the inference endpoint's task type [{stored}]")
