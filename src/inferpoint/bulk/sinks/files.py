"""Sinks of files: a folder of parts, of which those count that receipts name, and one file that is joined of them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec
from typing_extensions import override

from inferpoint.bulk.job import Space
from inferpoint.bulk.objects import Objects
from inferpoint.bulk.sinks.sink import Part, Receipt, Row, Sink
from inferpoint.bulk.sinks.spaces import agreeing, fitting
from inferpoint.errors import InferenceError, Kind, invalid

SPACE = "_space.json"
SUCCESS = "_SUCCESS"


Opening = Callable[[], BinaryIO]


class Piece(msgspec.Struct, frozen=True):
    """A part, or what became of it in a file that was joined before: from `begin` to before `end`, as `join` told."""

    open: Opening
    begin: int = 0
    end: int | None = None


class Format(ABC):
    """What the files of a sink are like."""

    suffix: str

    @abstractmethod
    def part(self, rows: Sequence[Row], space: Space) -> bytes:
        """A file of *rows*, which are some."""

    @abstractmethod
    def ids(self, file: BinaryIO) -> Iterator[str]:
        """The ids of a file's rows."""

    @abstractmethod
    def join(self, pieces: Sequence[Piece], file: BinaryIO, space: Space) -> list[int]:
        """Write all *pieces* into one *file*, and tell where in it each of them ends, in the format's own measure."""

    def evened(self, parts: Mapping[str, Opening], space: Space) -> Iterator[tuple[str, bytes]]:
        """The *parts* that must be written anew, so that one reader can read all of them."""
        del parts, space
        return iter(())


class FolderSink(Sink):
    """A file for each part, in a folder that belongs to one job; `_SUCCESS` names those that count, with digests."""

    def __init__(self, where: str, folder: Objects, form: Format, job: str) -> None:
        self._where, self._folder, self._form, self._job = where, folder, form, job
        self._space: Space | None = None

    @override
    def open(self, space: Space) -> None:
        self._space = space
        about = msgspec.json.encode({"job": self._job, **msgspec.to_builtins(space)})
        try:
            self._folder.write(SPACE, about, create=True)
        except InferenceError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            held = msgspec.json.decode(self._read(SPACE), type=dict[str, Any])
            if any(name.startswith("part-") for name, _ in self._folder.list()):
                agreeing(self._where, held, space)
                if held["job"] != self._job:
                    raise invalid(f"[{self._where}] is of the job [{held['job']}], and files are of one job") from None
            else:
                self._folder.write(SPACE, about)

    @override
    def write(self, part: Part, rows: Sequence[Row]) -> Receipt:
        assert self._space is not None, "a sink is opened before it is written"
        rows, rejected = fitting(rows, self._space)
        if not rows:
            return Receipt(0, rejected=rejected)
        content = self._form.part(rows, self._space)
        name = part.name + self._form.suffix
        self._folder.write(name, content)
        return Receipt(len(rows), name, digest(content), rejected)

    @override
    def finish(self, receipts: Sequence[Receipt]) -> None:
        assert self._space is not None, "a sink is opened before it is finished"
        files = {receipt.file: receipt.digest for receipt in receipts if receipt.file is not None}
        self._all_there([*files])
        for name, content in self._form.evened({name: self._opening(name) for name in files}, self._space):
            files[name] = digest(content)
            self._folder.write(name, content)
        self._only(set(files))
        self._folder.write(SUCCESS, msgspec.json.encode({"space": self._space, "files": files}))

    @override
    def ids(self, receipts: Sequence[Receipt]) -> Iterator[str]:
        for receipt in receipts:
            if receipt.file is not None:
                with self._opening(receipt.file)() as file:
                    yield from self._form.ids(file)

    def _all_there(self, files: Sequence[str]) -> None:
        held = {name for name, _ in self._folder.list()}
        if missing := [f"[{name}] of [{self._where}] is not there any more" for name in files if name not in held]:
            raise InferenceError(Kind.INTERNAL, *missing)

    def _only(self, files: set[str]) -> None:
        """Have no other part than *files*."""
        for name, _ in self._folder.list():
            if name.startswith("part-") and name not in files:
                self._folder.delete(name)

    def _opening(self, name: str) -> Opening:
        return lambda: self._folder.open(name, self._folder.stat(name))

    def _read(self, name: str) -> bytes:
        with self._opening(name)() as file:
            return file.read()


def digest(content: bytes) -> str:
    """A digest of a file."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
