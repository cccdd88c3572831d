"""The places of bulk jobs in a configuration file: named, so that no request tells an address or a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from inferpoint.configuration.source import Place as Where
from inferpoint.configuration.source import Source
from inferpoint.errors import InferenceError
from inferpoint.model.settings import declared, read, setting, settings, unknown
from inferpoint.model.wording import did_you_mean

BULK, PLACES = "bulk", "places"
SOURCE, SINK, BOTH = "source", "sink", "both"
NAME = "[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?"
_FILE = re.compile(r"(?<!\$)\$\{file:([^}]+)\}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@settings
class Place:
    """Somewhere that jobs of the server may read or write: all that is below an address."""

    address: str = setting(
        "A folder by its absolute path, or a URL such as s3://bucket/folder; a password is written as a reference,"
        " ${VAR} or ${file:PATH}."
    )
    use: str = setting("Whether jobs read there, write there, or both.", choices=(SOURCE, SINK, BOTH))

    @property
    def is_source(self) -> bool:
        """Whether jobs may read there."""
        return self.use != SINK

    @property
    def is_sink(self) -> bool:
        """Whether jobs may write there."""
        return self.use != SOURCE


def read_places(
    file: Source, values: Any, *, folder: Path, check: Callable[[str], object], problems: list[str]
) -> Mapping[str, Place]:
    """The places in *values*, which is what *file* says of bulk jobs with all references put in.

    An address keeps its references as they are written, those of files from the *folder* of the configuration: it is
    written down with jobs, and no secret is. *check* raises for one that is none.
    """
    return dict(_places(file, values, folder, check, problems))


def _places(
    file: Source, values: Any, folder: Path, check: Callable[[str], object], problems: list[str]
) -> Iterator[tuple[str, Place]]:
    for name, members in _entries(file, values, problems):
        where = (BULK, PLACES, name)
        wrong: list[str] = []
        if re.fullmatch(NAME, name) is None:
            wrong.append("Its name must have a-z, 0-9, [_] and [-] alone, and neither of these two at an end")
        names = [one.name for one in declared(Place)]
        wrong += [f"[{one}] is no setting of a place{did_you_mean(one, names)}" for one in unknown(Place, members)]
        place = read(Place, members, scope=PLACES, problems=wrong)
        if place is not None:
            written = file.values[BULK][PLACES][name]["address"]
            written = _FILE.sub(lambda match: f"${{file:{folder.absolute() / match[1]}}}", written)
            wrong += _wrong_address(written, place.address, check)
            place = Place(address=written, use=place.use)
            if not wrong:
                yield name, place
        problems += [file.at(where, f"[{name}] {problem}") for problem in wrong]


def _entries(file: Source, values: Any, problems: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every place by its name, as far as the file has the form of some."""
    for section in _members(file, (BULK,), values, problems):
        others = sorted(section.keys() - {PLACES})
        problems += [file.at((BULK, name), f"[{name}] is no part of [{BULK}], which has [{PLACES}]") for name in others]
        for places in _members(file, (BULK, PLACES), section.get(PLACES), problems):
            for name, value in places.items():
                for place in _members(file, (BULK, PLACES, name), {} if value is None else value, problems):
                    yield name, place


def _members(file: Source, where: Where, value: Any, problems: list[str]) -> Iterator[Mapping[str, Any]]:
    """The object that stands at *where*, if one does."""
    if isinstance(value, dict):
        yield cast("dict[str, Any]", value)
    elif value is not None:
        problems.append(file.at(where, f"[{where[-1]}] must be an object"))


def _wrong_address(written: str, resolved: str, check: Callable[[str], object]) -> Iterator[str]:
    if not _URL.match(written) and not resolved.startswith("/"):
        yield "[address] must be an absolute path or a URL"
        return
    try:
        check(written)
    except InferenceError as error:
        yield from error.problems
