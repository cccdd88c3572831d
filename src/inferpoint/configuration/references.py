"""`${VAR}`, `${VAR:-default}` and `${file:PATH}` in a configuration file, and what is put in their places."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from inferpoint.configuration.source import Place, Source

START = "${"
_REFERENCE = re.compile(
    r"(?P<escaped>\$\$\{)|\$\{(?:file:(?P<path>[^}]+)|(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?)\}|(?P<wrong>\$\{)"
)


@dataclass(frozen=True)
class References:
    """Where the values come from: the variables of *environ*, and files beside the one that is read, at *folder*.

    A variable that is empty is one that is not set, as in a shell; a file's last line end is no part of its value.
    What cannot be put in is added to `problems`, with its line.
    """

    source: Source
    environ: Mapping[str, str]
    folder: Path
    problems: list[str] = field(default_factory=list[str])

    def resolved(self, value: Any, place: Place = ()) -> Any:
        """*value*, which stands at *place*, with everything put in; `$${` stands for `${` itself."""
        match value:
            case str():
                return _REFERENCE.sub(self._replacing(place), value)
            case dict():
                members = cast("dict[str, Any]", value).items()
                return {name: self.resolved(inner, (*place, name)) for name, inner in members}
            case list():
                several = enumerate(cast("list[Any]", value))
                return [self.resolved(inner, (*place, index)) for index, inner in several]
            case _:
                return value

    def _replacing(self, place: Place) -> Callable[[re.Match[str]], str]:
        def replaced(match: re.Match[str]) -> str:
            if match["escaped"]:
                return START
            if match["path"]:
                return self._of_file(match["path"], place)
            if match["wrong"]:
                problem = "A reference must have the form ${VAR}, ${VAR:-default} or ${file:PATH}; $${ stands for ${"
                self._wrong(place, problem)
                return ""
            text = self.environ.get(match["name"]) or match["default"]
            if text is None:
                self._wrong(place, f"The variable {match['name']} is not set")
            return text or ""

        return replaced

    def _of_file(self, path: str, place: Place) -> str:
        try:
            return (self.folder / path).read_text("utf-8").removesuffix("\n").removesuffix("\r")
        except OSError as error:
            self._wrong(place, f"The file {path} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self._wrong(place, f"The file {path} is not UTF-8")
        return ""

    def _wrong(self, place: Place, problem: str) -> None:
        line = self.source.at(place, "").removesuffix(" ")
        self.problems.append(f"{line} {problem}")
