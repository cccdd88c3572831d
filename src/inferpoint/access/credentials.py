"""Credentials: how they are made, hashed, and read from the headers of a request in whatever form they come."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import string
from typing import NamedTuple

ADMIN = "admin"  # the key whose secret is all that is sent, where it has no id beside it
LEAST_SECRET = 22  # characters of base64, for 128 bits
_ID_LENGTH = 20  # with the secret a multiple of three, so that what is sent has no padding
_SECRET_BYTES = 27
_LONGEST = 1024
_LETTERS = string.ascii_letters + string.digits


class Credentials(NamedTuple):
    """The public id of a key, and its secret."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.id!r})"

    @property
    def encoded(self) -> str:
        """The form in which they are sent."""
        return base64.b64encode(f"{self.id}:{self.secret}".encode()).decode()

    @property
    def hash(self) -> str:
        """What is stored in place of the secret.

        SHA-256, once: the secret is 216 random bits, so that nobody can try what it may be, whatever a try costs; what
        makes a try expensive is for passwords, and would cost each request as much. The id beside it keeps two keys
        apart.
        """
        return hashlib.sha256(f"{self.id}:{self.secret}".encode()).hexdigest()

    def match(self, hashed: str) -> bool:
        """Whether they are those of the key with that hash, in a time that tells nothing of it."""
        return hmac.compare_digest(self.hash, hashed)


def made() -> Credentials:
    """New credentials."""
    key_id = "".join(secrets.choice(_LETTERS) for _ in range(_ID_LENGTH))
    return Credentials(key_id, secrets.token_urlsafe(_SECRET_BYTES))


def read(text: str) -> Credentials | None:
    """The credentials in a header's *text*; None where it holds none that could be a key's."""
    scheme, _, token = text.strip().partition(" ")
    token = token.strip()
    if len(token) > _LONGEST:
        return None
    match scheme.lower():
        case "apikey" | "bearer":
            return encoded(token)
        case "basic":
            user, colon, password = (_decoded(token) or "").partition(":")
            if not colon or not password:
                return None
            inner = _decoded(password)  # who cannot send anything else sends all of it as the password
            return encoded(password) if inner is not None and ":" in inner else Credentials(user, password)
        case _:
            return None


def encoded(token: str) -> Credentials | None:
    """The credentials that *token* holds, in base64 or as they are; without an id they are the administrator's."""
    text = _decoded(token)
    if text is None or ":" not in text:
        text = token if ":" in token else f"{ADMIN}:{token}"
    key_id, _, secret = text.partition(":")
    return Credentials(key_id, secret) if key_id and secret else None


def _decoded(token: str) -> str | None:
    """The printable text that *token* is the base64 of, if it is."""
    try:
        text = base64.b64decode(token, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return text if text.isprintable() else None
