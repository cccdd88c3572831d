"""Keys made for a test, without a face."""

from __future__ import annotations

import asyncio
from typing import Any

from world import World

from inferpoint.access.credentials import Credentials
from inferpoint.access.key import ApiKey
from inferpoint.access.management import Management, Wanted
from inferpoint.model.requests import ANONYMOUS, INTERNAL, Caller

ADMIN = {"role": {"cluster": ["all"]}}


def management(world: World) -> Management:
    """What makes and ends the keys of a world."""
    return Management(world.keys, world.clock, world.engine.audit)


def make(
    world: World,
    *privileges: str,
    by: Caller = INTERNAL,
    lifetime: float | None = None,
    **held: Any,
) -> tuple[ApiKey, Credentials]:
    """A key with *privileges*, held to what its metadata says; the administrator's is there before it.

    No time passes meanwhile.
    """
    if not len(world.keys):
        asyncio.run(management(world).create(ANONYMOUS, "administrator", Wanted(ADMIN)))
    roles = {"role": {"cluster": list(privileges)}}
    wanted = Wanted(roles, {"inferpoint": held} if held else None, lifetime)
    return asyncio.run(management(world).create(by, "made", wanted))


def caller(world: World, key: ApiKey) -> Caller:
    """Whoever has *key*."""
    entry = world.keys.get(key.id)
    assert entry is not None
    return entry[1]
