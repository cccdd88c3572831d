"""From an address to a source: which kind it is, and which objects it names."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from inferpoint.bulk import objects
from inferpoint.bulk.addresses import Address, address
from inferpoint.bulk.objects import Objects, Stat
from inferpoint.bulk.sources.files import Files, refuse_unknown
from inferpoint.bulk.sources.source import Fields, Source
from inferpoint.errors import InferenceError, Kind, invalid

STDIN = "-"
_SPOOLED = "stdin"  # the file that holds what came by standard input
_WILD = re.compile(r"[*?\[]")


def opened(written: str, fields: Fields, spool: Path | None = None) -> Source:
    """The source at an address, which is one of these.

    - a path, or `s3://`, `gs://` or `az://`: of a file; of a folder, of which all files are read but those that begin
      with `.` or `_`; or of files by a pattern with `*`, `?`, `[…]` and `**`. `?format=jsonl` says how they are read
      where their names do not.
    - `-`: standard input, of JSON Lines or as `?format=` says, which is kept in the folder *spool* before it is read:
      what was kept there once is read again, and nothing is lost with the process.
    - `http://` or `https://` with a host and the name of an index: Elasticsearch.
    """
    place = address(written)
    if place.scheme in ("http", "https"):
        from inferpoint.bulk.sources.index import index  # noqa: PLC0415 - read when one is used

        return index(place, fields)
    place.only("format")
    form = place.query.get("format")
    if not place.scheme and place.path == STDIN:
        if spool is None:
            raise invalid("Standard input can be a source only where there is a folder to keep it in")
        form = form or "jsonl"
        refuse_unknown(form)  # before whoever waits for it has read it all
        return Files(*_kept(spool, sys.stdin.buffer), fields, form)
    folder, files = _named(place)
    if not files:
        raise InferenceError(Kind.NOT_FOUND, f"[{written}] names no file that is there")
    return Files(folder, files, fields, form)


def _kept(folder: Path, stream: BinaryIO) -> tuple[Objects, Mapping[str, Stat]]:
    """What *stream* has, in a file that only its owner may read; what was kept before, where that is so."""
    kept = folder / _SPOOLED
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = kept.with_name(f".{_SPOOLED}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        part.replace(kept)
    place = objects.Folder(folder)
    return place, {_SPOOLED: place.stat(_SPOOLED)}


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
