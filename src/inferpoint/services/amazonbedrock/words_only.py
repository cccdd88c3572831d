"""Conversations with Titan's text models, which know neither tools nor a system's turn nor anything but text."""

from __future__ import annotations

from typing import Any

from inferpoint.model.chat import Conversation, ImagePart, Role, TextPart
from inferpoint.services.amazonbedrock.dialect import DIALECT

PROVIDERS = ("amazontitan",)


def refuse_more(conversation: Conversation, provider: str) -> None:
    """`INVALID` where *conversation* holds more than text: tools, images, files."""
    of = f"is not supported by models of [{provider}]"
    if conversation.tools:
        raise DIALECT.cannot("tools", of)
    for message in conversation.messages:
        if message.tool_uses or message.tool_call_id is not None:
            raise DIALECT.cannot("tool_calls" if message.tool_uses else "tool_call_id", of)
        for part in message.content:
            if not isinstance(part, TextPart):
                raise DIALECT.cannot("image_url" if isinstance(part, ImagePart) else "file", of)


def fold(body: dict[str, Any]) -> None:
    """Move the system's texts of a *body* to the beginning of the user's first turn."""
    system = body.pop("system")
    first = next((turn for turn in body["messages"] if turn["role"] == Role.USER), None)
    if system and first is None:
        raise DIALECT.cannot("messages", "with a system's turn must hold one of the role [user]")
    if first is not None:
        first["content"][:0] = system
