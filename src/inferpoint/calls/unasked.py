"""Members that nobody asked for, and which servers refuse: learnt by the version of an endpoint, and left out."""

from __future__ import annotations

import re

from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import Upstream

_REFUSALS = (400, 422)


def refused(resolved: Resolved, without: frozenset[str], refusal: Upstream) -> frozenset[str]:
    """The members sent unasked that *refusal* is about; a call that went *without* some had the others."""
    return frozenset(name for name in resolved.task.unasked - without if _is_about(name, refusal))


def _is_about(member: str, refusal: Upstream) -> bool:
    if refusal.status not in _REFUSALS:
        return False
    return refusal.param == member or re.search(rf"\b{re.escape(member)}\b", refusal.message) is not None
