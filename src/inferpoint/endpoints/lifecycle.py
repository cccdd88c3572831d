"""An endpoint's life: created, looked at, changed, deleted; tried once before it is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from inferpoint.access import actions
from inferpoint.access.decision import allow, refuse_names
from inferpoint.endpoints import document, spaces
from inferpoint.endpoints.caches import Caches
from inferpoint.endpoints.differences import differences
from inferpoint.endpoints.directory import Endpoints, being_changed
from inferpoint.endpoints.resolved import Resolved
from inferpoint.endpoints.seen import Seen, seen
from inferpoint.endpoints.trial import Probe, tried
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType, check_inference_id, resolved_type
from inferpoint.model.requests import Caller
from inferpoint.model.settings import as_text
from inferpoint.storage.audit import Audit, Change

T = TypeVar("T")

TRIAL_PATIENCE = 5.0  # seconds for which a trial call waits: whoever creates an endpoint is told when to come again


class Lifecycle:
    """Changes of endpoints, each tried first, then written, then seen: nothing half made is ever stored or shown.

    *probe* makes one inference on an endpoint that is not kept yet; without it nothing is tried. *release* ends
    the pause of a rate group, for those that lose their endpoints. What is done, and what is refused, goes to *audit*.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        caches: Caches,
        probe: Probe | None,
        release: Callable[[str], None],
        audit: Audit,
        *,
        largest_chunk: int,
    ) -> None:
        self._endpoints = endpoints
        self._caches = caches
        self._probe = probe
        self._release = release
        self.audit = audit
        self._largest_chunk = largest_chunk
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._writes: set[asyncio.Task[Any]] = set()

    def get(self, caller: Caller, inference_id: str, kind: TaskType | None = None) -> Resolved:
        """One endpoint, by its id or an alias."""
        allow(caller, actions.GET)
        resolved = seen(self._endpoints, caller).find(inference_id)
        _refuse_other_type(resolved, kind)
        return resolved

    def all(self, caller: Caller, kind: TaskType | None = None) -> Sequence[Resolved]:
        """Every endpoint, or every one of a task type, by id."""
        allow(caller, actions.GET)
        return seen(self._endpoints, caller).all(kind)

    def stored(self, caller: Caller, inference_id: str) -> Resolved | None:
        """The endpoint of that very id, if there is one; `INTERNAL` for one that cannot be used."""
        allow(caller, actions.GET)
        endpoints = seen(self._endpoints, caller)
        return endpoints.own(inference_id) if endpoints.exists(inference_id) else None

    def parsed(self, inference_id: str, config: Mapping[str, Any], kind: TaskType | None = None) -> Resolved:
        """The endpoint that *config* describes, neither tried nor kept; `INVALID` with every problem."""
        check_inference_id(inference_id)
        task_type = resolved_type(kind, config.get("task_type"))
        if task_type is None:
            raise invalid("model is missing required setting [task_type]")
        known = self._endpoints.credentials
        return document.parse(inference_id, task_type, config, largest_chunk=self._largest_chunk, known=known)

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
        async with self.audit.failures(caller, actions.PUT.change, inference_id):
            allow(caller, actions.PUT)
            draft = self.parsed(inference_id, config, kind)
            refuse_names(caller, actions.PUT, draft.endpoint.names, draft.endpoint.task_type)
            ask = self._ask(caller, seconds) if validate else None
            async with self.lock(inference_id):  # of two at once the second finds the first
                self._endpoints.refuse_duplicate(inference_id)
                self._endpoints.refuse_taken_aliases(draft.endpoint)
                if ask is not None:
                    draft = await tried(draft, ask, draft.endpoint.dimensions)
                if not document.forced(config):
                    await self._refuse_other_spaces(draft, (), ask)
                await self.written(self._add(caller, draft))
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
        async with self.audit.failures(caller, actions.UPDATE.change, inference_id):
            allow(caller, actions.UPDATE)
            check_inference_id(inference_id)
            document.check_update(config)
            task_type = resolved_type(kind, config.get("task_type"))
            lock, endpoints = self.lock(inference_id), seen(self._endpoints, caller)
            if lock.locked() and endpoints.exists(inference_id):
                raise being_changed(inference_id)
            async with lock:
                resolved = _to_update(endpoints, inference_id, config, task_type)
                draft = self._merged(resolved, config)
                if draft is not resolved:
                    refuse_names(caller, actions.UPDATE, {*draft.endpoint.aliases} ^ {*resolved.endpoint.aliases})
                    losing = endpoints.losing(draft.endpoint)
                    ask = self._ask(caller, seconds) if validate else None
                    draft = await self._checked(resolved, draft, ask, forced=document.forced(config))
                    without = [(owner, document.without(owner, draft.endpoint.aliases)) for owner in losing]
                    await self.written(self._replace(caller, [(resolved, draft), *without]))
        return draft

    async def delete(
        self, caller: Caller, inference_id: str, kind: TaskType | None = None, *, dry_run: bool = False
    ) -> bool:
        """Forget an endpoint and say so; with *dry_run* only check that it could be."""
        async with self.audit.failures(caller, actions.DELETE.change, inference_id):
            allow(caller, actions.DELETE)
            endpoints = seen(self._endpoints, caller)
            async with self.lock(inference_id):
                while True:
                    unusable = endpoints.unusable(inference_id)
                    resolved = None if unusable else endpoints.own(inference_id)
                    if resolved is not None:
                        _refuse_other_type(resolved, kind)
                    if dry_run:
                        return False
                    if await self.written(self._remove(caller, inference_id, resolved)):
                        return True

    async def close(self) -> None:
        """Finish what is being written."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def replaced(self, before: Iterable[Resolved]) -> None:
        """Forget what was kept for endpoints as they were *before* they were replaced."""
        for resolved in before:
            self._release_unused(resolved.group)
        await self._caches.sweep()

    async def try_with(self, caller: Caller, resolved: Resolved, draft: Resolved, seconds: float | None) -> None:
        """Make one call by *draft*, which differs from *resolved* in its secrets; the error of one that fails."""
        await self._checked(resolved, draft, self._ask(caller, seconds), forced=False)

    def _ask(self, caller: Caller, seconds: float | None) -> Probe | None:
        """The way to make an inference to try something, for *caller* and within *seconds*; None where nothing is."""
        probe = self._probe
        return probe and (
            lambda resolved, request: probe(
                resolved, msgspec.structs.replace(request, timeout=seconds, patience=TRIAL_PATIENCE, caller=caller)
            )
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

    async def written(self, write: Coroutine[Any, Any, T]) -> T:
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

    async def _add(self, caller: Caller, draft: Resolved) -> None:
        await self._endpoints.add(draft)
        await self._record(caller, actions.PUT.change, None, draft)

    async def _replace(self, caller: Caller, changes: Sequence[tuple[Resolved, Resolved]]) -> None:
        """Keep what changed first, with those after it that lose aliases to it."""
        before, after = changes[0]
        await self._endpoints.replace(before, after, changes[1:])
        for old, new in changes:
            await self._record(caller, actions.UPDATE.change, old, new)
        await self.replaced([before])

    async def _remove(self, caller: Caller, inference_id: str, resolved: Resolved | None) -> bool:
        removed = await self._endpoints.remove(inference_id)
        if removed and resolved is not None:
            await self._record(caller, actions.DELETE.change, resolved, None)
            self._release_unused(resolved.group)
        elif removed:
            await self.audit.record(caller, actions.DELETE.change, inference_id)
        await self._caches.sweep()
        return removed

    async def _record(self, caller: Caller, action: str, before: Resolved | None, after: Resolved | None) -> None:
        """Write down what was changed, with fingerprints in place of secrets."""
        states = [None if state is None else state.endpoint for state in (before, after)]
        changed = differences(*states, veil=lambda secret: self._endpoints.vault.fingerprint(as_text(secret)))
        target = next(state.inference_id for state in states if state is not None)
        await self.audit.record(caller, action, target, [Change(one.setting, one.before, one.after) for one in changed])

    def _release_unused(self, group: str) -> None:
        """End the pause of a rate group that no endpoint is in any more: who comes back to it begins anew."""
        if all(resolved.group != group for resolved in self._endpoints.all()):
            self._release(group)

    def _merged(self, resolved: Resolved, config: Mapping[str, Any]) -> Resolved:
        known = self._endpoints.credentials
        return document.merge(resolved, config, largest_chunk=self._largest_chunk, known=known)

    async def _checked(self, resolved: Resolved, draft: Resolved, ask: Probe | None, *, forced: bool) -> Resolved:
        """*draft*, which is to be in place of *resolved*, after what may be wrong with it was looked at."""
        if draft.secrets != resolved.secrets and draft.group == resolved.group:
            self._release(draft.group)  # another key in a queue that does not tell keys apart
        if ask is not None and not document.same_to_providers(draft.endpoint, resolved.endpoint):
            draft = await tried(draft, ask)
        if not forced:
            spaces.refuse_other_length(resolved.endpoint, draft.endpoint)
            await self._refuse_other_spaces(draft, resolved.endpoint.aliases, ask)
        return draft

    def lock(self, inference_id: str) -> asyncio.Lock:
        """The lock of all changes of what has that id, in this process."""
        return self._changing.setdefault(inference_id, asyncio.Lock())


def _refuse_other_type(resolved: Resolved, kind: TaskType | None) -> None:
    stored = resolved.endpoint.task_type
    if kind not in (None, stored):
        raise invalid(f"Requested task type [{kind}] does not match the inference endpoint's task type [{stored}]")


def _to_update(
    endpoints: Endpoints | Seen, inference_id: str, config: Mapping[str, Any], kind: TaskType | None
) -> Resolved:
    """The endpoint that *config* changes."""
    if not endpoints.exists(inference_id):
        problem = f"The inference endpoint [{inference_id}] does not exist and cannot be updated"
        raise InferenceError(Kind.NOT_FOUND, problem)
    resolved = endpoints.own(inference_id)
    if kind not in (None, resolved.endpoint.task_type):
        raise invalid("Task type must match the task type of the existing endpoint")
    if config.get("service", resolved.service.name) != resolved.service.name:
        raise document.not_updatable({"service": config["service"]})
    return resolved
