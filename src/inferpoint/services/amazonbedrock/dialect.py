"""The words that every part of a request to Converse shares: its errors, and cache points."""

from __future__ import annotations

from typing import Any

from inferpoint.model.chat import CacheHint
from inferpoint.protocols.chat import Dialect

DIALECT = Dialect("Amazon Bedrock chat completion API")
CLAUDE = "anthropic"  # the only one of these providers with thinking, caching and results of tools that failed
_LONG = "1h"


def cache_point(*hints: CacheHint | None) -> list[dict[str, Any]]:
    """The block after what is to be kept: one where any of the *hints* is there, and else none.

    Without a `ttl` it is kept for five minutes, which is also how models take it that know no other time.
    """
    asked = [hint for hint in hints if hint is not None]
    ttl = {"ttl": _LONG} if any(hint.ttl == _LONG for hint in asked) else {}
    return [{"cachePoint": {"type": "default", **ttl}}] if asked else []
