"""A conversation: messages, their parts, tools. One vocabulary for every face and every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True)
class TextPart:
    """Words."""

    text: str


@dataclass(frozen=True)
class ImagePart:
    """A picture: an http(s) address or a data URI, and how closely to look at it."""

    url: str
    detail: str | None = None


@dataclass(frozen=True)
class FilePart:
    """A document as a data URI."""

    data: str
    filename: str


Part = TextPart | ImagePart | FilePart


@dataclass(frozen=True)
class ToolUse:
    """A tool the assistant asked for; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One turn. `tool_call_id` is set on the tool's turn, `tool_uses` on the assistant's."""

    role: Role
    parts: tuple[Part, ...] = ()
    tool_uses: tuple[ToolUse, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True)
class Tool:
    """A function the model may ask for; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    strict: bool | None = None


@dataclass(frozen=True)
class Conversation:
    """The input of a chat: what was said, the tools, and which of them to use (`auto`, `required`, `none`, a name)."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    named_tool: str | None = None


def said(text: str) -> Conversation:
    """A conversation of one user's turn: what a completion asks."""
    return Conversation((Message(Role.USER, (TextPart(text),)),))
