"""Places by the names that a server's configuration gives them, and paths that stay inside them.

A job of a server is written down with `place:NAME/PATH` for an address, so that neither its body nor its record has
more than a name, and what a place's address becomes is up to the configuration.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from typing_extensions import override

from inferpoint.bulk.addresses import Addresses, address
from inferpoint.configuration.places import Place
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.wording import did_you_mean

_MARK = "place:"
_ANY = "*"  # stands for any letters of a name, or for any folders
_OTHERS = frozenset(" !'()+,-.=@_")  # that a name may have beside letters and digits
_TABLES = {"postgresql": "table", "postgres": "table", "lancedb": "table", "qdrant": "collection"}  # by parameters
_LONGEST = 1024  # characters of a path
_FOLDERS = ("", "file")  # schemes of what is on this machine


class Within(msgspec.Struct, frozen=True):
    """Something inside a place: its name, and a path from there, which ends with a slash where it is a folder."""

    place: str
    path: str

    @property
    def written(self) -> str:
        """The address of it as a job is written down with."""
        return f"{_MARK}{self.place}/{self.path}"


def read_within(written: str) -> Within | None:
    """What `written` was made of; None for the address of a job that was not started through a server."""
    if not written.startswith(_MARK):
        return None
    place, _, path = written.removeprefix(_MARK).partition("/")
    return Within(place, path)


class NamedPlaces(Addresses):
    """The places of a server's configuration, by their names."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places

    def problems(self, within: Within, *, writes: bool) -> Iterator[tuple[str, str]]:
        """Why a job may not read, or with *writes* not write there, each with the member that says so."""
        names = [name for name, one in self._places.items() if (one.is_sink if writes else one.is_source)]
        if within.place not in self._places:
            yield "place", f"There is no place [{within.place}]{did_you_mean(within.place, names)}"
        elif within.place not in names:
            yield "place", f"The place [{within.place}] is not one to {'write to' if writes else 'read from'}"
        # A pattern of what is read stands for any names that there are.
        if reason := wrong_path(within.path if writes else within.path.replace(_ANY, "x")):
            yield "path", reason

    @override
    def kept(self, written: str) -> str:
        return written

    @override
    def source(self, written: str) -> str:
        """The address that `place:NAME/PATH` stands for; `FORBIDDEN` when a link leads out of the place."""
        return self._address(written, writes=False)

    @override
    def sink(self, written: str) -> str:
        """The address that `place:NAME/PATH` stands for; `FORBIDDEN` when a link leads out of the place."""
        return self._address(written, writes=True)

    def _address(self, written: str, *, writes: bool) -> str:
        within = read_within(written)
        if within is None:
            raise invalid("The job was not started through a server")
        if problems := [problem for _, problem in self.problems(within, writes=writes)]:
            raise invalid(*problems)
        base = self._places[within.place].address
        if (where := address(base)).scheme in _FOLDERS:
            _refuse_links(Path(where.path), within.path)
        return joined(base, within.path)

    def hidden(self, text: str) -> str:
        """*text* with the names of places where it has their addresses."""
        bases = {name: place.address.partition("?")[0].rstrip("/") for name, place in self._places.items()}
        for name, base in sorted(bases.items(), key=lambda one: len(one[1]), reverse=True):
            text = text.replace(f"{base}/", f"{_MARK}{name}/") if base else text
        return text


def joined(base: str, path: str) -> str:
    """The address of *path* in a place: below it, where it has files or indices, or as the name of its table."""
    where, mark, parameters = base.partition("?")
    kind = base.partition("://")[0].partition("+")[0].lower()
    if kind in _TABLES:
        return f"{base}{'&' if mark else '?'}{_TABLES[kind]}={path}"
    return f"{where.rstrip('/')}/{path}{mark}{parameters}"


def wrong_path(path: str) -> str | None:
    """Why *path* is none inside a place; None for one that is.

    Each name in it has letters and digits of any language and a few marks, is written in one way only, and begins with
    no dot: so none is an address, a parent, a hidden file, a pattern or a reference, however it is read later.
    """
    if not path:
        return "A path is needed"
    if len(path) > _LONGEST:
        return f"A path has at most {_LONGEST} characters"
    return next(filter(None, map(_wrong_name, path.removesuffix("/").split("/"))), None)


def _wrong_name(name: str) -> str | None:
    """Why *name* is none of a file or a folder in a path."""
    if not name:
        return "A path begins with the name of a file or a folder, and has one between two slashes"
    if name.startswith(".") or name.endswith(".") or name != name.strip():
        return "No name in a path begins or ends with a dot or a space"
    if any(not (letter.isalnum() or letter in _OTHERS or unicodedata.category(letter)[0] == "M") for letter in name):
        shown = "".join(mark for mark in sorted(_OTHERS) if mark != " ")
        return f"A name in a path has letters, digits, spaces and any of {shown}"
    if unicodedata.normalize("NFKC", name) != name:
        return "A path is written in Unicode's form NFKC"
    return None


def _refuse_links(folder: Path, path: str) -> None:
    """`FORBIDDEN` unless *path* is inside *folder*, and all that is below it below it, also where links lead."""
    plain, pattern, _ = path.partition(_ANY)
    try:
        target = (folder / (plain.rpartition("/")[0] if pattern else plain)).resolve()
        stays = target.is_relative_to(folder.resolve())
        if stays and target.is_dir():
            stays = all(way.resolve().is_relative_to(target) for way in target.rglob("*") if way.is_symlink())
    except (OSError, RuntimeError):  # links that lead to each other
        stays = False
    if not stays:
        raise InferenceError(Kind.FORBIDDEN, f"[{path}] leads out of its place by a link")
