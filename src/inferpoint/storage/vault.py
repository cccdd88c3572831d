"""Secrets at rest: sealed with AES-256-GCM, each bound to its place, so that one moved elsewhere stays shut."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from inferpoint.errors import InferenceError, Kind
from inferpoint.storage.folder import FILE_MODE

KEY_BYTES = 32
KEY_FILE = "secret.key"
VARIABLE = "INFERPOINT_SECRET_KEY"
FILE_VARIABLE = "INFERPOINT_SECRET_KEY_FILE"
_NONCE_BYTES = 12


class Vault:
    """Seals and opens with one key. A sealed text is `<key id>.<base64 of nonce and cipher text>`."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - the library does without it

        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"inferpoint key id:" + key).hexdigest()[:8]

    def seal(self, text: str, place: str) -> str:
        """*text*, sealed so that it can be opened at *place* alone."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), place.encode())
        return f"{self.key_id}.{base64.b64encode(sealed).decode()}"

    def sealed(self, text: str) -> bool:
        """Whether *text* says that it was sealed with this vault's key."""
        return text.partition(".")[0] == self.key_id

    def open(self, sealed: str, place: str) -> str:
        """The text that was sealed for *place*; `INTERNAL` when the key is another or the text was changed or moved."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        key_id, _, text = sealed.partition(".")
        if not self.sealed(sealed):
            raise InferenceError(
                Kind.INTERNAL,
                f"The secret key [{self.key_id}] is not the one [{key_id}] that sealed the stored secrets:"
                f" set {VARIABLE} or {FILE_VARIABLE} to that one",
            )
        try:
            packed = base64.b64decode(text, validate=True)
            opened = self._cipher.decrypt(packed[:_NONCE_BYTES], packed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, binascii.Error, ValueError):
            raise InferenceError(Kind.INTERNAL, f"The stored secret of [{place}] was changed or moved") from None
        return opened.decode("utf-8", "surrogatepass")


def secret_key(folder: Path, environ: Mapping[str, str], *, sealed: bool) -> bytes:
    """The key: from the environment, from a file it names, or the folder's own, which is made once.

    With *sealed* secrets in store a new key would shut them for ever, so none is made. `INVALID` says what is wrong.
    """
    if text := environ.get(VARIABLE):
        return _key(text, VARIABLE)
    if named := environ.get(FILE_VARIABLE):
        return _key(_read(Path(named)), named)
    own = folder / KEY_FILE
    if own.exists():
        return _key(_read(own), str(own))
    if sealed:
        raise InferenceError(
            Kind.INVALID,
            f"The secret key is missing: {own} does not exist and neither {VARIABLE} nor {FILE_VARIABLE} is set,"
            " but the store holds sealed secrets",
        )
    return _made(own)


def _made(path: Path) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)  # of a process that was killed
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, FILE_MODE)  # whatever the umask
            file.write(base64.b64encode(key) + b"\n")
            file.flush()
            os.fsync(descriptor)
        draft.rename(path)
        _keep_names(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InferenceError(Kind.INVALID, f"The secret key cannot be kept in {path}: {error.strerror}") from None
    return key


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


def _key(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise InferenceError(Kind.INVALID, f"The secret key in {source} is not {KEY_BYTES} bytes in base64")
    return key
