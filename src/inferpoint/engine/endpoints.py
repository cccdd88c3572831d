"""Stored rows to typed endpoints and back, kept in memory: no request reads the database."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from inferpoint import services
from inferpoint.chunking import settings as chunking
from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model import settings
from inferpoint.model.cache import CacheSettings
from inferpoint.model.endpoint import Endpoint, TaskType, task_type
from inferpoint.model.quota import Rate
from inferpoint.protocols.service import RateLimit, Service, Task
from inferpoint.storage.changes import Changes
from inferpoint.storage.store import Store, StoredEndpoint
from inferpoint.storage.vault import Vault

SERVICE_SETTINGS = "service_settings"
TASK_SETTINGS = "task_settings"
CHUNKING_SETTINGS = "chunking_settings"
ALIASES = "aliases"
CACHE = "cache"


@dataclass(frozen=True)
class Resolved:
    """An endpoint with the service and the task it is an endpoint of; and the token of its grant, where it has one."""

    endpoint: Endpoint
    service: Service
    task: Task[Any, Any]
    token: str = field(default="", repr=False)

    @cached_property
    def rate(self) -> Rate:
        """What its group of calls may use, as the user set it or by the service's default."""
        given: RateLimit = getattr(self.endpoint.settings, "rate_limit", None) or RateLimit()
        requests = given.requests_per_minute
        if requests is None and self.task.default_rate is not None:
            requests = self.task.default_rate(self.endpoint.settings)
        return Rate(requests, given.tokens_per_minute, given.burst)

    @cached_property
    def group(self) -> str:
        """The queue its calls wait in, as a digest: what makes a group holds keys."""
        rate = None if self.task.mixed_rates else self.rate
        parts: Hashable = (self.service.name, self.task.rate_group(self.endpoint.settings), rate)
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The endpoint's secrets, to be kept out of what a provider says."""
        tokens = (self.token,) if self.token else ()
        return (*settings.secrets(self.endpoint.settings).values(), *tokens)

    @property
    def warnings(self) -> Sequence[str]:
        """What its owner should know about its settings."""
        return self.task.warnings(self.endpoint.settings, self.endpoint.options)

    def shown(self) -> dict[str, Any]:
        """The endpoint as everybody may see it, in the form of Elasticsearch's GET."""
        endpoint = self.endpoint
        visible = {**settings.public(endpoint.settings), **self.task.fixed}
        if endpoint.dimensions is not None:
            visible["dimensions"] = endpoint.dimensions
            if self.task.similarity:
                visible["similarity"] = self.task.similarity(endpoint.settings)
        if limits := _shown(self.rate):
            visible["rate_limit"] = limits
        found: dict[str, Any] = {
            "inference_id": endpoint.inference_id,
            "task_type": endpoint.task_type.value,
            "service": endpoint.service,
            SERVICE_SETTINGS: visible,
        }
        if options := settings.public(endpoint.options):
            found[TASK_SETTINGS] = options
        if endpoint.chunking is not None:
            found[CHUNKING_SETTINGS] = chunking.shown(endpoint.chunking)
        if endpoint.aliases:
            found[ALIASES] = list(endpoint.aliases)
        if endpoint.cache is not None:
            found[CACHE] = settings.public(endpoint.cache)
        return found


class Endpoints:
    """All endpoints, in memory as in the store: a write is there first, and in memory when it is durable.

    With *changes* other processes write to the same store, and `refresh` sees what they wrote.
    """

    def __init__(self, store: Store, vault: Vault, changes: Changes | None = None) -> None:
        self._store = store
        self._vault = vault
        self._changes = changes
        self._seen: int | None = None  # the mark of the newest write that is in memory
        self._versions: dict[str, str] = {}
        self._resolved: dict[str, Resolved] = {}
        self._unusable: dict[str, InferenceError] = {}
        self._aliased: dict[str, str] = {}  # an alias, and the id of its endpoint
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Read the store. An endpoint whose service is gone stays in it and says so; a wrong key raises."""
        self._tell()  # whose place this process takes may have been killed between a write and telling of it
        async with self._writing:
            await self._load()

    async def refresh(self) -> bool:
        """Have in memory what other processes were answered for, too, and say whether there was anything.

        As long as none wrote, a look is enough.
        """
        if self._changes is None or self._changes.mark() == self._seen:
            return False
        async with self._writing:
            if self._changes.mark() != self._seen:  # somebody else may have read it meanwhile
                await self._load()
        return True

    def find(self, name: str) -> Resolved:
        """The endpoint whose id or alias is *name*, or `NOT_FOUND`."""
        return self.own(self._aliased.get(name, name))

    def own(self, inference_id: str) -> Resolved:
        """The endpoint of that very id, or `NOT_FOUND`."""
        if resolved := self._resolved.get(inference_id):
            return resolved
        if unusable := self._unusable.get(inference_id):
            raise unusable
        raise _not_found(inference_id)

    def holds(self, endpoint: Endpoint) -> bool:
        """Whether *endpoint* is kept in this version: not while it is tried, not after it was changed or deleted."""
        kept = self._resolved.get(endpoint.inference_id)
        return kept is not None and kept.endpoint.version == endpoint.version

    def exists(self, inference_id: str) -> bool:
        """Whether there is an endpoint of that id, usable or not."""
        return inference_id in self._resolved or inference_id in self._unusable

    def unusable(self, inference_id: str) -> bool:
        """Whether the endpoint is stored but its service, or a setting it needs, is gone."""
        return inference_id in self._unusable

    def refuse_duplicate(self, inference_id: str) -> None:
        """`CONFLICT` when there is an endpoint of that id or alias."""
        if self._owner(inference_id) is not None:
            raise _taken(inference_id)

    def refuse_taken_aliases(self, endpoint: Endpoint) -> None:
        """`CONFLICT` when an alias of *endpoint* is the id or an alias of another."""
        for alias in endpoint.aliases:
            if self._owner(alias) not in (None, endpoint.inference_id):
                raise _taken(alias)

    def all(self, task_type: TaskType | None = None) -> list[Resolved]:
        """Every endpoint, or every one of a task type, by id."""
        found = (self._resolved[inference_id] for inference_id in sorted(self._resolved))
        return [each for each in found if task_type in (None, each.endpoint.task_type)]

    async def add(self, resolved: Resolved) -> None:
        """Keep a new endpoint; `CONFLICT` when one of its names was taken while it was tried."""
        async with self._writing:
            await self._store.add(self._row(resolved.endpoint))
            self._tell()
            self._keep(resolved)

    async def replace(self, before: Resolved, after: Resolved) -> None:
        """Keep a changed endpoint; `CONFLICT` when another process changed it, or an alias was taken, meanwhile."""
        inference_id = after.endpoint.inference_id
        async with self._writing:
            if not await self._store.replace(self._row(after.endpoint), before.endpoint.version):
                await self._load()
                raise being_changed(inference_id) if self.exists(inference_id) else _not_found(inference_id)
            self._tell()
            self._keep(after)

    async def remove(self, inference_id: str) -> bool:
        """Forget an endpoint; False when another process changed it meanwhile, and it is to be looked at again."""
        async with self._writing:
            removed = await self._store.remove(inference_id, self._versions.get(inference_id, ""))
            if removed:
                self._tell()
                self._forget(inference_id)
            else:
                await self._load()
            return removed

    def _tell(self) -> None:
        """Have all processes look before their next answer: this one, too, may have missed another's write."""
        if self._changes is not None:
            self._changes.tell()

    async def _load(self) -> None:
        """Bring memory up to the store, as far as they differ."""
        mark = None if self._changes is None else self._changes.mark()  # before: what is written from now on is seen
        changed = await self._store.changed(self._versions)
        for inference_id in changed.gone:
            self._forget(inference_id)
        for row in changed.rows:
            self._read(row)
        self._seen = mark

    def _read(self, row: StoredEndpoint) -> None:
        opened = {name: self._vault.open(text, _place(row.inference_id, name)) for name, text in row.secrets.items()}
        if row.inference_id in self._versions:
            self._forget(row.inference_id)
        self._aliased.update(dict.fromkeys(row.names - {row.inference_id}, row.inference_id))
        self._versions[row.inference_id] = row.version
        try:
            self._resolved[row.inference_id] = _typed(row, opened)
        except InferenceError as error:
            problem = f"{error} for inference endpoint [{row.inference_id}]."
            self._unusable[row.inference_id] = InferenceError(Kind.INTERNAL, problem)

    def _owner(self, name: str) -> str | None:
        """The id of the endpoint that is called *name* in any way."""
        return name if self.exists(name) else self._aliased.get(name)

    def _keep(self, resolved: Resolved) -> None:
        endpoint = resolved.endpoint
        self._versions[endpoint.inference_id] = endpoint.version
        self._resolved[endpoint.inference_id] = resolved
        self._name(endpoint.inference_id, endpoint.aliases)

    def _forget(self, inference_id: str) -> None:
        self._versions.pop(inference_id, None)
        self._resolved.pop(inference_id, None)
        self._unusable.pop(inference_id, None)
        self._name(inference_id, ())

    def _name(self, inference_id: str, aliases: Sequence[str]) -> None:
        others = {alias: owner for alias, owner in self._aliased.items() if owner != inference_id}
        self._aliased = others | dict.fromkeys(aliases, inference_id)

    def _row(self, endpoint: Endpoint) -> StoredEndpoint:
        opened = settings.secrets(endpoint.settings).items()
        sections = {
            SERVICE_SETTINGS: settings.public(endpoint.settings),
            TASK_SETTINGS: settings.public(endpoint.options),
            CHUNKING_SETTINGS: None if endpoint.chunking is None else chunking.shown(endpoint.chunking),
            ALIASES: list(endpoint.aliases),
            CACHE: None if endpoint.cache is None else settings.public(endpoint.cache),
        }
        return StoredEndpoint(
            inference_id=endpoint.inference_id,
            version=endpoint.version,
            task_type=endpoint.task_type.value,
            service=endpoint.service,
            document={section: value for section, value in sections.items() if value},
            secrets={name: self._vault.seal(text, _place(endpoint.inference_id, name)) for name, text in opened},
            dimensions=endpoint.dimensions,
            names=frozenset((endpoint.inference_id, *endpoint.aliases)),
        )


def task_of(name: Any, task_type: TaskType) -> tuple[Service, Task[Any, Any]]:
    """The service called *name* and its task; `INVALID` when there is no such service, or it does not do that."""
    if name is None:
        raise invalid("Inference endpoint configuration is missing the [service] setting")
    service = services.find(name if isinstance(name, str) else settings.as_java(name))
    if task_type not in service.tasks:
        raise invalid(f"The [{service.name}] service does not support task type [{task_type.value}]")
    return service, service.tasks[task_type]


def being_changed(inference_id: str) -> InferenceError:
    """Somebody else changes the endpoint at the same time."""
    problem = f"Endpoint [{inference_id}] is currently being updated. Try again once the update completes"
    return InferenceError(Kind.CONFLICT, problem)


def _not_found(inference_id: str) -> InferenceError:
    return InferenceError(Kind.NOT_FOUND, f"Inference endpoint not found [{inference_id}]")


def _shown(rate: Rate) -> dict[str, int]:
    """As Elasticsearch shows it, with what it does not know only where that was set."""
    limits = {"requests_per_minute": rate.requests, "tokens_per_minute": rate.tokens}
    found = {name: limit for name, limit in limits.items() if limit is not None}
    return found if rate.burst == Rate.burst else {**found, "burst": rate.burst}


def _taken(name: str) -> InferenceError:
    return InferenceError(Kind.CONFLICT, f"Inference endpoint [{name}] already exists", subject=Subject.EXISTING)


def _typed(row: StoredEndpoint, secrets: Mapping[str, str]) -> Resolved:
    """An endpoint as it was stored: settings it no longer knows are passed over, so that no old row is lost."""
    kind = task_type(row.task_type)
    service, task = task_of(row.service, kind)
    problems: list[str] = []
    stored = row.document
    given = {**stored.get(SERVICE_SETTINGS, {}), **secrets}
    record = settings.read(task.settings, given, scope=SERVICE_SETTINGS, problems=problems)
    options = settings.read(task.options, stored.get(TASK_SETTINGS, {}), scope=TASK_SETTINGS, problems=problems)
    cache = None if CACHE not in stored else settings.read(CacheSettings, stored[CACHE], scope=CACHE, problems=problems)
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    cut = None if CHUNKING_SETTINGS not in stored else chunking.accept(stored[CHUNKING_SETTINGS], stored=True)
    endpoint = Endpoint(
        row.inference_id,
        kind,
        row.service,
        record,
        options,
        cut,
        row.version,
        row.dimensions,
        tuple(stored.get(ALIASES, ())),
        cache,
    )
    return Resolved(endpoint, service, task)


def _place(inference_id: str, name: str) -> str:
    return f"{inference_id}/{name}"
