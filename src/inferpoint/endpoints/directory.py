"""All endpoints in memory, as they are in the store: no request reads the database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping, Sequence

from inferpoint.endpoints import document
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError, Kind, Subject
from inferpoint.model.credentials import Credential
from inferpoint.model.endpoint import Endpoint, TaskType
from inferpoint.model.wording import did_you_mean
from inferpoint.storage import credentials
from inferpoint.storage.changes import Changes
from inferpoint.storage.names import Former
from inferpoint.storage.rotation import rotate
from inferpoint.storage.rows import StoredEndpoint
from inferpoint.storage.store import Store
from inferpoint.storage.vault import Vault

_LOG = logging.getLogger(__name__)


class Endpoints:
    """All endpoints, in memory as in the store: a write is there first, and in memory when it is durable.

    With *changes* other processes write to the same store, and `refresh` sees what they wrote. `owners` has the id of
    its endpoint for every id and alias.
    """

    def __init__(self, store: Store, vault: Vault, changes: Changes | None = None) -> None:
        self.store = store
        self.vault = vault
        self.credentials: Mapping[str, Credential] = {}  # by their names
        store.seal_with(vault)
        self._changes = changes
        self._seen: int | None = None  # the mark of the newest write that is in memory
        self._versions: dict[str, str] = {}
        self._resolved: dict[str, Resolved | InferenceError] = {}  # or why it cannot be used
        self.owners: dict[str, str] = {}
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Read the store. An endpoint whose service is gone stays in it and says so; a wrong key raises.

        What an older version kept in the open, such as headers, is sealed, and a rotation of the key is finished.
        """
        self._tell()  # whose place this process takes may have been killed between a write and telling of it
        async with self._writing:
            for row in await self._load():
                resolved = self.usable(row.inference_id)
                if resolved is not None and (sealed := document.sealed(row, resolved.endpoint, self.vault)) != row:
                    with contextlib.suppress(InferenceError):  # a full disk is no reason not to start
                        await self.store.replace(sealed, row.version)
        if self.vault.rotating:
            with contextlib.suppress(InferenceError):
                await rotate(self.store, self.vault)

    async def refresh(self) -> bool:
        """Read what other processes wrote since the last look, if anything, and say whether there was any."""
        if self._changes is None or self._changes.mark() == self._seen:
            return False
        async with self._writing:
            if self._changes.mark() != self._seen:  # somebody else may have read it meanwhile
                await self._load()
        return True

    def find(self, name: str) -> Resolved:
        """The endpoint whose id or alias is *name*, or `NOT_FOUND`."""
        return self.own(self.owners.get(name, name))

    def own(self, inference_id: str) -> Resolved:
        """The endpoint of that very id, or `NOT_FOUND`."""
        outcome = self._resolved.get(inference_id)
        if type(outcome) is Resolved:
            return outcome
        raise outcome or not_found(inference_id, self.owners)

    def holds(self, endpoint: Endpoint) -> bool:
        """Whether *endpoint* is kept in this version: not while it is tried, not after it was changed or deleted."""
        return self._versions.get(endpoint.inference_id) == endpoint.version

    def exists(self, inference_id: str) -> bool:
        """Whether there is an endpoint of that id, usable or not."""
        return inference_id in self._versions

    def usable(self, inference_id: str) -> Resolved | None:
        """The endpoint of that very id, if there is one that can be used."""
        outcome = self._resolved.get(inference_id)
        return outcome if isinstance(outcome, Resolved) else None

    def unusable(self, inference_id: str) -> bool:
        """Whether the endpoint is stored but its service, or a setting it needs, is gone."""
        return isinstance(self._resolved.get(inference_id), InferenceError)

    def refuse_duplicate(self, inference_id: str) -> None:
        """`CONFLICT` when there is an endpoint of that id or alias."""
        if inference_id in self.owners:
            raise taken(inference_id)

    def refuse_taken_aliases(self, endpoint: Endpoint) -> None:
        """`CONFLICT` when an alias of *endpoint* is the id or an alias of another."""
        for alias in endpoint.aliases:
            if self._owner(alias, endpoint) is not None:
                raise taken(alias)

    def losing(self, endpoint: Endpoint) -> Sequence[Resolved]:
        """The others of whose aliases some are the *endpoint*'s; `CONFLICT` for an id, or one that is unusable."""
        owners: dict[str, Resolved] = {}
        for alias in endpoint.aliases:
            owner = self._owner(alias, endpoint)
            if owner is not None:
                if owner == alias or self.unusable(owner):
                    raise taken(alias)
                owners[owner] = self.own(owner)
        return list(owners.values())

    def _owner(self, alias: str, endpoint: Endpoint) -> str | None:
        """The id of another endpoint that is found by *alias*."""
        owner = self.owners.get(alias, endpoint.inference_id)
        return None if owner == endpoint.inference_id else owner

    async def former(self, aliases: Collection[str]) -> Mapping[str, Former]:
        """The vectors that those of the *aliases* stood for which no endpoint has and one of embeddings had."""
        return await self.store.former(aliases) if aliases else {}

    def all(self, task_type: TaskType | None = None) -> list[Resolved]:
        """Every endpoint, or every one of a task type, by id."""
        usable = [outcome for _, outcome in sorted(self._resolved.items()) if isinstance(outcome, Resolved)]
        return [resolved for resolved in usable if task_type in (None, resolved.endpoint.task_type)]

    async def add(self, resolved: Resolved) -> None:
        """Keep a new endpoint; `CONFLICT` when one of its names was taken while it was tried."""
        async with self._writing:
            row = document.row(resolved.endpoint, self.vault)
            await self.store.add(row)
            self._tell()
            self._keep(row, resolved)

    async def replace(
        self, before: Resolved, after: Resolved, losing: Sequence[tuple[Resolved, Resolved]] = ()
    ) -> None:
        """Keep a changed endpoint; `CONFLICT` when another process changed it, or an alias was taken, meanwhile.

        Those that are *losing* aliases to it, as they were and as they are, are changed with it or not at all.
        """
        inference_id = after.endpoint.inference_id
        changes = [(before, after), *losing]
        async with self._writing:
            rows = [(document.row(new.endpoint, self.vault), old.endpoint.version) for old, new in changes]
            if not await self.store.replace(*rows[0], rows[1:]):
                await self._load()
                raise being_changed(inference_id) if self.exists(inference_id) else not_found(inference_id, self.owners)
            self._tell()
            for (row, _), (_, new) in reversed(list(zip(rows, changes, strict=True))):
                self._keep(row, new)

    async def remove(self, inference_id: str) -> bool:
        """Forget an endpoint; False when another process changed it meanwhile, and it is to be looked at again."""
        async with self._writing:
            removed = await self.store.remove(inference_id, self._versions.get(inference_id, ""))
            if removed:
                self._tell()
                self._forget(inference_id)
            else:
                await self._load()
            return removed

    def using(self, name: str) -> list[Resolved]:
        """The endpoints that refer to the credential called *name*, by id."""
        return [one for one in self.all() if any(credential.name == name for credential in one.credentials)]

    async def put_credential(self, credential: Credential) -> None:
        """Keep *credential* and have all that refer to it use its value: each in a new version, all or none."""
        async with self._writing:
            await self.store.run(
                lambda connection: credentials.put(connection, self.vault, credential),
                f"store the credential [{credential.name}]",
            )
            self._tell()
            await self._load()

    async def remove_credential(self, name: str) -> None:
        """Forget a credential; `NOT_FOUND` when there is none, `CONFLICT` while an endpoint refers to it."""
        async with self._writing:
            await self.store.run(
                lambda connection: credentials.remove(connection, name), f"remove the credential [{name}]", spare=True
            )
            self._tell()
            await self._load()

    def _tell(self) -> None:
        """Have all processes look before their next answer: this one, too, may have missed another's write."""
        if self._changes is not None:
            self._changes.tell()

    async def _load(self) -> Sequence[StoredEndpoint]:
        """Bring memory up to the store, as far as they differ; gives the rows that did."""
        mark = None if self._changes is None else self._changes.mark()  # before: what is written from now on is seen
        self.credentials = await self.store.run(
            lambda connection: credentials.select(connection, self.vault), "read the credentials", reads=True
        )
        stale = dict.fromkeys((one.endpoint.inference_id for one in self.all() if not self._is_current(one)), "")
        changed = await self.store.changed({**self._versions, **stale})
        for inference_id in changed.gone:
            self._forget(inference_id)
        document.refuse_other_key(changed.rows, self.vault)
        for row in changed.rows:
            self._keep(row, self._read(row))
        self._seen = mark
        return changed.rows

    def _is_current(self, resolved: Resolved) -> bool:
        """Whether the credentials that *resolved* holds are those that are stored."""
        return all(credential == self.credentials.get(credential.name) for credential in resolved.credentials)

    def _read(self, row: StoredEndpoint) -> Resolved | InferenceError:
        """The endpoint of *row*, or why it cannot be used: a bad row costs its endpoint alone."""
        try:
            return document.from_row(row, self.vault, self.credentials)
        except InferenceError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever was written over a row, all others are served
            reason = f"The stored row is damaged ({type(error).__name__})"
        problem = f"{reason} for inference endpoint [{row.inference_id}]."
        _LOG.warning("%s", problem)
        return InferenceError(Kind.INTERNAL, problem)

    def _keep(self, row: StoredEndpoint, outcome: Resolved | InferenceError) -> None:
        self._forget(row.inference_id)
        self._versions[row.inference_id] = row.version
        self._resolved[row.inference_id] = outcome
        self.owners.update(dict.fromkeys(row.names, row.inference_id))

    def _forget(self, inference_id: str) -> None:
        if self._versions.pop(inference_id, None) is not None:
            del self._resolved[inference_id]
            self.owners = {name: owner for name, owner in self.owners.items() if owner != inference_id}


def being_changed(inference_id: str) -> InferenceError:
    """The refusal of a change while somebody else changes the endpoint."""
    problem = f"Endpoint [{inference_id}] is currently being updated. Try again once the update completes"
    return InferenceError(Kind.CONFLICT, problem)


def not_found(name: str, owners: Mapping[str, str]) -> InferenceError:
    """The refusal of a *name* that no endpoint has of which the *owners* by their names are told."""
    owner = owners.get(name)
    hint = did_you_mean(name, owners) if owner is None else f", which is an alias of [{owner}]"
    return InferenceError(Kind.NOT_FOUND, f"Inference endpoint not found [{name}]{hint}")


def taken(name: str) -> InferenceError:
    """The refusal of a name that an endpoint has."""
    return InferenceError(Kind.CONFLICT, f"Inference endpoint [{name}] already exists", subject=Subject.EXISTING)
