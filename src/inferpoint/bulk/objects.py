"""Objects by name, in a folder or in a bucket: listed, read by ranges, written whole."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from typing_extensions import Buffer, override

from inferpoint.bulk.addresses import Address
from inferpoint.errors import InferenceError, Kind, invalid

_AHEAD = 1 << 17  # bytes of a file that are read at once
REMOTE = ("s3", "gs", "az")


class Stat(msgspec.Struct, frozen=True):
    """An object's size in bytes, and a text that differs when its content does: its ETag, or its time of change."""

    size: int
    version: str


class Objects(ABC):
    """Objects in one place, by names relative to it, with `/` between folders.

    What cannot be done is an `InferenceError`: `NOT_FOUND`; `CONFLICT` for an object that is there already, or has
    changed; `FORBIDDEN` or `UNAUTHENTICATED`; `OVERLOADED` for no room; `CUT_OFF` for what may go well
    another time.
    """

    @abstractmethod
    def list(self) -> Iterator[tuple[str, Stat]]:
        """Every object in the order of their names; not those of which a part of the name begins with a dot."""

    @abstractmethod
    def stat(self, name: str) -> Stat:
        """The size and version of an object."""

    @abstractmethod
    def open(self, name: str, expected: Stat, end: int | None = None) -> BufferedReader:
        """An object to be read from anywhere, which is as *expected*; from *end* on nothing is fetched ahead."""

    @abstractmethod
    def write(self, name: str, content: Buffer, *, create: bool = False) -> Stat:
        """Keep an object, so that it is there after a crash, whole or not at all; with *create* only a new one."""

    @abstractmethod
    def filling(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to be filled, which is an object when that is done, as `write` keeps one; none after an error."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Have no object of that name."""

    def exists(self, name: str) -> bool:
        """Whether there is an object of that name."""
        try:
            self.stat(name)
        except InferenceError as error:
            if error.kind is Kind.NOT_FOUND:
                return False
            raise
        return True


def at(address: Address) -> Objects:
    """The objects below a folder of this machine, or below a URL that begins with `s3://`, `gs://` or `az://`."""
    if address.scheme in ("", "file"):
        return Folder(Path(address.path))
    if address.scheme in REMOTE:
        if address.user:
            raise invalid(
                f"[{address.written}] must not name a user: keys of {address.scheme}:// are taken from the environment"
            )
        from inferpoint.bulk.buckets import Bucket  # noqa: PLC0415 - read when one is used

        return Bucket(f"{address.scheme}://{address.host}{address.path}")
    raise invalid(
        f"[{address.written}] is no place of objects: a path is, or a URL that begins with s3://, gs:// or az://"
    )


class Folder(Objects):
    """The files below a folder, which need not be there before the first is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    def list(self) -> Iterator[tuple[str, Stat]]:
        with _worded("the folder"):
            names = sorted(_below(self._path)) if self._path.is_dir() else []
        for name in names:
            yield name, self.stat(name)

    @override
    def stat(self, name: str) -> Stat:
        with _worded(name):
            return _stat(self._path / name)

    @override
    def open(self, name: str, expected: Stat, end: int | None = None) -> BufferedReader:
        with _worded(name):
            file: BufferedReader = BufferedReader(FileIO(self._path / name), _AHEAD)
            try:
                if _stat(file.fileno()) != expected:
                    raise changed(name)
            except BaseException:
                file.close()
                raise
            return file

    @override
    def write(self, name: str, content: Buffer, *, create: bool = False) -> Stat:
        with self._filling(name, 0, create=create) as file:
            rest = memoryview(content).cast("B")
            while rest:
                rest = rest[file.write(rest) :]
            return _stat(file.fileno())

    @override
    def filling(self, name: str) -> AbstractContextManager[BinaryIO]:
        return self._filling(name, 1 << 20)

    @contextlib.contextmanager
    def _filling(self, name: str, buffering: int, *, create: bool = False) -> Generator[BinaryIO]:
        target = self._path / name
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        with _worded(name):
            _make(target.parent)
            try:
                with temporary.open("xb", buffering) as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                if create:
                    os.link(temporary, target)
                else:
                    temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
            _sync(target.parent)

    @override
    def delete(self, name: str) -> None:
        with _worded(name):
            (self._path / name).unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                _sync((self._path / name).parent)


def _below(path: Path) -> Iterator[str]:
    """The names of the files below a folder; of one that is there by several names, by way of links, once."""
    seen: set[tuple[int, int]] = set()

    def is_new(folder: Path) -> bool:
        status = folder.stat()
        identity = (status.st_dev, status.st_ino)
        return identity not in seen and not seen.add(identity)

    def failed(error: OSError) -> None:
        raise error

    is_new(path)
    for folder, folders, files in os.walk(path, onerror=failed, followlinks=True):
        here = Path(folder)
        folders[:] = [name for name in sorted(folders) if not name.startswith(".") and is_new(here / name)]
        yield from ((here.relative_to(path) / name).as_posix() for name in files if not name.startswith("."))


def _stat(file: Path | int) -> Stat:
    status = os.stat(file)  # noqa: PTH116 - of an open file, too
    if not stat.S_ISREG(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "It is no file")
    return Stat(status.st_size, str(status.st_mtime_ns))


def changed(name: str) -> InferenceError:
    """The error for an object that is not what it was."""
    return InferenceError(Kind.CONFLICT, f"[{name}] has changed since it was looked at")


def _make(folder: Path) -> None:
    """Have a *folder*, and the folders that it is in, so that they are there after a crash."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_KINDS = {
    errno.ENOENT: Kind.NOT_FOUND,
    errno.EEXIST: Kind.CONFLICT,
    errno.EACCES: Kind.FORBIDDEN,
    errno.EPERM: Kind.FORBIDDEN,
    errno.ENOSPC: Kind.OVERLOADED,
    errno.EDQUOT: Kind.OVERLOADED,
    errno.EISDIR: Kind.INVALID,
    errno.ENOTDIR: Kind.INVALID,
}


@contextlib.contextmanager
def _worded(name: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        kind = _KINDS.get(cast("int", error.errno), Kind.CUT_OFF)
        raise InferenceError(kind, f"[{name}]: {error.strerror or type(error).__name__}") from None
