"""May this caller do this? Everybody may, until keys are configured: `anonymous` holds both privileges."""

from __future__ import annotations

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import Caller

MANAGE = "manage_inference"
MONITOR = "monitor_inference"


def allow(caller: Caller, privilege: str, action: str) -> None:
    """`FORBIDDEN` unless *caller* has *privilege*; managing includes looking and asking."""
    if privilege not in caller.privileges and MANAGE not in caller.privileges:
        raise InferenceError(
            Kind.FORBIDDEN,
            f"action [{action}] is unauthorized for user [{caller.name}],"
            f" this action is granted by the cluster privileges [{privilege}]",
        )
