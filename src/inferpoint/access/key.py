"""One API key as a value, and the caller that it makes of whoever has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.access.metadata import Granted, granted
from inferpoint.model.privileges import included
from inferpoint.model.requests import Caller


class ApiKey(msgspec.Struct, frozen=True):
    """A key. Times are in milliseconds of the Unix epoch; None for never.

    `hash` is all that is kept of the secret. `owner` is the name of the caller that made the key. `role_descriptors`
    and `metadata` are as its maker wrote them, and `privileges` what the key has: those of its maker where the
    descriptors say nothing.
    """

    id: str
    name: str
    hash: str
    owner: str
    creation: int
    privileges: tuple[str, ...]
    role_descriptors: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    expiration: int | None = None
    invalidation: int | None = None

    @property
    def ends(self) -> float:
        """When the key expires, in seconds of the Unix epoch."""
        return math.inf if self.expiration is None else self.expiration / 1000

    def is_valid(self, now: float) -> bool:
        """Whether the key opens anything at the time *now*, in seconds."""
        return self.invalidation is None and now < self.ends

    @property
    def granted(self) -> Granted:
        """What `metadata.inferpoint` says; `INVALID` when it cannot be read."""
        return granted(self.metadata)

    def caller(self) -> Caller:
        """The caller that has this key."""
        says = self.granted
        return Caller(self.id, included(self.privileges), says.share, says.limits, says.scope)

    def __repr__(self) -> str:
        return f"ApiKey({self.id!r}, {self.name!r})"


def from_document(document: Mapping[str, Any]) -> ApiKey:
    """The key that was stored; a `msgspec.ValidationError` for what is none."""
    return msgspec.convert(document, ApiKey)


def to_document(key: ApiKey) -> dict[str, Any]:
    """*key* as it is stored."""
    return msgspec.to_builtins(key)
