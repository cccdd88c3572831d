"""Ids of tool calls that carry what a service put beside the call, for faces that have no place for it.

Gemini wants the signature of a thought back with the call that it led to (`extra_content`). Clients send back no member
that their API does not have, but the id of a call always, and its result names the same: so it stands behind the id,
in letters that every client takes. No provider is sent such an id.
https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.model.http import NOT_JSON

_MARK = "--sealed--"


def sealed(call_id: str, extra: Mapping[str, Any] | None) -> str:
    """The id *call_id* with *extra* behind it, in base64 for addresses; itself where there is nothing to carry."""
    if not extra:
        return call_id
    return f"{call_id}{_MARK}{base64.urlsafe_b64encode(msgspec.json.encode(extra)).decode().rstrip('=')}"


def opened(call_id: str) -> tuple[str, Mapping[str, Any] | None]:
    """The id as its provider gave it, and what stood behind it; an id that nothing of ours stands behind is whole."""
    own, mark, seal = call_id.partition(_MARK)
    if not mark:
        return call_id, None
    try:
        extra = msgspec.json.decode(base64.urlsafe_b64decode(seal + "=" * (-len(seal) % 4)), type=dict[str, Any])
    except (*NOT_JSON, binascii.Error, ValueError):
        return call_id, None
    return own, extra
