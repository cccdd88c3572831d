"""How many requests of one key may be in work at once."""

from __future__ import annotations

from collections import Counter

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.requests import Caller


class Crowd:
    """The requests in work of each caller with a key, at *most* so many of one: another is `OVERLOADED`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    def enter(self, caller: Caller) -> None:
        """Count a request; whoever was let in has to `leave`."""
        name = caller.name
        if self._counts[name] >= self._most:
            problem = f"The key [{name}] has as many requests in work as it may have, [{self._most}]"
            raise InferenceError(Kind.OVERLOADED, problem, retry_after=1.0)
        self._counts[name] += 1

    def leave(self, caller: Caller) -> None:
        """Count a request no more."""
        self._counts[caller.name] -= 1
        if not self._counts[caller.name]:
            del self._counts[caller.name]
