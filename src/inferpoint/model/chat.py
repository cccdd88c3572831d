"""A conversation: messages, their parts, tools. One vocabulary for every face and every provider."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, final

import msgspec


class Role(StrEnum):
    """The speaker of a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class CacheHint(msgspec.Struct, frozen=True):
    """That a provider may keep the conversation as far as the part which carries this.

    `ttl` says for how long and `scope` for whom, in Anthropic's words ("5m", "1h"; "global"); None is what is usual.
    """

    ttl: str | None = None
    scope: str | None = None


class TextPart(msgspec.Struct, frozen=True):
    """Words."""

    text: str
    cache: CacheHint | None = None


class ImagePart(msgspec.Struct, frozen=True):
    """A picture: an http(s) address or a data URI, and how closely to look at it."""

    url: str
    detail: str | None = None
    cache: CacheHint | None = None


class FilePart(msgspec.Struct, frozen=True):
    """A document as a data URI, or at an http(s) address."""

    data: str
    filename: str | None = None
    cache: CacheHint | None = None


class Thought(msgspec.Struct, frozen=True):
    """What a model thought: its words as far as they are told.

    `signature` seals the thought for the service that gave it, `redacted` is all of one that is not told: both are that
    service's own, and go back to it as they came. `origin` names the service; it is empty where that is not known.
    `member` is where a message in OpenAI's format had the words (`reasoning`, `reasoning_content`), `extra` are members
    beside them that nobody here reads (`reasoning_details`, `extra_content`): they go back under the same names.
    """

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    origin: str = ""
    member: str = ""
    extra: Mapping[str, Any] | None = None


class ToolUse(msgspec.Struct, frozen=True):
    """A tool the assistant asked for; `arguments` is JSON as the model wrote it.

    `extra` is what its service put beside it and wants back as it was, such as Gemini's signature of a thought.
    """

    id: str
    name: str
    arguments: str
    cache: CacheHint | None = None
    extra: Mapping[str, Any] | None = None


Content = TextPart | ImagePart | FilePart
Part = Content | Thought | ToolUse


class Message(msgspec.Struct, frozen=True):
    """One turn, its parts in their order. `tool_call_id` says which tool call a tool's turn answers.

    Thoughts and tool calls are the assistant's. `failed` says that the tool could not do it, and that the turn tells
    why. `cache` is a hint about a tool's result as a whole.
    """

    role: Role
    parts: tuple[Part, ...] = ()
    tool_call_id: str | None = None
    failed: bool = False
    cache: CacheHint | None = None

    @property
    def content(self) -> tuple[Content, ...]:
        """The parts that are neither thoughts nor tool calls."""
        return tuple([part for part in self.parts if not isinstance(part, Thought | ToolUse)])

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        """The tool calls of an assistant's turn."""
        return tuple([part for part in self.parts if type(part) is ToolUse])

    @property
    def thoughts(self) -> tuple[Thought, ...]:
        """The thoughts of an assistant's turn."""
        return tuple([part for part in self.parts if type(part) is Thought])

    @property
    def text(self) -> str:
        """The words of the turn, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


class Tool(msgspec.Struct, frozen=True):
    """A function the model may ask for; `parameters` is a JSON schema.

    `hints` are further members that a provider may leave aside, by the names that they have in Anthropic's API.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    strict: bool | None = None
    cache: CacheHint | None = None
    hints: Mapping[str, Any] = {}


class ToolMode(StrEnum):
    """Whether a model uses tools: as it likes, not at all, at least one, or the one that is named."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether, and which, tools are used."""

    mode: ToolMode
    name: str | None = None


class Thinking(msgspec.Struct, frozen=True):
    """How a model is asked to think before it answers: not at all, or with so many tokens at the most, if it is said.

    `shown` is whether its thoughts are told; None leaves it to the provider.
    """

    enabled: bool = True
    budget: int | None = None
    shown: bool | None = None


@final
class Conversation(msgspec.Struct, frozen=True):
    """The input of a chat: messages, tools, and how to go on.

    `model` is called in place of the endpoint's. `reasoning_effort` is in OpenAI's words, with `none` for a model that
    is not to think; `thinking` is in Anthropic's terms. With `effort_only` the effort was said in Anthropic's terms,
    where it does not ask a model to think. What is None or empty was not said, and is left to the endpoint and its
    provider.
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
    thinking: Thinking | None = None
    effort_only: bool = False


def said(*texts: str) -> Conversation:
    """The conversation of a completion: each of *texts* as a user's turn."""
    return Conversation(tuple(Message(Role.USER, (TextPart(text),)) for text in texts))
