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
from inferpoint.clock import Clock
from inferpoint.errors import InferenceError, Kind, Subject, invalid
from inferpoint.model.privileges import ALL, included
from inferpoint.model.requests import Caller

LARGEST = 64 * 1024  # bytes of what is kept beside a key, for all keys are in memory


@dataclass(frozen=True)
class Wanted:
    """What somebody wants of a key; None for what is not said. `lifetime` is in seconds."""

    role_descriptors: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    lifetime: float | None = None


class Management:
    """The changes of *keys*, for callers."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def create(self, caller: Caller, name: str, wanted: Wanted) -> tuple[ApiKey, Credentials]:
        """A new key with its credentials, of which the secret is told this once."""
        allow(caller, actions.CREATE_KEY)
        check_name(name)
        made = credentials.made()
        now = self._now()
        key = ApiKey(made.id, name, made.hash, caller.name, now, self._privileges(caller))
        key = self._changed(caller, key, wanted)
        if not len(self._keys) and (ALL not in key.privileges or key.granted.scope is not None):
            problem = (
                "The first key must be an administrator's, for it closes the server: with the cluster privilege [all]"
            )
            raise invalid(f"{problem}, and no [inference_ids] or [task_types]")
        await self._keys.put([(key, None)])
        return key, made

    async def update(self, caller: Caller, key_id: str, wanted: Wanted) -> bool:
        """Change a key, and say whether anything was; `NOT_FOUND` for one that is not for *caller*."""
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
        return True

    async def invalidate(self, caller: Caller, keys: Iterable[ApiKey]) -> tuple[Sequence[str], Sequence[str]]:
        """End *keys*: the ids of those that ended, and of those that had before."""
        allow(caller, actions.INVALIDATE_KEY)
        keys, now = list(keys), self._now()
        ending = [key for key in keys if key.invalidation is None]
        if ending:
            await self._keys.put([(msgspec.structs.replace(key, invalidation=now), key) for key in ending])
        return [key.id for key in ending], [key.id for key in keys if key.invalidation is not None]

    def seen(self, caller: Caller, wanted: Callable[[ApiKey], bool]) -> list[ApiKey]:
        """The keys that are *wanted* and have no more than *caller* has: all others are not there for it."""
        return [key for key in self._keys if wanted(key) and not _more(key, caller)]

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
        if more := list(_more(key, caller)):
            problem = f"API key id [{caller.name}] cannot give a key more than it has itself: {', '.join(more)}"
            raise InferenceError(Kind.FORBIDDEN, problem)
        return key

    def _privileges(self, caller: Caller) -> tuple[str, ...]:
        return (ALL,) if ALL in caller.privileges else tuple(sorted(caller.privileges))

    def _now(self) -> int:
        """The time, in milliseconds."""
        return round(self._clock.now().timestamp() * 1000)


def _more(key: ApiKey, caller: Caller) -> list[str]:
    """The names of what *key* has more of than *caller*."""
    beyond = included(key.privileges) - caller.privileges
    more = [f"the privilege [{name}]" for name in sorted(beyond)]
    own = Granted(caller.scope, caller.share, caller.limits)
    exceeded = [f"[{name}]" for name in exceeding(key.granted, own)]
    if ALL in caller.privileges:
        exceeded = [name for name in exceeded if name != "[share]"]  # whoever may do everything says who goes first
    return more + exceeded
