"""The endpoints as a caller sees them that is held to some: any other is to it as one that is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inferpoint.access.decision import may
from inferpoint.endpoints.directory import Endpoints, not_found, taken
from inferpoint.endpoints.resolved import Resolved
from inferpoint.model.endpoint import Endpoint, TaskType
from inferpoint.model.requests import Caller


class Seen:
    """Those of the *endpoints* that are for *caller*, found as among all of them."""

    def __init__(self, endpoints: Endpoints, caller: Caller) -> None:
        self._endpoints = endpoints
        self._caller = caller

    def find(self, name: str) -> Resolved:
        """The endpoint whose id or alias is *name*, or `NOT_FOUND`."""
        return self._own(self._endpoints.owners.get(name, name), name)

    def own(self, inference_id: str) -> Resolved:
        """The endpoint of that very id, or `NOT_FOUND`."""
        return self._own(inference_id, inference_id)

    def exists(self, inference_id: str) -> bool:
        """Whether there is an endpoint of that id, usable or not."""
        if not self._endpoints.exists(inference_id):
            return False
        resolved = self._endpoints.usable(inference_id)
        return may(self._caller, None, inference_id, resolved and resolved.endpoint.task_type)

    def unusable(self, inference_id: str) -> bool:
        """Whether the endpoint is stored but cannot be used."""
        return self.exists(inference_id) and self._endpoints.unusable(inference_id)

    def losing(self, endpoint: Endpoint) -> Sequence[Resolved]:
        """The others of whose aliases some are the *endpoint*'s; `CONFLICT` for one that is not for the caller."""
        owners = self._endpoints.losing(endpoint)
        for owner in owners:
            if not self.exists(owner.endpoint.inference_id):
                raise taken(next(alias for alias in endpoint.aliases if alias in owner.endpoint.aliases))
        return owners

    def all(self, task_type: TaskType | None = None) -> list[Resolved]:
        """Every endpoint, or every one of a task type, by id."""
        return [one for one in self._endpoints.all(task_type) if self.exists(one.endpoint.inference_id)]

    def _own(self, inference_id: str, name: str) -> Resolved:
        """The endpoint of that id, asked for by *name*."""
        resolved = self._endpoints.usable(inference_id)
        if resolved is not None and may(self._caller, None, inference_id, resolved.endpoint.task_type):
            return resolved
        if not self.exists(inference_id):
            raise not_found(name, self._owners())
        return self._endpoints.own(inference_id)  # and why it cannot be used

    def _owners(self) -> Mapping[str, str]:
        return {name: owner for name, owner in self._endpoints.owners.items() if self.exists(owner)}


def seen(endpoints: Endpoints, caller: Caller) -> Endpoints | Seen:
    """The *endpoints* that are for *caller*."""
    return endpoints if caller.scope is None else Seen(endpoints, caller)
