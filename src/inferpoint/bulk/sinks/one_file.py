"""A sink that is one file: parts in a hidden folder beside it, joined when the job is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from typing_extensions import override

from inferpoint.bulk.job import Space
from inferpoint.bulk.objects import Objects
from inferpoint.bulk.sinks.files import SPACE, FolderSink, Format, Opening, Piece
from inferpoint.bulk.sinks.sink import Receipt
from inferpoint.errors import invalid

_JOINED = "joined-"


class _End(msgspec.Struct, frozen=True):
    """Where in the joined file a part ends, in the measure of its format."""

    part: str
    end: int


class OneFileSink(FolderSink):
    """A file of all rows in the order of the items, there when the job is done, whole or not at all.

    `beside` is the folder of the file called *name*, `parts` the one of its parts: those that were joined are no more
    there. What is called after the joined file's size says where each of them is in it, should there be more to join.
    """

    def __init__(self, where: str, beside: Objects, name: str, parts: Objects, form: Format, job: str) -> None:
        super().__init__(where, parts, form, job)
        self._beside, self._name = beside, name

    @override
    def open(self, space: Space) -> None:
        if self._beside.exists(self._name) and not self._folder.exists(SPACE):
            raise invalid(f"[{self._where}] is there already, and no job wrote it: remove it, or name another file")
        super().open(space)

    @override
    def finish(self, receipts: Sequence[Receipt]) -> None:
        assert self._space is not None, "a sink is opened before it is finished"
        wanted = sorted(receipt.file for receipt in receipts if receipt.file is not None)
        joined = self._joined()
        if not joined or [*joined] != wanted:
            self._all_there([name for name in wanted if name not in joined])
            pieces = [joined.get(name) or Piece(self._opening(name)) for name in wanted]
            with self._beside.filling(self._name) as file:
                ends = self._form.join(pieces, file, self._space)
                size = file.tell()
                told = [_End(name, end) for name, end in zip(wanted, ends, strict=True)]
                self._folder.write(f"{_JOINED}{size}", msgspec.json.encode(told))
        self._only(set())
        last = f"{_JOINED}{self._beside.stat(self._name).size}"
        for name, _ in self._folder.list():
            if name.startswith(_JOINED) and name != last:
                self._folder.delete(name)

    @override
    def ids(self, receipts: Sequence[Receipt]) -> Iterator[str]:
        joined = self._joined()
        if joined:
            with self._opening_joined()() as file:
                yield from self._form.ids(file)
        yield from super().ids([receipt for receipt in receipts if receipt.file not in joined])

    def _joined(self) -> dict[str, Piece]:
        """The parts that are in the joined file, in its order."""
        if not self._beside.exists(self._name):
            return {}
        size = self._beside.stat(self._name).size
        if not self._folder.exists(f"{_JOINED}{size}"):
            raise invalid(f"[{self._where}] was changed since it was joined")
        told = self._read(f"{_JOINED}{size}")
        pieces: dict[str, Piece] = {}
        begin = 0
        for part in msgspec.json.decode(told, type=list[_End]):
            pieces[part.part] = Piece(self._opening_joined(), begin, part.end)
            begin = part.end
        return pieces

    def _opening_joined(self) -> Opening:
        return lambda: self._beside.open(self._name, self._beside.stat(self._name))
