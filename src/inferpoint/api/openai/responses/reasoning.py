"""A model's thoughts as items of a response: their words as a summary, and sealed what only their service can read.

The one place that knows how thoughts are written and read here. `encrypted_content` is base64 of an object with the
`service`, its own `signature` or `redacted` text, and what stood beside the thought: so it goes back to where it came
from.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from inferpoint.model.chat import Thought
from inferpoint.model.fields import Fields
from inferpoint.model.http import NOT_JSON, present

PREFIX = "rs"
_MEMBERS = ("id", "status", "summary", "content", "encrypted_content")


class _Sealed(msgspec.Struct):
    service: str
    signature: str | None = None
    redacted: str | None = None
    member: str = ""
    extra: dict[str, Any] | None = None


def item(name: str, thought: Thought, service: str) -> dict[str, Any]:
    """The item called *name* that holds a *thought* of a model of *service*."""
    summary = [{"type": "summary_text", "text": thought.text}] if thought.text else []
    return {"id": name, "type": "reasoning", "summary": summary, "encrypted_content": _seal(thought, service)}


def read(fields: Fields) -> Thought | None:
    """The thought that an item holds; None for one without words or a seal, or with a seal that is not of here."""
    fields.only(*_MEMBERS)
    texts = [
        Fields(part, f"{fields.path('summary')}[{place}]").need("text", str)
        for place, part in enumerate(fields.array("summary") or ())
    ]
    text, sealed = "\n\n".join(texts), fields.take("encrypted_content", str)
    if sealed is None:
        return Thought(text) if text else None
    try:
        seal = msgspec.json.decode(base64.b64decode(sealed, validate=True), type=_Sealed)
    except (*NOT_JSON, binascii.Error, ValueError):
        return None
    return Thought(text, seal.signature, seal.redacted, seal.service, seal.member, seal.extra)


def begun(place: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that begin the text of an item that stands at *place*."""
    part = {"type": "summary_text", "text": ""}
    return [{"type": "response.reasoning_summary_part.added", **place, "summary_index": 0, "part": part}]


def more(place: dict[str, Any], piece: str) -> dict[str, Any]:
    """The event of a *piece* of the text."""
    return {"type": "response.reasoning_summary_text.delta", **place, "summary_index": 0, "delta": piece}


def ended(place: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """The events that end the *text*."""
    part = {"type": "summary_text", "text": text}
    return [
        {"type": "response.reasoning_summary_text.done", **place, "summary_index": 0, "text": text},
        {"type": "response.reasoning_summary_part.done", **place, "summary_index": 0, "part": part},
    ]


def _seal(thought: Thought, service: str) -> str:
    beside = {"member": thought.member or None, "extra": thought.extra}
    sealed = present({"service": service, "signature": thought.signature, "redacted": thought.redacted, **beside})
    return base64.b64encode(msgspec.json.encode(sealed)).decode()
