"""The endpoints of a configuration file, made when the server starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inferpoint.endpoints.applying import Action, Order, applied
from inferpoint.endpoints.lifecycle import Lifecycle
from inferpoint.model.privileges import EVERY_PRIVILEGE
from inferpoint.model.requests import Caller
from inferpoint.telemetry.log import inform, warn

_FILE = Caller("configuration file", EVERY_PRIVILEGE)


async def apply_at_start(lifecycle: Lifecycle, configs: Sequence[Mapping[str, Any]]) -> None:
    """Create what is missing of *configs* and change what differs, leaving all others; one that fails is named.

    A provider that does not answer keeps its endpoint from being made, and not the server from starting.
    """
    changes = await applied(lifecycle, _FILE, Order(configs)) if configs else []
    for change in changes:
        name = f"The endpoint [{change.inference_id}] of the configuration file"
        if change.error is not None:
            warn(f"{name} could not be {change.action}d: {change.error.whole()}")
        elif change.action is not Action.NONE:
            inform(f"{name} is {change.action}d")
    failed = sum(change.error is not None for change in changes)
    if failed:
        warn(f"Of {len(changes)} endpoints of the configuration file, {failed} are not as it says")
