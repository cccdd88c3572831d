"""Tokens of a service account, by an assertion that it signs (RFC 7523).

https://developers.google.com/identity/protocols/oauth2/service-account.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from inferpoint.errors import InferenceError
from inferpoint.model.http import NOT_JSON, Call
from inferpoint.protocols import oauth2
from inferpoint.services.googlevertexai.account import Account

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3600  # seconds, the longest that Google takes
TOKENS = "https://oauth2.googleapis.com/token"


class _Key(msgspec.Struct):
    """The members of a key file that a token is asked for with."""

    type: str
    client_email: str
    private_key: str
    token_uri: str = TOKENS
    private_key_id: str | None = None


def check(account: Account, _options: object) -> Sequence[str]:
    """A key file that can be signed with; `INVALID` says what is wrong with another, without a word of it."""
    _signer(_read(account))
    return ()


def _refused(problem: str) -> InferenceError:
    return oauth2.refused(f"[secret_settings] Invalid value received. [service_account_json] {problem}")


def _read(account: Account) -> _Key:
    try:
        key = msgspec.json.decode(account.service_account_json, type=_Key)
    except (*NOT_JSON, UnicodeEncodeError):
        needed = "[type], [client_email] and [private_key]"
        raise _refused(f"must be the JSON of a service account's key, with {needed}") from None
    if key.type != "service_account":
        raise _refused("must be the key of a [service_account], and not credentials of another [type]")
    if not key.token_uri.startswith(("https://", "http://")):
        raise _refused("must have an address as its [token_uri]")
    return key


def _signer(key: _Key) -> Any:
    """The private key of a key file."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - only where it is called
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        private = load_pem_private_key(key.private_key.encode(), None)
    except Exception:  # noqa: BLE001 - whatever OpenSSL says of a text, which is secret
        private = None
    if not isinstance(private, RSAPrivateKey):
        raise _refused("must have an RSA key in PEM as its [private_key]")
    return private


def ask(account: Account, now: datetime, _origin: str) -> Call:
    """The call for a token, at the address that the key file names."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    key, issued = _read(account), int(now.timestamp())
    header = {"alg": "RS256", "typ": "JWT", **({"kid": key.private_key_id} if key.private_key_id else {})}
    claims = {
        "iss": key.client_email, "scope": SCOPE, "aud": key.token_uri, "iat": issued, "exp": issued + LIFETIME,
    }  # fmt: skip
    signed = f"{_part(header)}.{_part(claims)}"
    signature = _base64(_signer(key).sign(signed.encode(), PKCS1v15(), SHA256()))
    form = urlencode({"grant_type": JWT_BEARER, "assertion": f"{signed}.{signature}"})
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    return Call(key.token_uri, form.encode(), headers)


def _part(members: Mapping[str, Any]) -> str:
    return _base64(msgspec.json.encode(members))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
