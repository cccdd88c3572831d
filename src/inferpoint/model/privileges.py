"""What a caller may do: the names of privileges as Elasticsearch has them, and what each includes."""

from __future__ import annotations

from collections.abc import Iterable

ALL, MANAGE, MONITOR, MANAGE_KEYS = "all", "manage_inference", "monitor_inference", "manage_api_key"
_INCLUDED = {
    ALL: frozenset({ALL, MANAGE, MONITOR, MANAGE_KEYS}),
    MANAGE: frozenset({MANAGE, MONITOR}),
    MONITOR: frozenset({MONITOR}),
    MANAGE_KEYS: frozenset({MANAGE_KEYS}),
}
PRIVILEGES = tuple(_INCLUDED)
EVERY_PRIVILEGE = _INCLUDED[ALL]


def included(names: Iterable[str]) -> frozenset[str]:
    """The privileges called *names*, with all that they include."""
    return frozenset[str]().union(*(_INCLUDED[name] for name in names))


def granting(privilege: str) -> tuple[str, ...]:
    """The privileges that include *privilege*, the least of them first."""
    names = (name for name in PRIVILEGES if privilege in _INCLUDED[name])
    return tuple(sorted(names, key=lambda name: len(_INCLUDED[name])))
