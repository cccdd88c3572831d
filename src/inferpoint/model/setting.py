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
    address to which the secrets beside it go: it changes only together with them. `entries` are the types of what a
    `dict` or a `list` holds, none where it may be anything. Whatever nobody declares beside the one that takes the
    `rest` is an entry of that: only requests have such entries, and no endpoint. In a `template` a service fills in
    what stands as `${name}`. A map that is `merged` is changed entry by entry.
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
    updatable: bool = False
    secret: bool = False
    entries: tuple[type[Any], ...] = ()
    rest: bool = False
    template: bool = False
    merged: bool = False

    @property
    def headers(self) -> bool:
        """Whether its value is a map of headers, as every map is that holds nothing but strings in the open."""
        return self.kind is dict and self.entries == (str,) and not self.secret

    @property
    def pairs(self) -> bool:
        """Whether its value is a list of names and texts, as of the parameters of an address."""
        return self.kind is list and self.entries == (tuple,)

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING

    @property
    def nested(self) -> bool:
        """Whether its value is an object of settings."""
        return dataclasses.is_dataclass(self.kind)
