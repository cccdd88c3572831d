"""Members of OpenAI's chats that change no answer: what a cache or an account is told beside the question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

NAMES = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store"}
)


def taken(*names: str) -> Callable[[Any, str], frozenset[str]]:
    """What a task says of its hints that takes those called *names*, whatever the model and wherever it is."""
    known = frozenset(names)
    return lambda _model, _origin: known


def parted(members: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The members of a body that were not read, as those that say how to answer and those that are hints."""
    if NAMES.isdisjoint(members):
        return members, {}
    hints = {name: value for name, value in members.items() if name in NAMES}
    return {name: value for name, value in members.items() if name not in NAMES}, hints
