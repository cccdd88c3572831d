"""Messages of Anthropic's, whole and streamed, and its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.chat import Thought
from inferpoint.model.http import Event, Reply, parse
from inferpoint.model.results import (
    Choice,
    Completion,
    Delta,
    Finished,
    Reasoning,
    Started,
    Text,
    ToolCall,
    Usage,
    Used,
)
from inferpoint.protocols.readers import Calls, StreamReader, broken, compact

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Thought(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _Thought | None = None

    def read(self) -> Usage:
        """The cost in our names; what a cache took and gave is part of the prompt, and not of `input_tokens`."""
        cached = self.cache_read_input_tokens or 0
        prompt = (self.input_tokens or 0) + (self.cache_creation_input_tokens or 0) + cached
        thought = self.output_tokens_details or _Thought()
        return Usage(prompt, self.output_tokens or 0, cached, thought.thinking_tokens or 0)

    def then(self, later: _Usage) -> _Usage:
        """The counts of this, and of a *later* count of the same answer where it has them."""
        return _Usage(
            *(getattr(self if getattr(later, name) is None else later, name) for name in self.__struct_fields__)
        )


class _Block(msgspec.Struct):
    """A content block, or a piece of one; members of types that are not known may be anything."""

    type: str = ""
    text: Any = None
    thinking: Any = None
    id: Any = None
    name: Any = None
    input: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))
    partial_json: Any = None

    def text_of(self, member: str, of: str) -> str:
        """The text in a *member* that blocks of this type must have; `UNREADABLE` without it, of the reply *of*."""
        value = getattr(self, member)
        if isinstance(value, str):
            return value
        raise InferenceError(Kind.UNREADABLE, f"Failed to find required field [{member}] in {of} response")


class _Begun(msgspec.Struct, kw_only=True):
    id: str = ""
    model: str = ""
    usage: _Usage | None = None


class _Message(_Begun, kw_only=True):
    content: list[_Block]
    stop_reason: str | None = None

    @property
    def reason(self) -> str:
        return REASONS.get(self.stop_reason or "", "stop")

    def completion(self, choices: Sequence[Choice]) -> Completion:
        return Completion(choices, self.usage.read() if self.usage else None, self.id, self.model)


def completion(label: str, reply: Reply, *_context: object) -> Completion:
    """Each block of text as a result of its own, as in Elasticsearch; *label* names the task in errors."""
    message = parse(reply.body, _Message, of=f"{label} response")
    texts = [block.text_of("text", label) for block in message.content if block.type == "text"]
    return message.completion([Choice(text, reason=message.reason) for text in texts])


def answer(label: str, reply: Reply, *_context: object) -> Completion:
    """All blocks as one choice: its texts joined, its thoughts joined, its tool calls in their order."""
    message = parse(reply.body, _Message, of=f"{label} response")
    blocks = message.content
    calls = [
        (block.text_of("id", label), block.text_of("name", label), compact(block.input, f"{label} response"))
        for block in blocks
        if block.type == "tool_use"
    ]
    choice = Choice(
        "".join(block.text_of("text", label) for block in blocks if block.type == "text"),
        tuple(ToolCall(ordinal, *call) for ordinal, call in enumerate(calls)),
        message.reason,
        tuple(Thought(block.text_of("thinking", label)) for block in blocks if block.type == "thinking"),
    )
    return message.completion([choice])


class _Kind(msgspec.Struct):
    type: str = ""


class _Start(msgspec.Struct):
    message: _Begun


class _Content(msgspec.Struct):
    index: int = 0
    content_block: _Block = msgspec.field(default_factory=_Block)
    delta: _Block = msgspec.field(default_factory=_Block)


class _Stop(msgspec.Struct):
    stop_reason: str | None = None


class _End(msgspec.Struct):
    delta: _Stop = msgspec.field(default_factory=_Stop)
    usage: _Usage | None = None


class Messages(StreamReader):
    """The reader of one stream of a message; the JSON of an event says its kind, and unknown kinds say nothing."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._label = label
        self._usage = _Usage()
        self._calls = Calls()

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        match self._parsed(event, _Kind).type:
            case "message_start":
                message = self._parsed(event, _Start).message
                return [Started(message.id, message.model), *self._used(message.usage)]
            case "content_block_start":
                return self._begun(self._parsed(event, _Content))
            case "content_block_delta":
                return self._more(self._parsed(event, _Content))
            case "content_block_stop":
                return self._calls.end(self._parsed(event, _Content).index)
            case "message_delta":
                return self._ended(self._parsed(event, _End))
            case "message_stop":
                self._finished = True
            case "error":
                raise broken(_refusal(event))
            case _:
                pass
        return ()

    def _begun(self, content: _Content) -> Sequence[Delta]:
        block = content.content_block
        match block.type:
            case "text":
                return [Text(text)] if (text := block.text_of("text", self._label)) else ()
            case "thinking":
                return [Reasoning(text)] if (text := block.text_of("thinking", self._label)) else ()
            case "tool_use":
                named = block.text_of("id", self._label), block.text_of("name", self._label)
                return [self._calls.begin(content.index, *named, compact(block.input, self._of))]
            case _:
                return ()

    def _more(self, content: _Content) -> Sequence[Delta]:
        piece = content.delta
        match piece.type:
            case "text_delta":
                return [Text(text)] if (text := piece.text_of("text", self._label)) else ()
            case "thinking_delta":
                return [Reasoning(text)] if (text := piece.text_of("thinking", self._label)) else ()
            case "input_json_delta":
                return self._calls.more(content.index, piece.text_of("partial_json", self._label))
            case _:
                return ()

    def _ended(self, end: _End) -> Sequence[Delta]:
        deltas: list[Delta] = []
        if end.delta.stop_reason is not None:
            self._finished = True
            deltas += [*self._calls.finish(), Finished(0, REASONS.get(end.delta.stop_reason, "stop"))]
        return [*deltas, *self._used(end.usage)]

    def _used(self, usage: _Usage | None) -> Sequence[Delta]:
        if usage is None:
            return ()
        self._usage = self._usage.then(usage)
        return [Used(self._usage.read())]


class _Complaint(msgspec.Struct):
    message: str = ""
    type: str | None = None
    details: Any = None


class _Refusal(msgspec.Struct):
    error: _Complaint


def complaint(reply: Reply) -> Upstream:
    """The members of `{"type": "error", "error": {"type", "message", "details": {"error_code"}}}`; details are rare."""
    error = parse(reply.body, _Refusal, of="error").error
    match error.details:
        case {"error_code": str(code)}:
            return Upstream(reply.status, error.message, error.type, code)
        case _:
            return Upstream(reply.status, error.message, error.type)


def exhausted(upstream: Upstream) -> bool:
    """Whether the month's money is spent, for which Anthropic has the status and the type of a rate limit too.

    https://platform.claude.com/docs/en/api/rate-limits.
    """
    return upstream.code == "enforced_spend_limit_reached"


STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
}


def _refusal(event: Event) -> Upstream:
    """The refusal that an event of a stream is: its type stands for the status that it would have had."""
    refusal = complaint(Reply(500, event.data))
    return replace(refusal, status=STATUSES.get(refusal.type or "", 500))
