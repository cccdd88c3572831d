"""TOML with the line of each value, which Python's own reader does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, cast

from inferpoint.configuration.source import Place
from inferpoint.errors import invalid


def read(name: str, text: str) -> tuple[Any, dict[Place, int]]:
    """The values of *text* and their lines; `INVALID` when it is no TOML."""
    try:
        return tomllib.loads(text), dict(_lines(text))
    except tomllib.TOMLDecodeError as error:
        raise invalid(f"The configuration file {name} is not TOML: {error}") from None


def _lines(text: str) -> Iterator[tuple[Place, int]]:
    """The line of each place; the shortest statement that can be read is whole, as none ends before its last line."""
    table: Place = ()
    counts: dict[Place, int] = {}
    statement, first = "", 1
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not statement:
            first = number
        statement += line
        try:
            values = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        places = list(_places(values))
        if statement.lstrip().startswith("["):
            table = _table(places[-1], counts)
            yield table, first
        else:
            yield from ((table + place, first) for place in places)
        statement = ""


def _table(header: Place, counts: dict[Place, int]) -> Place:
    """The place of the table that a header of its own opens, the next one where there are several."""
    place: Place = ()
    for part, following in zip(header, [*header[1:], ""], strict=True):
        if isinstance(part, int):
            counts[place] = counts.get(place, -1) + 1
            place += (counts[place],)
        else:
            place += (part,)
            if place in counts and isinstance(following, str) and following:
                place += (counts[place],)
    return place


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every place in *value*, those inside after what they are in."""
    if place:
        yield place
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from _places(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from _places(inner, (*place, index))
