"""Secrets at rest: sealed with AES-256-GCM, each bound to its place, so that one moved elsewhere stays shut."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inferpoint.errors import InferenceError, Kind
from inferpoint.storage.key_ring import FILE_VARIABLE, VARIABLE, KeyRing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_FINGERPRINT_DIGITS = 16


class Vault:
    """Seals with the first of its keys and opens with any. A sealed text is `<key id>.<base64 of nonce and cipher>`.

    `ring` is where the keys come from; another process may change it, which `refresh` sees.
    """

    def __init__(self, *keys: bytes, ring: KeyRing | None = None) -> None:
        self._ring = ring or KeyRing(keys)
        self._ciphers: dict[str, AESGCM] = {}  # that of the key that seals first, and at last those that were retired
        self._fingerprinting = b""
        self._take()

    @property
    def key_id(self) -> str:
        """The id of the key that seals."""
        return next(iter(self._ciphers))

    @property
    def rotating(self) -> bool:
        """Whether there are older keys, by which something may still be sealed."""
        return len(self._ring.keys) > 1

    def refresh(self) -> None:
        """See the keys as another process left them."""
        if self._ring.refresh():
            self._take()

    def begin_rotation(self) -> None:
        """Seal with a new key from now on; none is made while an older one is still there to be retired.

        `INVALID` where the keys are not ours to make.
        """
        self.refresh()
        if not self.rotating:
            self._ring.add()
            self._take()

    def end_rotation(self) -> Sequence[str]:
        """Forget all keys but the one that seals, where they are ours; gives the ids of those that open nothing more.

        To be called when nothing is sealed by them, durably. What this process has sealed and not written yet, it opens
        all the same.
        """
        retired = [_key_id(key) for key in self._ring.keys[1:]]
        self._ring.retire()
        return retired

    def _take(self) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - the library does without it

        keys = self._ring.keys
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys} | {
            key_id: cipher for key_id, cipher in self._ciphers.items() if key_id not in map(_key_id, keys)
        }
        self._fingerprinting = hmac.digest(keys[0], b"inferpoint fingerprints", "sha256")

    def seal(self, text: str, place: str) -> str:
        """*text*, sealed so that it can be opened at *place* alone."""
        nonce = os.urandom(_NONCE_BYTES)
        key_id, cipher = next(iter(self._ciphers.items()))
        sealed = nonce + cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), place.encode())
        return f"{key_id}.{base64.b64encode(sealed).decode()}"

    def sealed(self, text: str) -> bool:
        """Whether *text* says that it was sealed with a key of this vault's."""
        return text.partition(".")[0] in self._ciphers

    def resealed(self, sealed: str, place: str) -> str:
        """*sealed* as the first key seals it; itself where that did, and where it does not open."""
        if sealed.partition(".")[0] == self.key_id or not self.sealed(sealed):
            return sealed
        try:
            return self.seal(self.open(sealed, place), place)
        except InferenceError:  # changed or moved, which is told where it is read
            return sealed

    def open(self, sealed: str, place: str) -> str:
        """The text that was sealed for *place*; `INTERNAL` when the key is another or the text was changed or moved."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415

        key_id, _, text = sealed.partition(".")
        if not self.sealed(sealed):
            self.refresh()  # another process may be at a rotation
        if not self.sealed(sealed):
            raise InferenceError(
                Kind.INTERNAL,
                f"The secret key [{self.key_id}] is not the one [{key_id}] that sealed the stored secrets:"
                f" set {VARIABLE} or {FILE_VARIABLE} to that one",
            )
        try:
            packed = base64.b64decode(text, validate=True)
            opened = self._ciphers[key_id].decrypt(packed[:_NONCE_BYTES], packed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, binascii.Error, ValueError):
            raise InferenceError(Kind.INTERNAL, f"The stored secret of [{place}] was changed or moved") from None
        return opened.decode("utf-8", "surrogatepass")

    def fingerprint(self, text: str) -> str:
        """A name for *text* by which equal secrets are known, and none is guessed without the key: an HMAC.

        After a rotation the same secret has another one, as the key id before the colon tells.
        """
        digest = hmac.digest(self._fingerprinting, text.encode("utf-8", "surrogatepass"), "sha256")
        return f"{self.key_id}:{digest.hex()[:_FINGERPRINT_DIGITS]}"


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"inferpoint key id:" + key).hexdigest()[:8]
