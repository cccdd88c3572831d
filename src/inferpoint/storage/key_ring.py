"""The keys of the vault: from the environment, from a file that it names, or from a file of the data folder.

The first key seals, all of them open, so that a rotation can be in the middle: a text holds several, one a line.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.storage.folder import FILE_MODE

KEY_BYTES = 32
KEY_FILE = "secret.key"
VARIABLE = "INFERPOINT_SECRET_KEY"
FILE_VARIABLE = "INFERPOINT_SECRET_KEY_FILE"


class KeyRing:
    """The keys, the one that seals first, and the *file* that they come from, if any, which may be our *own*."""

    def __init__(self, keys: Sequence[bytes], file: Path | None = None, *, own: bool = False) -> None:
        self.keys = tuple(keys)
        self._file = file
        self._own = own
        self._state = self._seen()

    def refresh(self) -> bool:
        """Read the file anew when it has changed since, and say so; a file that is gone changes nothing."""
        if self._file is None or (state := self._seen()) in (None, self._state):
            return False
        self.keys, self._state = _keys(_read(self._file), str(self._file)), state
        return True

    def add(self) -> None:
        """Put a new key before the one that seals; `INVALID` where the keys are not ours to make."""
        if not self._own or self._file is None:
            where = VARIABLE if self._file is None else str(self._file)
            raise invalid(
                f"The secret key comes from {where}, where nobody can put another but you: write the new key before the"
                f" old one, separated by a line or a blank, and {'start anew' if self._file is None else 'try again'}"
            )
        self._write((secrets.token_bytes(KEY_BYTES), *self.keys))

    def retire(self) -> bool:
        """Forget all but the key that seals, where they are ours to forget, and say so."""
        if not self._own or len(self.keys) == 1:
            return False
        self._write(self.keys[:1])
        return True

    def _write(self, keys: Sequence[bytes]) -> None:
        assert self._file is not None
        _write(self._file, keys)
        self.keys, self._state = tuple(keys), self._seen()

    def _seen(self) -> tuple[int, ...] | None:
        try:
            known = None if self._file is None else self._file.stat()
        except OSError:
            return None
        return known and (known.st_dev, known.st_ino, known.st_size, known.st_mtime_ns)


def key_ring(folder: Path, environ: Mapping[str, str], *, sealed: bool) -> KeyRing:
    """The keys: from the environment, from a file it names, or the folder's own, which is made once.

    With *sealed* secrets in store a new key would shut them for ever, so none is made. `INVALID` says what is wrong.
    """
    if text := environ.get(VARIABLE):
        return KeyRing(_keys(text, VARIABLE))
    if named := environ.get(FILE_VARIABLE):
        return KeyRing(_keys(_read(Path(named)), named), Path(named))
    own = folder / KEY_FILE
    if own.exists():
        return KeyRing(_keys(_read(own), str(own)), own, own=True)
    if sealed:
        raise InferenceError(
            Kind.INVALID,
            f"The secret key is missing: {own} does not exist and neither {VARIABLE} nor {FILE_VARIABLE} is set,"
            " but the store holds sealed secrets",
        )
    key = secrets.token_bytes(KEY_BYTES)
    _write(own, (key,))
    return KeyRing((key,), own, own=True)


def _write(path: Path, keys: Sequence[bytes]) -> None:
    """Have *path* hold *keys* and nothing else, durable, and at every moment whole."""
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)  # of a process that was killed
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)  # whatever the umask
            file.writelines(base64.b64encode(key) + b"\n" for key in keys)
            file.flush()
            os.fsync(descriptor)
        draft.rename(path)
        _keep_names(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InferenceError(Kind.INVALID, f"The secret key cannot be kept in {path}: {error.strerror}") from None


def _keep_names(folder: Path) -> None:
    """Make what was renamed in *folder* durable, as the rows are that this key seals."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            _refuse_readable(path, os.fstat(file.fileno()))
            return file.read()
    except (OSError, UnicodeDecodeError):
        raise InferenceError(Kind.INVALID, f"The secret key file {path} cannot be read") from None


def _refuse_readable(path: Path, known: os.stat_result) -> None:
    """`INVALID` when others than the owner can read the key; of root's file a group may, as it could not else be ours.

    PostgreSQL asks the same of the keys that it is given.
    """
    roots = known.st_uid == 0 != os.geteuid()
    if known.st_mode & (stat.S_IRWXO | (stat.S_IWGRP if roots else stat.S_IRWXG)):
        mode = f"{stat.S_IMODE(known.st_mode):04o}"
        problem = f"The secret key file {path} can be read by others, for its mode is {mode}: `chmod 600` it"
        raise InferenceError(Kind.INVALID, problem)


def _keys(text: str, source: str) -> tuple[bytes, ...]:
    """The keys in *text*, each of 32 bytes in base64; one or several, separated by blanks or lines."""
    keys: list[bytes] = []
    for word in text.split() or [""]:
        try:
            keys.append(base64.b64decode(word, validate=True))
        except (binascii.Error, ValueError):
            keys.append(b"")
        if len(keys[-1]) != KEY_BYTES:
            raise InferenceError(Kind.INVALID, f"The secret key in {source} is not {KEY_BYTES} bytes in base64")
    return tuple(dict.fromkeys(keys))
