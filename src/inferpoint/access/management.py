"""Keys made, changed and ended by callers, none of whom gives more than they have, or touches what has more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from inferpoint.access import actions, credentials
from inferpoint.access.credentials import Credentials
from inferpoint.access.decision import allow
from inferpoint.access.key import ApiKey
from inferpoint.access.keys import Keys
from inferpoint.access.metadata import Granted, check_metadata, check_name, exceeding, inheriting, privileges
from inferpoint.access.records import record
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model.privileges import ALL
from inferpoint.model.requests import Caller
from inferpoint.storage.audit import Audit

LARGEST = 64 * 1024  # bytes of what is kept beside a key, for all keys are in memory


@dataclass(frozen=True)
class Wanted:
    """What somebody wants of a key; None for what is not said. `lifetime` is in seconds."""

    role_descriptors: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    lifetime: float | None = None


class Management:
    """The changes of *keys*, for callers, each written down in the *audit* trail."""

    def __init__(self, keys: Keys, clock: Clock, audit: Audit) -> None:
        self._keys = keys
        self._clock = clock
        self._audit = audit

    async def create(self, caller: Caller, name: str, wanted: Wanted) -> tuple[ApiKey, Credentials]:
        """A new key with its credentials, of which the secret is told this once."""
        async with self._audit.failures(caller, actions.CREATE_KEY.change, name):
            allow(caller, actions.CREATE_KEY)
            check_name(name)
            made = credentials.made()
            key = ApiKey(made.id, name, made.hash, caller.name, self._now(), self._privileges(caller))
            key = self._changed(caller, key, wanted)
            if not len(self._keys) and (ALL not in key.privileges or key.granted.scope is not None):
                problem = (
                    "The first key must be an administrator's, for it closes the server:"
                    " with the cluster privilege [all], and no [inference_ids] or [task_types]"
                )
                raise invalid(problem)
            await self._keys.put([(key, None)])
        await record(self._audit, caller, actions.CREATE_KEY, None, key)
        return key, made

    async def update(self, caller: Caller, key_id: str, wanted: Wanted) -> bool:
        """Change a key, and say whether anything was; `NOT_FOUND` for one that is not for *caller*."""
        async with self._audit.failures(caller, actions.UPDATE_KEY.change, key_id):
            allow(caller, actions.UPDATE_KEY)
            (key,) = self.seen(caller, lambda key: key.id == key_id) or (None,)
            if key is None:
                problem = f"no API key owned by requesting user found for ID [{key_id}]"
                raise InferenceError(Kind.NOT_FOUND, problem)
            if not key.is_valid(self._now() / 1000):
                ended = "expired" if key.invalidation is None else "invalidated"
                raise invalid(f"cannot update {ended} API key [{key_id}]", subject=Subject.ARGUMENT)
            changed = self._changed(caller, key, wanted)
            if changed == key:
                return False
            await self._keys.put([(changed, key)])
        await record(self._audit, caller, actions.UPDATE_KEY, key, changed)
        return True

    async def invalidate(self, caller: Caller, keys: Iterable[ApiKey]) -> tuple[Sequence[str], Sequence[str]]:
        """End *keys*: the ids of those that ended, and of those that had before."""
        keys, now = list(keys), self._now()
        ending = [key for key in keys if key.invalidation is None]
        changes = [(msgspec.structs.replace(key, invalidation=now), key) for key in ending]
        async with self._audit.failures(caller, actions.INVALIDATE_KEY.change, ",".join(key.id for key in ending)):
            allow(caller, actions.INVALIDATE_KEY)
            if changes:
                await self._keys.put(changes)
        for ended, before in changes:
            await record(self._audit, caller, actions.INVALIDATE_KEY, before, ended)
        return [key.id for key in ending], [key.id for key in keys if key.invalidation is not None]

    def seen(self, caller: Caller, wanted: Callable[[ApiKey], bool]) -> list[ApiKey]:
        """The keys that are *wanted* and have no more than *caller* has: all others are not there for it."""
        pairs = [self._keys.get(key.id) for key in self._keys if wanted(key)]
        return [key for key, who in filter(None, pairs) if not _more(who, caller)]

    def own(self, caller: Caller) -> ApiKey | None:
        """The key of *caller*, if it has one."""
        entry = self._keys.get(caller.name)
        return None if entry is None else entry[0]

    def is_active(self, key: ApiKey) -> bool:
        """Whether *key* opens anything now."""
        return key.is_valid(self._now() / 1000)

    def _changed(self, caller: Caller, key: ApiKey, wanted: Wanted) -> ApiKey:
        """*key* as it is *wanted*; `FORBIDDEN` when it would have more than *caller*."""
        maker = self.own(caller)
        if wanted.role_descriptors is not None:
            named = privileges(wanted.role_descriptors)
            key = msgspec.structs.replace(
                key,
                role_descriptors=wanted.role_descriptors,
                privileges=named if wanted.role_descriptors else self._privileges(caller),
            )
        metadata = key.metadata if wanted.metadata is None else wanted.metadata
        metadata = inheriting(metadata, {} if maker is None else maker.metadata)
        check_metadata(metadata)
        if len(msgspec.json.encode((key.role_descriptors, metadata))) > LARGEST:
            raise invalid(
                f"The roles and metadata of an API key have at most [{LARGEST}] bytes", subject=Subject.REQUEST
            )
        expiration = key.expiration if wanted.lifetime is None else self._now() + round(wanted.lifetime * 1000)
        if maker is not None and maker.expiration is not None:
            expiration = min(expiration or maker.expiration, maker.expiration)
        key = msgspec.structs.replace(key, metadata=metadata, expiration=expiration)
        if more := _more(key.caller(), caller):
            problem = f"API key id [{caller.name}] cannot give a key more than it has itself: {', '.join(more)}"
            raise InferenceError(Kind.FORBIDDEN, problem)
        return key

    def _privileges(self, caller: Caller) -> tuple[str, ...]:
        return (ALL,) if ALL in caller.privileges else tuple(sorted(caller.privileges))

    def _now(self) -> int:
        """The time, in milliseconds."""
        return round(self._clock.now().timestamp() * 1000)


def _more(who: Caller, caller: Caller) -> list[str]:
    """The names of what *who*, by another key, has more of than *caller*."""
    more = [f"the privilege [{name}]" for name in sorted(who.privileges - caller.privileges)]
    exceeded = exceeding(Granted(who.scope, who.share, who.limits), Granted(caller.scope, caller.share, caller.limits))
    is_administrator = ALL in caller.privileges  # who says which keys go first
    return more + [f"[{name}]" for name in exceeded if not (is_administrator and name == "share")]
