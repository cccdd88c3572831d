"""The ways in which a provider may quote a secret: each is a function from the secret to the text that shows it."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, quote_plus


def _lower(encode: Callable[[str], str]) -> Callable[[str], str]:
    """*encode* with the hexadecimal digits of its percent-encoding in lower case."""
    return lambda secret: re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encode(secret))


def _in_json(secret: str, *, ascii_only: bool = True) -> str:
    return json.dumps(secret, ensure_ascii=ascii_only)[1:-1]


def _for_scripts(secret: str) -> str:
    """As JSON is escaped where it is to stand in HTML: all but ASCII letters and digits, with capitals."""
    utf16 = secret.encode("utf-16-be")
    units = (utf16[at : at + 2] for at in range(0, len(utf16), 2))
    return "".join(
        chr(low) if not high and chr(low).isascii() and chr(low).isalnum() else f"\\u{high:02X}{low:02X}"
        for high, low in units
    )


def _base64(secret: str, encode: Callable[[bytes], bytes] = b64encode) -> str:
    return encode(secret.encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "quote": quote,
    "quote whole": partial(quote, safe=""),
    "quote_plus": quote_plus,
    "quote lower": _lower(quote),
    "quote whole lower": _lower(partial(quote, safe="")),
    "quote_plus lower": _lower(quote_plus),
    "encodeURIComponent": partial(quote, safe="!'()*~"),
    "json": _in_json,
    "json beyond ascii": partial(_in_json, ascii_only=False),
    "json with slashes": lambda secret: _in_json(secret).replace("/", r"\/"),
    "json for scripts": _for_scripts,
    "base64": _base64,
    "base64 unpadded": lambda secret: _base64(secret).rstrip("="),
    "base64 for urls": partial(_base64, encode=urlsafe_b64encode),
    "base64 for urls unpadded": lambda secret: _base64(secret, urlsafe_b64encode).rstrip("="),
    "base64 in a url": lambda secret: quote(_base64(secret), safe=""),
    "base64 in json": lambda secret: _base64(secret).replace("/", r"\/"),
    **{
        f"base64 of {user}:secret": lambda secret, user=user: _base64(f"{user}:{secret}")
        for user in ("", "a", "ab", "abc")
    },
    **{f"base64 of {user}:secret:": lambda secret, user=user: _base64(f"{user}:{secret}:") for user in ("", "a", "ab")},
}
