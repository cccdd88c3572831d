"""Refusals that say that one call held too much, so that the same inputs in more calls may pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from inferpoint.errors import Upstream


class Oversize(StrEnum):
    """The measure of which a refused call held too much."""

    INPUTS = "inputs"
    TOKENS = "tokens"  # or bytes, or characters: whatever longer inputs have more of


_STATUSES = (400, 413, 422)
_NO_CODES: Mapping[str, Oversize] = {}


def told_by(
    *, inputs: Sequence[str] = (), tokens: Sequence[str] = (), codes: Mapping[str, Oversize] = _NO_CODES
) -> Callable[[Upstream], Oversize | None]:
    """A reader of refusals that knows a provider's `codes`, and regular expressions of its phrases in any case.

    The reader returns what the call held too much of, or None when that was not its fault. One input that is too long
    by itself is told in the same words: in halves of halves it ends up alone, and the others pass. A 413 needs no
    words: often a proxy answers it with a page for people.
    """
    of_inputs, of_tokens = _any_of(inputs), _any_of(tokens)

    def oversize(upstream: Upstream) -> Oversize | None:
        if upstream.status not in _STATUSES:
            return None
        if upstream.code is not None and upstream.code in codes:
            return codes[upstream.code]
        if of_inputs.search(upstream.message):
            return Oversize.INPUTS
        return Oversize.TOKENS if upstream.status == 413 or of_tokens.search(upstream.message) else None

    return oversize


def _any_of(phrases: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(phrases) or r"(?!)", re.IGNORECASE)  # no phrase matches nothing


by_status = told_by()
