"""What was done to a key, in the audit trail: all that is shown of it, and so nothing of its secret."""

from __future__ import annotations

from inferpoint.access.actions import Action
from inferpoint.access.key import ApiKey
from inferpoint.model.requests import Caller
from inferpoint.storage.audit import Audit, Change

_RECORDED = ("name", "privileges", "role_descriptors", "metadata", "expiration", "invalidation")


async def record(audit: Audit, caller: Caller, action: Action, before: ApiKey | None, after: ApiKey) -> None:
    """Write down that *caller* made the key *after*, or what it was *before*, by *action*."""
    values = [(name, None if before is None else getattr(before, name), getattr(after, name)) for name in _RECORDED]
    changes = [Change(name, old or None, new or None) for name, old, new in values if (old or None) != (new or None)]
    await audit.record(caller, action.change, after.id, changes)
