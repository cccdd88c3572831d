"""Texts in which `${name}` stands for a value: filled once, and never again from what was filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from inferpoint.errors import invalid

PLACEHOLDER = re.compile(r"\$\{([^${}]*)\}")


def is_filled(text: Any) -> bool:
    """Whether anything is filled in in *text*."""
    return isinstance(text, str) and PLACEHOLDER.search(text) is not None


def filled(template: str, values: Mapping[str, Any], write: Callable[[Any], str], *, field: str) -> str:
    """*template* with the *values* in it as *write* writes them; `INVALID`, naming *field*, where one is missing."""

    def value(placeholder: re.Match[str]) -> str:
        if placeholder[1] not in values:
            raise invalid(
                f"Found placeholder [{placeholder[0]}] in field [{field}] after replacement call,"
                " please check that all templates have a corresponding field definition."
            )
        return write(values[placeholder[1]])

    return PLACEHOLDER.sub(value, template)
