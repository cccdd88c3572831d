"""One setting as it was declared."""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """One thing a user may set.

    `kind` is the JSON type (`str`, `int`, `float`, `bool`, `dict` of strings, `list` of strings) or a settings class
    for an object of settings. Bounds are inclusive, but for `above`. `wide` integers have 64 bits, others 32. Choices
    that take `any_case` are kept in lower case. `pattern` is what the whole of a string must match. A `url` is an
    address to which the secrets beside it go: it changes only together with them. A `dict` is of headers,
    unless it is of `plain` values, which are texts, numbers and booleans.
    """

    name: str
    kind: type[Any]
    label: str
    help: str
    default: Any = MISSING
    choices: tuple[str | int, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    pattern: str = ""
    any_case: bool = False
    url: bool = False
    wide: bool = False
    plain: bool = False
    updatable: bool = False
    secret: bool = False

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING

    @property
    def of_headers(self) -> bool:
        """Whether its value is a map of headers, whose values are kept as keys are."""
        return self.kind is dict and not self.plain

    @property
    def nested(self) -> bool:
        """Whether its value is an object of settings."""
        return dataclasses.is_dataclass(self.kind)
