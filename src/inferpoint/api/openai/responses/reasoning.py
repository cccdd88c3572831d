"""A model's thoughts as an item of a response: its words as a summary, sealed or not.

The one place that knows how reasoning is written and read here. `encrypted_content` is where OpenAI has what only the
model's maker can read, such as the signature that must come back with the words.
"""

from __future__ import annotations

from typing import Any

from inferpoint.model.fields import Fields

PREFIX = "rs"
_MEMBERS = ("id", "type", "status", "summary", "content", "encrypted_content")


def item(name: str, text: str) -> dict[str, Any]:
    """The item called *name* that holds *text*."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"id": name, "type": "reasoning", "summary": summary, "encrypted_content": None}


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


def check(fields: Fields) -> None:
    """Refuse what a reasoning item that comes back cannot have; what it says is not sent on."""
    fields.only(*_MEMBERS)
    fields.array("summary")
