"""Members that nobody asked for, and which servers refuse: learnt by the version of an endpoint, and left out."""

from __future__ import annotations

import re

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import Upstream

_REMEMBERED = 1000  # endpoints
_REFUSALS = (400, 422)


class Unasked:
    """The knowledge of which members of our own the servers of endpoints refuse."""

    def __init__(self) -> None:
        self._left_out: dict[str, frozenset[str]] = {}

    def left_out(self, resolved: Resolved) -> frozenset[str]:
        """The members that calls of this version of an endpoint go without."""
        return self._left_out.get(resolved.endpoint.version, frozenset())

    def learn(self, resolved: Resolved, without: frozenset[str], refusal: Upstream) -> bool:
        """Whether *refusal* is of members that were sent unasked; a call that went *without* some had the others."""
        refused = frozenset(name for name in resolved.task.unasked - without if _is_about(name, refusal))
        if not refused:
            return False
        while len(self._left_out) >= _REMEMBERED:
            del self._left_out[next(iter(self._left_out))]
        version = resolved.endpoint.version
        self._left_out[version] = self._left_out.get(version, frozenset()) | refused
        return True


def _is_about(member: str, refusal: Upstream) -> bool:
    if refusal.status not in _REFUSALS:
        return False
    return refusal.param == member or re.search(rf"\b{re.escape(member)}\b", refusal.message) is not None
