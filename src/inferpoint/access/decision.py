"""May this caller do this? The one decision, for every face, the command line and the library."""

from __future__ import annotations

from collections.abc import Collection

from inferpoint.access.actions import Action
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.privileges import granting
from inferpoint.model.requests import Caller


def may(caller: Caller, privilege: str | None, inference_id: str = "", task_type: str | None = None) -> bool:
    """Whether *caller* has *privilege*, and for the endpoint of that very id where one is named.

    None is the privilege of whoever is known. An alias is nobody's to decide on: it is resolved before.
    """
    if privilege is not None and privilege not in caller.privileges:
        return False
    return not inference_id or caller.scope is None or caller.scope.covers(inference_id, task_type)


def allow(caller: Caller, action: Action) -> None:
    """`FORBIDDEN`, naming what is missing, unless *caller* may do that at all."""
    if not may(caller, action.privilege):
        assert action.privilege is not None
        raise InferenceError(
            Kind.FORBIDDEN,
            f"action [{action.name}] is unauthorized for API key id [{caller.name}],"
            f" this action is granted by the cluster privileges [{','.join(granting(action.privilege))}]",
        )
    if action.whole and caller.scope is not None:
        problem = f"action [{action.name}] is unauthorized for API key id [{caller.name}], which is held to endpoints"
        raise InferenceError(Kind.FORBIDDEN, problem)


def refuse_names(caller: Caller, action: Action, names: Collection[str], task_type: str | None = None) -> None:
    """`FORBIDDEN` unless *caller* is for endpoints with all of these ids and aliases, whether there are some or not."""
    scope = caller.scope
    if scope is None:
        return
    outside = [f"[{name}]" for name in names if not scope.names(name)]
    if task_type is not None and scope.task_types is not None and task_type not in scope.task_types:
        outside.append(f"task type [{task_type}]")
    if outside:
        problem = f"action [{action.name}] is unauthorized for API key id [{caller.name}] on {', '.join(outside)}"
        raise InferenceError(Kind.FORBIDDEN, problem)
