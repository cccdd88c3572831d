"""OAuth 2.0 client credentials (RFC 6749, 4.4): asking for a token, and reading the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from inferpoint.errors import InferenceError, Subject, Upstream, invalid
from inferpoint.model.http import Call, Reply, parse, unreadable

OF = "OAuth2 token response"
# The lifetime is only recommended to be told. When it is not, a token is kept for a short while.
UNTOLD_SECONDS = 300.0


def check(account: Any, fields: Sequence[str], *, of: str) -> None:
    """`INVALID` unless *account* has all of the *fields* with its `client_secret`, or none; *of* names the service.

    Texts and their order are Elasticsearch's.
    """
    missing = [name for name in fields if getattr(account, name) is None]
    none_set = len(missing) == len(fields)
    if account.client_secret is None:
        missing = [] if none_set else sorted([*missing, "client_secret"])
    elif none_set:
        raise refused(f"OAuth2 requires the fields [{', '.join(missing)}], to be set.")
    if missing:
        problem = f"[service_settings] all {of} OAuth2 fields must be provided together;"
        raise refused(f"{problem} missing: [{', '.join(missing)}]")


def refused(problem: str) -> InferenceError:
    """The error of settings that do not go together."""
    return invalid(problem, subject=Subject.SETTINGS)


def ask(address: str, client_id: str, client_secret: str, scopes: Sequence[str]) -> Call:
    """The call for a token; the secret goes in the body, which no log and no repr has."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
        "scope": " ".join(scopes),
    }
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    return Call(address, urlencode(form).encode(), headers)


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float | str | None = None


def read(reply: Reply) -> tuple[str, float]:
    """The token and its lifetime in seconds."""
    granted = parse(reply.body, _Token, of=OF)
    token = granted.access_token
    if not token or not token.isascii() or not token.isprintable():  # it becomes a header
        raise unreadable(OF, "the token is not one")
    try:
        seconds = UNTOLD_SECONDS if granted.expires_in is None else float(granted.expires_in)
    except ValueError:
        seconds = UNTOLD_SECONDS
    return token, seconds if seconds > 0 else 0.0


class _Refusal(msgspec.Struct, rename={"ibms_message": "errorMessage", "ibms_code": "errorCode"}):
    error: str = ""
    error_description: str = ""
    ibms_message: str = ""
    ibms_code: str = ""


def complaint(reply: Reply) -> Upstream:
    """The members of `{"error", "error_description"}` (RFC 6749, 5.2), or of IBM's `{"errorCode", "errorMessage"}`."""
    refusal = parse(reply.body, _Refusal, of="error")
    name = refusal.error or refusal.ibms_code
    return Upstream(reply.status, refusal.error_description or refusal.ibms_message or name, name or None)
