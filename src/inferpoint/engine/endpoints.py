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
from inferpoint.model.endpoint import Endpoint, TaskType, task_type
from inferpoint.model.quota import Rate
from inferpoint.protocols.service import RateLimit, Service, Task
from inferpoint.storage.store import Store, StoredEndpoint
from inferpoint.storage.vault import Vault

SERVICE_SETTINGS = "service_settings"
TASK_SETTINGS = "task_settings"
CHUNKING_SETTINGS = "chunking_settings"
ALIASES = "aliases"


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
        return found


class Endpoints:
    """All endpoints, in memory as in the store: a write is there first, and in memory when it is durable."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        self._resolved: dict[str, Resolved] = {}
        self._unusable: dict[str, InferenceError] = {}
        self._aliased: dict[str, str] = {}  # an alias, and the id of its endpoint
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Read the store. An endpoint whose service is gone stays in it and says so; a wrong key raises."""
        for row in await self._store.all():
            self._aliased.update(dict.fromkeys(row.aliases, row.inference_id))
            secrets = {
                name: self._vault.open(text, _place(row.inference_id, name)) for name, text in row.secrets.items()
            }
            try:
                self._resolved[row.inference_id] = _typed(row, secrets)
            except InferenceError as error:
                problem = f"{error} for inference endpoint [{row.inference_id}]."
                self._unusable[row.inference_id] = InferenceError(Kind.INTERNAL, problem)

    def find(self, name: str) -> Resolved:
        """The endpoint whose id or alias is *name*, or `NOT_FOUND`."""
        return self.own(self._aliased.get(name, name))

    def own(self, inference_id: str) -> Resolved:
        """The endpoint of that very id, or `NOT_FOUND`."""
        if resolved := self._resolved.get(inference_id):
            return resolved
        if unusable := self._unusable.get(inference_id):
            raise unusable
        raise InferenceError(Kind.NOT_FOUND, f"Inference endpoint not found [{inference_id}]")

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
            self.refuse_duplicate(resolved.endpoint.inference_id)
            self.refuse_taken_aliases(resolved.endpoint)
            await self._store.add(self._row(resolved.endpoint))
            self._keep(resolved)

    async def replace(self, resolved: Resolved) -> None:
        """Keep a changed endpoint; `CONFLICT` when an alias was taken while it was tried."""
        async with self._writing:
            self.refuse_taken_aliases(resolved.endpoint)
            await self._store.replace(self._row(resolved.endpoint))
            self._keep(resolved)

    async def remove(self, inference_id: str) -> None:
        """Forget an endpoint."""
        await self._store.remove(inference_id)
        self._resolved.pop(inference_id, None)
        self._unusable.pop(inference_id, None)
        self._name(inference_id, ())

    def _owner(self, name: str) -> str | None:
        """The id of the endpoint that is called *name* in any way."""
        return name if self.exists(name) else self._aliased.get(name)

    def _keep(self, resolved: Resolved) -> None:
        self._resolved[resolved.endpoint.inference_id] = resolved
        self._name(resolved.endpoint.inference_id, resolved.endpoint.aliases)

    def _name(self, inference_id: str, aliases: Sequence[str]) -> None:
        others = {alias: owner for alias, owner in self._aliased.items() if owner != inference_id}
        self._aliased = others | dict.fromkeys(aliases, inference_id)

    def _row(self, endpoint: Endpoint) -> StoredEndpoint:
        opened = settings.secrets(endpoint.settings).items()
        return StoredEndpoint(
            inference_id=endpoint.inference_id,
            task_type=endpoint.task_type.value,
            service=endpoint.service,
            settings=settings.public(endpoint.settings),
            secrets={name: self._vault.seal(text, _place(endpoint.inference_id, name)) for name, text in opened},
            options=settings.public(endpoint.options),
            chunking=None if endpoint.chunking is None else chunking.shown(endpoint.chunking),
            dimensions=endpoint.dimensions,
            version=endpoint.version,
            aliases=list(endpoint.aliases),
        )


def task_of(name: Any, task_type: TaskType) -> tuple[Service, Task[Any, Any]]:
    """The service called *name* and its task; `INVALID` when there is no such service, or it does not do that."""
    if name is None:
        raise invalid("Inference endpoint configuration is missing the [service] setting")
    service = services.find(name if isinstance(name, str) else settings.as_java(name))
    if task_type not in service.tasks:
        raise invalid(f"The [{service.name}] service does not support task type [{task_type.value}]")
    return service, service.tasks[task_type]


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
    record = settings.read(task.settings, {**row.settings, **secrets}, scope=SERVICE_SETTINGS, problems=problems)
    options = settings.read(task.options, row.options, scope=TASK_SETTINGS, problems=problems)
    if problems:
        raise invalid(*problems, subject=Subject.SETTINGS)
    cut = None if row.chunking is None else chunking.accept(row.chunking, stored=True)
    endpoint = Endpoint(
        row.inference_id, kind, row.service, record, options, cut, row.version, row.dimensions, tuple(row.aliases)
    )
    return Resolved(endpoint, service, task)


def _place(inference_id: str, name: str) -> str:
    return f"{inference_id}/{name}"
