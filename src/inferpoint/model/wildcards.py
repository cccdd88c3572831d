"""Patterns of names, in which `*` stands for anything."""

from __future__ import annotations


def fits(pattern: str, name: str) -> bool:
    """Whether `*`s can stand for what *pattern* leaves open. As a regular expression it could take hours.

    Of two patterns: whether all that fits *name* fits *pattern*, too.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, last = rest
    at, end = len(first), len(name) - len(last)
    if at > end or not (name.startswith(first) and name.endswith(last)):
        return False
    for part in middle:
        start = name.find(part, at, end)
        if start < 0:
            return False
        at = start + len(part)
    return True
