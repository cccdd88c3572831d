"""Whole messages of Anthropic's, and the content blocks that its streams have too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import Reply, parse
from inferpoint.model.results import AnswerPart, Choice, Completion, ToolCall
from inferpoint.protocols.anthropic.usage import spent
from inferpoint.protocols.readers import Calls, compact
from inferpoint.protocols.reasons import reason_of


class Block(msgspec.Struct):
    """A content block, or a piece of one; members of types that are not known may be anything."""

    type: str = ""
    text: Any = msgspec.UNSET
    thinking: Any = msgspec.UNSET
    signature: Any = None
    data: Any = msgspec.UNSET
    id: Any = msgspec.UNSET
    name: Any = msgspec.UNSET
    input: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))
    partial_json: Any = msgspec.UNSET

    def text_of(self, member: str, of: str) -> str:
        """The text in a *member* that blocks of this type must have; `UNREADABLE` without it, of the reply *of*."""
        value = getattr(self, member)
        if isinstance(value, str) or value is None:
            return value or ""
        raise InferenceError(Kind.UNREADABLE, f"Failed to find required field [{member}] in {of} response")

    @property
    def seal(self) -> str:
        """The signature of a thought, as far as it is in this block; empty without."""
        return self.signature if isinstance(self.signature, str) else ""


class Begun(msgspec.Struct, kw_only=True):
    """What is known of a message before its content."""

    id: str | None = None
    model: str | None = None
    usage: Any = None


class _Message(Begun, kw_only=True):
    content: list[Block]
    stop_reason: str | None = None
    stop_sequence: str | None = None

    def completion(self, choices: Sequence[Choice]) -> Completion:
        return Completion(choices, spent(self.usage), self.id or "", self.model or "")


class _Tokens(msgspec.Struct):
    input_tokens: int


def completion(label: str, reply: Reply, *_context: object) -> Completion:
    """Each block of text as a result of its own, as in Elasticsearch; *label* names the task in errors."""
    message = parse(reply.body, _Message, of=f"{label} response")
    texts = [block.text_of("text", label) for block in message.content if block.type == "text"]
    reason = reason_of(message.stop_reason)
    return message.completion([Choice.of([TextPart(text)], reason, message.stop_sequence) for text in texts])


def answer(label: str, reply: Reply, *_context: object) -> Completion:
    """All blocks as one choice, in their order."""
    message = parse(reply.body, _Message, of=f"{label} response")
    calls, parts = Calls(), list[AnswerPart]()
    for place, block in enumerate(message.content):
        parts += _parts(block, place, calls, label)
    reason = reason_of(message.stop_reason, called=any(isinstance(part, ToolCall) for part in parts))
    return message.completion([Choice.of(parts, reason, message.stop_sequence)])


def counted(label: str, reply: Reply) -> int:
    """The tokens that a prompt was counted to have."""
    return parse(reply.body, _Tokens, of=f"{label} response").input_tokens


def _parts(block: Block, place: int, calls: Calls, label: str) -> Sequence[AnswerPart]:
    """The part that a block is; none for one of a type that is not known."""
    match block.type:
        case "text":
            return [TextPart(block.text_of("text", label))]
        case "tool_use":
            begun = calls.begin(place, block.text_of("id", label), block.text_of("name", label))
            return [replace(begun, arguments=compact(block.input, f"{label} response"))]
        case "thinking":
            return [Thought(block.text_of("thinking", label), block.seal or None)]
        case "redacted_thinking":
            return [Thought(redacted=block.text_of("data", label))]
        case _:
            return ()
