"""A configuration file as values, each with the line where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inferpoint.errors import invalid

Place = tuple[str | int, ...]  # the names and indexes that lead to a value
_NAMES = re.compile(r"\[([\w.]+)\]|\{([\w.]+)=")


@dataclass(frozen=True)
class Source:
    """The values of the file called *name*, and the line of each place in it."""

    name: str
    values: Mapping[str, Any]
    lines: Mapping[Place, int]

    def at(self, place: Place, problem: str) -> str:
        """*problem*, which is at *place* or at a member of it that the problem names, with its file and line."""
        while place and place not in self.lines:
            place = place[:-1]
        named = {name.rpartition(".")[2] for names in _NAMES.findall(problem) for name in names if name}
        inside = [inner for inner in self.lines if inner[: len(place)] == place and inner[-1:] and inner[-1] in named]
        line = self.lines.get(max(inside, key=len) if inside else place, 1)
        return f"{self.name}:{line}: {problem}"


def read(name: str, text: str) -> Source:
    """The file called *name* of that *text*: TOML where its name ends so, else YAML; `INVALID` when it is neither."""
    # Read when it is used: a server without such a file does not carry the library.
    if Path(name).suffix == ".toml":
        from inferpoint.configuration import toml_file as reader  # noqa: PLC0415
    else:
        from inferpoint.configuration import yaml_file as reader  # noqa: PLC0415
    values, lines = reader.read(name, text)
    if not isinstance(values, dict):
        raise invalid(f"{name}:1: The configuration file must hold names and values")
    return Source(name, values, lines)  # pyright: ignore[reportUnknownArgumentType] - every key was checked to be text
