"""From an address to a source: which kind it is, and which objects it names."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from inferpoint.bulk import objects
from inferpoint.bulk.addresses import Address, address
from inferpoint.bulk.objects import Objects, Stat
from inferpoint.bulk.sources.files import Files
from inferpoint.bulk.sources.source import Fields, Source
from inferpoint.bulk.sources.standard_input import STDIN
from inferpoint.errors import InferenceError, Kind, invalid

_WILD = re.compile(r"[*?\[]")


def opened(written: str, fields: Fields) -> Source:
    """The source at an address, which is one of these.

    - a path, or `s3://`, `gs://` or `az://`: of a file; of a folder, of which all files are read but those that begin
      with `.` or `_`; or of files by a pattern with `*`, `?`, `[…]` and `**`. `?format=jsonl` says how they are read
      where their names do not.
    - `http://` or `https://` with a host and the name of an index: Elasticsearch.
    """
    place = address(written)
    if place.scheme in ("http", "https"):
        from inferpoint.bulk.sources.index import index  # noqa: PLC0415 - read when one is used

        return index(place, fields)
    place.only("format")
    if not place.scheme and place.path == STDIN:
        raise invalid("Standard input can be a source only for who can keep it, which is the command line")
    folder, files = _named(place)
    if not files:
        raise InferenceError(Kind.NOT_FOUND, f"[{written}] names no file that is there")
    return Files(folder, files, fields, place.query.get("format"))


def _named(place: Address) -> tuple[Objects, Mapping[str, Stat]]:
    """The objects that an address names, by their names below a folder, and that folder."""
    parent, slash, name = place.path.rpartition("/")
    if name:
        try:
            folder = _at(place, parent + slash)
            return folder, {name: folder.stat(name)}
        except InferenceError as error:  # there is no such file: a folder, or a pattern
            if error.kind not in (Kind.NOT_FOUND, Kind.INVALID):
                raise
    wild = _WILD.search(place.path)
    if not wild:
        folder = _at(place, place.path)
        return folder, {name: stat for name, stat in folder.list() if "/_" not in f"/{name}"}
    above, slash, _ = place.path[: wild.start()].rpartition("/")
    folder, pattern = _at(place, above + slash), _pattern(place.path[len(above + slash) :])
    return folder, {name: stat for name, stat in folder.list() if pattern.fullmatch(name)}


def _at(place: Address, path: str) -> Objects:
    return objects.at(msgspec.structs.replace(place, path=path))


_MEANING = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _pattern(glob: str) -> re.Pattern[str]:
    """A *glob* as a regular expression: only `**` stands for folders."""

    def translated(match: re.Match[str]) -> str:
        part = match[0]
        if part.startswith("[") and len(part) > 1:
            inside = part[1:-1].replace("\\", "\\\\")
            return f"[{'^' + inside[1:] if inside.startswith('!') else inside}]"
        return _MEANING.get(part) or re.escape(part)

    return re.compile(re.sub(r"\*\*/|\*\*|\*|\?|\[!?\]?[^]]*\]|.", translated, glob, flags=re.DOTALL), re.DOTALL)
