"""A conversation: messages, their parts, tools. One vocabulary for every face and every provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """The speaker of a message."""

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
    filename: str | None = None


Part = TextPart | ImagePart | FilePart


@dataclass(frozen=True)
class ToolUse:
    """A tool the assistant asked for; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One turn. `tool_uses` are the assistant's; `tool_call_id` says which of them a tool's turn answers.

    `failed` says that the tool could not do it, and that the turn tells why.
    """

    role: Role
    parts: tuple[Part, ...] = ()
    tool_uses: tuple[ToolUse, ...] = ()
    tool_call_id: str | None = None
    failed: bool = False

    @property
    def text(self) -> str:
        """The words of the turn, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True)
class Tool:
    """A function the model may ask for; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    strict: bool | None = None


class ToolMode(StrEnum):
    """Whether a model uses tools: as it likes, not at all, at least one, or the one that is named."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True)
class ToolChoice:
    """Whether, and which, tools are used."""

    mode: ToolMode
    name: str | None = None


@dataclass(frozen=True)
class Conversation:
    """The input of a chat: messages, tools, and how to go on.

    `model` is called in place of the endpoint's. `reasoning_effort` is in OpenAI's words. A member that is None or
    empty is left to the endpoint and its provider.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    model: str | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None


def said(text: str) -> Conversation:
    """The conversation of a completion: *text* as one user's turn."""
    return Conversation((Message(Role.USER, (TextPart(text),)),))
