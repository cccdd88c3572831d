"""Named credentials and the key that seals them: set, shown, removed and rotated, each change tried and recorded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from inferpoint.access import actions
from inferpoint.access.decision import allow
from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.document import refuse_strange_addresses
from inferpoint.endpoints.lifecycle import Lifecycle
from inferpoint.endpoints.resolved import Resolved
from inferpoint.endpoints.sections import SECTIONS
from inferpoint.errors import invalid
from inferpoint.model import credentials as named
from inferpoint.model.credentials import Credential
from inferpoint.model.requests import Caller
from inferpoint.storage.audit import Audit, Change
from inferpoint.storage.credentials import not_found
from inferpoint.storage.rotation import Rotation, rotate

_VALUE, _ADDRESSES = "value", "addresses"


@dataclass(frozen=True)
class ShownCredential:
    """A credential as everybody may see it: with a fingerprint in place of its value."""

    name: str
    addresses: Sequence[str]
    fingerprint: str
    used_by: Sequence[str]


class Credentials:
    """The credentials of a server, of which every endpoint that refers to one has the value at once."""

    def __init__(self, endpoints: Endpoints, lifecycle: Lifecycle, audit: Audit) -> None:
        self._endpoints = endpoints
        self._lifecycle = lifecycle
        self._audit = audit

    def all(self, caller: Caller, name: str | None = None) -> list[ShownCredential]:
        """Every credential, or the one of that *name*; `NOT_FOUND` when there is none."""
        allow(caller, actions.GET_CREDENTIALS)
        credentials = self._endpoints.credentials
        if name is not None and name not in credentials:
            raise not_found(name)
        return [self._shown(one) for key, one in sorted(credentials.items()) if name in (None, key)]

    async def put(
        self,
        caller: Caller,
        name: str,
        config: Mapping[str, Any],
        *,
        validate: bool = True,
        seconds: float | None = None,
    ) -> ShownCredential:
        """Make a credential, or give it another value after one call with it, by the first of those that use it.

        *config* has the `value`, and the `addresses` of users' own to which it may be sent; those that it has stay
        where none are named. Calls on their way end as they began.
        """
        async with self._audit.failures(caller, actions.PUT_CREDENTIAL.change, name):
            allow(caller, actions.PUT_CREDENTIAL)
            named.check_name(name)
            async with self._lifecycle.lock(named.SIGN + name):
                before = self._endpoints.credentials.get(name)
                credential = _read(name, config, before)
                users = self._endpoints.using(name)
                drafts = [_with(user, credential) for user in users]
                if validate and drafts and (before is None or before != credential):
                    await self._lifecycle.try_with(caller, users[0], drafts[0], seconds)
                await self._lifecycle.written(self._put(caller, before, credential, users))
        return self._shown(credential)

    async def delete(self, caller: Caller, name: str) -> None:
        """Forget a credential; `CONFLICT` while an endpoint refers to it."""
        async with self._audit.failures(caller, actions.DELETE_CREDENTIAL.change, name):
            allow(caller, actions.DELETE_CREDENTIAL)
            async with self._lifecycle.lock(named.SIGN + name):
                await self._lifecycle.written(self._remove(caller, name))

    async def rotate(self, caller: Caller) -> Rotation:
        """Have everything that is stored sealed by a new key; a rotation that was begun before is finished."""
        async with self._audit.failures(caller, actions.ROTATE.change, ""):
            allow(caller, actions.ROTATE)
            return await self._lifecycle.written(self._rotate(caller))

    async def _put(
        self, caller: Caller, before: Credential | None, credential: Credential, users: Sequence[Resolved]
    ) -> None:
        was = None if before is None else self._fingerprint(before)
        allowed = [] if before is None else sorted(before.addresses or ())
        await self._endpoints.put_credential(credential)
        changes = [
            Change(_VALUE, was, self._fingerprint(credential)),
            Change(_ADDRESSES, allowed, sorted(credential.addresses or ())),
        ]
        changed = [one for one in changes if one.before != one.after]
        await self._audit.record(caller, actions.PUT_CREDENTIAL.change, credential.name, changed)
        await self._lifecycle.replaced(users)

    async def _remove(self, caller: Caller, name: str) -> None:
        before = self._endpoints.credentials.get(name)
        await self._endpoints.remove_credential(name)
        changes = [] if before is None else [Change(_VALUE, self._fingerprint(before), None)]
        await self._audit.record(caller, actions.DELETE_CREDENTIAL.change, name, changes)

    async def _rotate(self, caller: Caller) -> Rotation:
        before = self._endpoints.vault.key_id
        rotation = await rotate(self._endpoints.store, self._endpoints.vault)
        await self._audit.record(caller, actions.ROTATE.change, "", [Change("key_id", before, rotation.key_id)])
        return rotation

    def _shown(self, credential: Credential) -> ShownCredential:
        users = [user.endpoint.inference_id for user in self._endpoints.using(credential.name)]
        addresses = sorted(credential.addresses or ())
        return ShownCredential(credential.name, addresses, self._fingerprint(credential), users)

    def _fingerprint(self, credential: Credential) -> str:
        return self._endpoints.vault.fingerprint(str(credential))


def _read(name: str, config: Mapping[str, Any], before: Credential | None) -> Credential:
    """The credential that *config* describes; `INVALID` for what it must not hold, without repeating a value."""
    if unknown := config.keys() - {_VALUE, _ADDRESSES}:
        shown = ", ".join(f"[{one}]" for one in sorted(unknown))
        raise invalid(f"A credential has a [{_VALUE}] and [{_ADDRESSES}], and no {shown}")
    value, addresses = config.get(_VALUE), config.get(_ADDRESSES)
    if not isinstance(value, str):
        raise invalid(f"[{_VALUE}] must be a non-empty string")
    named.check_secret(value)
    if addresses is None:
        return Credential(value, name, (before and before.addresses) or ())
    listed = cast("list[Any]", addresses) if isinstance(addresses, list) else [None]
    texts = [text for text in listed if isinstance(text, str)]
    if texts != listed:
        raise invalid(f"[{_ADDRESSES}] must be a list of strings")
    try:
        return Credential(value, name, map(named.origin, texts))
    except ValueError as error:
        raise invalid(f"[{_ADDRESSES}] {error}") from None


def _with(user: Resolved, credential: Credential) -> Resolved:
    """*user* with *credential* in place of the value that it had; `INVALID` where its addresses do not allow it."""
    endpoint = user.endpoint
    records = {section.field: getattr(endpoint, section.field) for section in SECTIONS if section.sealed}
    for field, record in records.items():
        held = {name: credential for name, one in named.of(record).items() if one.name == credential.name}
        records[field] = replace(record, **held)
    endpoint = replace(endpoint, **records, version=uuid.uuid4().hex)
    refuse_strange_addresses(endpoint)
    return replace(user, endpoint=endpoint)
