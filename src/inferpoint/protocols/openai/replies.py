"""Whole answers in OpenAI's format; and the message that they and the chunks of a stream have in common.

Servers leave members out, write null, or put something else where OpenAI has a string: none of that costs an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import Reply, parse, unreadable
from inferpoint.model.results import Choice, Completion, ToolCall
from inferpoint.protocols.openai import usage
from inferpoint.protocols.readers import Calls, compact, members
from inferpoint.protocols.reasons import reason_of

# The members of a message that hold what a model thought in words, and those that nobody here reads.
WORDS = ("reasoning", "reasoning_content")
OPAQUE = ("reasoning_details", "extra_content")
# Where Mistral has the words that a model thought: parts of the content, of a type and a member of this name.
CONTENT, THINKING = "content", "thinking"


class Function(msgspec.Struct):
    """The tool that is called; `arguments` are a string of JSON or, from some servers, JSON itself."""

    name: Any = None
    arguments: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b""))


class Custom(msgspec.Struct):
    """A tool of OpenAI's that takes a text in place of arguments; `input` is what the model wrote for it."""

    name: Any = None
    input: Any = None


class Call(msgspec.Struct):
    """A tool call, or a piece of one."""

    index: Any = None
    id: Any = None
    function: Function | None = None
    custom: Custom | None = None
    extra_content: Any = None

    @property
    def name(self) -> str:
        """What the tool is called; empty when it is not said."""
        called = self.function or self.custom
        return text(called and called.name)

    def arguments(self, of: str) -> str:
        """The arguments as text, empty when there are none; `UNREADABLE`, said of *of*, when they are no JSON."""
        if self.custom:
            return msgspec.json.encode({"input": text(self.custom.input)}).decode()
        raw = bytes(self.function.arguments) if self.function else b""
        if raw[:1] == b'"':
            return parse(raw, str, of=of)
        return "" if raw in (b"", b"null") else compact(msgspec.Raw(raw), of)

    @property
    def extra(self) -> Mapping[str, Any] | None:
        """What the server put beside the call."""
        return members(self.extra_content) or None


class Message(msgspec.Struct):
    """A message, or a piece of one."""

    content: str | list[Any] | None = None
    refusal: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: Any = None
    extra_content: Any = None
    tool_calls: list[Call | None] | None = None

    @property
    def words(self) -> str:
        """What the model said, where the message says nothing else, as nearly every piece of one; else empty."""
        content = self.content
        if type(content) is not str or self.reasoning or self.reasoning_content or self.tool_calls:
            return ""
        return "" if self.reasoning_details or self.extra_content else content

    @property
    def calls(self) -> Sequence[Call]:
        """The tool calls, or pieces of them."""
        return [call for call in self.tool_calls if call] if self.tool_calls else ()

    @property
    def parts(self) -> Sequence[TextPart | Thought]:
        """What the model thought and said, in its order; a refusal's words where there are no others."""
        content, thoughts = self.content, ()
        if self.reasoning or self.reasoning_content or self.reasoning_details or self.extra_content:
            thoughts = self._thoughts()
        if type(content) is str and content:  # as nearly always
            return (*thoughts, TextPart(content))
        parts = [*thoughts, *content_parts(content)]
        if (refusal := text(self.refusal)) and not any(isinstance(part, TextPart) for part in parts):
            parts.append(TextPart(refusal))
        return parts

    def _thoughts(self) -> Iterator[Thought]:
        """What the model thought beside its words, and what nobody here reads."""
        member = next((name for name in WORDS if text(getattr(self, name))), "")
        words = text(getattr(self, member)) if member else ""
        extra = {name: value for name in OPAQUE if (value := getattr(self, name))}
        if words or extra:
            yield Thought(words, member=member, extra=extra or None)


class _Choice(msgspec.Struct):
    message: Message | None = None
    finish_reason: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: Any = None
    model: Any = None
    usage: Any = None


def completion(reply: Reply, of: str) -> Completion:
    """Every choice of a whole answer; *of* names what was asked, for errors."""
    of = f"{of} response"
    answer = parse(reply.body, _Completion, of=of)
    if not answer.choices:
        raise unreadable(of, "it has no choice")
    choices = [_choice(choice, of) for choice in answer.choices]
    return Completion(choices, usage.read(answer.usage), text(answer.id), text(answer.model))


def text(value: Any) -> str:
    """*value* where it is a string, and nothing where it is anything else."""
    return value if type(value) is str else ""  # as JSON has them, of that class itself


def content_parts(content: Any) -> Iterator[TextPart | Thought]:
    """The words of a message's *content*, and in a list of parts also the thoughts, as Mistral writes them."""
    for part in cast("list[Any]", content) if isinstance(content, list) else (content,):
        if is_thought(part):
            if words := _joined(part[THINKING]):
                yield Thought(words, member=CONTENT)
        elif words := text(part) or text(members(part).get("text")):
            yield TextPart(words)


def is_thought(part: Any) -> bool:
    """Whether a *part* of a message's content is what the model thought."""
    match part:
        case {"type": "thinking", "thinking": str() | list()}:
            return True
        case _:
            return False


def _joined(content: Any) -> str:
    """The words of a string, or of the parts of a list that are texts."""
    if not isinstance(content, list):
        return text(content)
    parts = cast("list[Any]", content)
    return "".join(text(part) or text(members(part).get("text")) for part in parts)


def _choice(choice: _Choice, of: str) -> Choice:
    message, word = choice.message or Message(), text(choice.finish_reason)
    if words := message.words:  # as nearly always
        return Choice((TextPart(words),), reason_of(word))
    calls = Calls()
    parts = [*message.parts, *[_whole(calls, place, call, of) for place, call in enumerate(message.calls)]]
    if not (message.content is not None or parts or word):
        raise unreadable(of, "a message has no content")
    return Choice.of(parts, calls.reason(word))


def _whole(calls: Calls, place: int, call: Call, of: str) -> ToolCall:
    called = call.function or call.custom
    if not (called and isinstance(called.name, str)):
        raise unreadable(of, "a tool call has no name")
    begun = calls.begin(place, text(call.id), call.name, extra=call.extra)
    return replace(begun, arguments=call.arguments(of) or "{}")
