"""What callers were told about endpoints that many of them make and delete at once, and whether it can be true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet


class Ledger:
    """Counts, of each id, the answered creations and deletions."""

    def __init__(self) -> None:
        self._made: Counter[str] = Counter()
        self._deleted: Counter[str] = Counter()

    def put(self, inference_id: str, status: int, reason: str) -> None:
        """An answer to a creation."""
        assert status == 200 or (status == 400 and reason == "resource_already_exists_exception"), (status, reason)
        self._made[inference_id] += status == 200

    def delete(self, inference_id: str, status: int) -> None:
        """An answer to a deletion."""
        assert status in (200, 404), status
        self._deleted[inference_id] += status == 200

    def settled(self, existing: AbstractSet[str]) -> None:
        """Every endpoint that was created and not deleted exists, and no other."""
        for inference_id in self._made | self._deleted:
            left = self._made[inference_id] - self._deleted[inference_id]
            assert left == (inference_id in existing), f"{inference_id}: {left} left, by the answers"
