"""The endpoints that a caller is held to."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from inferpoint.model.wildcards import fits


class Scope(msgspec.Struct, frozen=True):
    """Endpoints by their own ids, of which the names may be patterns, and by their task types; None are all."""

    inference_ids: tuple[str, ...] | None = None
    task_types: frozenset[str] | None = None

    def names(self, name: str) -> bool:
        """Whether an endpoint may have that id, or an alias."""
        return self.inference_ids is None or any(fits(pattern, name) for pattern in self.inference_ids)

    def covers(self, inference_id: str, task_type: str | None) -> bool:
        """Whether an endpoint of that id and task type is among them; None is a task type that nobody knows."""
        return _covers(self, inference_id, task_type)

    def within(self, other: Scope) -> bool:
        """Whether all endpoints that these are or may be are among the *other* ones."""
        if other.task_types is not None and not (self.task_types is not None and self.task_types <= other.task_types):
            return False
        if other.inference_ids is None:
            return True
        return self.inference_ids is not None and all(other.names(pattern) for pattern in self.inference_ids)


@lru_cache(10_000)
def _covers(scope: Scope, inference_id: str, task_type: str | None) -> bool:
    return (scope.task_types is None or task_type in scope.task_types) and scope.names(inference_id)


EVERYWHERE = Scope()
