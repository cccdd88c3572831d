"""Objects in a bucket of S3, Google Cloud or Azure."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Generator, Iterator
from datetime import timedelta
from io import BufferedReader
from typing import Any, BinaryIO, cast

from typing_extensions import Buffer, override

from inferpoint.bulk.objects import Objects, Stat, changed
from inferpoint.errors import InferenceError, Kind
from inferpoint.extras import extra

AHEAD = 4 << 20  # bytes of an object that are fetched at once, where little is asked for


class Bucket(Objects):
    """The objects below a URL, by obstore, which takes addresses and keys of the cloud from the environment."""

    def __init__(self, url: str) -> None:
        self._obstore = extra("obstore", of="bulk")
        retries = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
        with self._worded(url, Kind.INVALID):
            self._store = extra("obstore.store", of="bulk").from_url(url, retry_config=retries)

    @override
    def list(self) -> Iterator[tuple[str, Stat]]:
        objects: list[tuple[str, Stat]] = []
        with self._worded("the list"):
            for chunk in self._obstore.list(self._store):
                objects += [(meta["path"], _of_meta(meta)) for meta in chunk]
        for name, stat in sorted(objects):
            if not any(part.startswith(".") for part in name.split("/")):
                yield name, stat

    @override
    def stat(self, name: str) -> Stat:
        with self._worded(name):
            return _of_meta(self._obstore.head(self._store, name))

    @override
    def open(self, name: str, expected: Stat, end: int | None = None) -> BufferedReader:
        size = expected.size if end is None else min(end, expected.size)
        return BufferedReader(_Ranges(self, name, expected, size), AHEAD)

    @override
    def write(self, name: str, content: Buffer, *, create: bool = False) -> Stat:
        with self._worded(name):
            put = self._obstore.put(self._store, name, content, mode="create" if create else "overwrite")
        return Stat(memoryview(content).nbytes, put["e_tag"] or "")

    @override
    @contextlib.contextmanager
    def filling(self, name: str) -> Generator[BinaryIO]:
        with tempfile.TemporaryFile() as file:
            yield cast("BinaryIO", file)
            file.seek(0)
            with self._worded(name):
                self._obstore.put(self._store, name, file)

    @override
    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._worded(name):
            self._obstore.delete(self._store, name)

    def range(self, name: str, expected: Stat, begin: int, end: int) -> Buffer:
        """The bytes of an object from *begin* to before *end*, of the *expected* version."""
        options = {"range": (begin, end), "if_match": expected.version}
        with self._worded(name):
            return self._obstore.get(self._store, name, options=options).bytes()

    @contextlib.contextmanager
    def _worded(self, name: str, otherwise: Kind = Kind.CUT_OFF) -> Generator[None]:
        errors = extra("obstore.exceptions", of="bulk")
        kinds = {
            errors.NotFoundError: Kind.NOT_FOUND,
            errors.AlreadyExistsError: Kind.CONFLICT,
            errors.PermissionDeniedError: Kind.FORBIDDEN,
            errors.UnauthenticatedError: Kind.UNAUTHENTICATED,
            errors.InvalidPathError: Kind.INVALID,
            errors.UnknownConfigurationKeyError: Kind.INVALID,
        }
        try:
            yield
        except FileNotFoundError:
            raise InferenceError(Kind.NOT_FOUND, f"[{name}] is not there") from None
        except errors.PreconditionError:
            raise changed(name) from None
        except (errors.BaseError, OSError, ValueError) as error:
            words = re.sub(r"\?\S*", "", str(error).partition("\n")[0])  # a query may hold a signature
            raise InferenceError(kinds.get(type(error), otherwise), f"[{name}]: {words[:500]}") from None


class _Ranges(io.RawIOBase):
    """The first bytes of a remote object, up to *size*, each fetched when it is read."""

    def __init__(self, bucket: Bucket, name: str, expected: Stat, size: int) -> None:
        self._bucket, self._name, self._expected, self._size = bucket, name, expected, size
        self._at = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    @override
    def tell(self) -> int:
        return self._at

    @override
    def readinto(self, buffer: Any, /) -> int:
        begin, end = self._at, min(self._at + len(buffer), self._size)
        if end <= begin:
            return 0
        content = memoryview(self._bucket.range(self._name, self._expected, begin, end)).cast("B")
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def _of_meta(meta: dict[str, Any]) -> Stat:
    return Stat(meta["size"], meta["e_tag"] or str(meta["last_modified"]))
