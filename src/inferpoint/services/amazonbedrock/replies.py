"""Answers of Converse and ConverseStream, whole and in events.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Event, Reply, parse
from inferpoint.model.inference import (
    Choice,
    Completion,
    Delta,
    Finished,
    InferenceRequest,
    Reasoning,
    Started,
    Text,
    ToolCall,
    Usage,
    Used,
)
from inferpoint.protocols.chat import Calls, compact
from inferpoint.services.amazonbedrock import account
from inferpoint.services.amazonbedrock.account import Account

COMPLETIONS = "Amazon Bedrock chat completions"


class _Usage(msgspec.Struct, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0

    def read(self) -> Usage:
        """The cost in our names; what a cache took and gave is part of the prompt, and not of `inputTokens`."""
        prompt = self.input_tokens + self.cache_read_input_tokens + self.cache_write_input_tokens
        return Usage(prompt, self.output_tokens, self.cache_read_input_tokens)


class _ToolUse(msgspec.Struct):
    tool_use_id: str = msgspec.field(name="toolUseId")
    name: str
    input: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class _Words(msgspec.Struct):
    text: str = ""


class _Thought(msgspec.Struct, rename="camel"):
    reasoning_text: _Words = msgspec.field(default_factory=_Words)


class _Block(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Thought | None = None


class _Message(msgspec.Struct):
    content: list[_Block]


class _Output(msgspec.Struct):
    message: _Message


class _Reply(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str = ""
    usage: _Usage | None = None


REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def completion(reply: Reply, request: InferenceRequest, model: Account, _options: object) -> Completion:
    """Each block of text as a result of its own, as in Elasticsearch."""
    answer = parse(reply.body, _Reply, of=f"{COMPLETIONS} response")
    reason = _reason(answer.stop_reason)
    choices = [Choice(block.text, reason=reason) for block in answer.output.message.content if block.text is not None]
    return _completion(choices, answer, reply, request, model)


def chat(reply: Reply, request: InferenceRequest, model: Account, _options: object) -> Completion:
    """All blocks as one choice: its texts joined, its thoughts joined, its tool calls in their order."""
    answer = parse(reply.body, _Reply, of=f"{COMPLETIONS} response")
    blocks = answer.output.message.content
    uses = [block.tool_use for block in blocks if block.tool_use]
    choice = Choice(
        "".join(block.text or "" for block in blocks),
        tuple(
            ToolCall(ordinal, use.tool_use_id, use.name, compact(use.input, f"{COMPLETIONS} response"))
            for ordinal, use in enumerate(uses)
        ),
        _reason(answer.stop_reason),
        "".join(block.reasoning_content.reasoning_text.text for block in blocks if block.reasoning_content),
    )
    return _completion([choice], answer, reply, request, model)


def _completion(
    choices: Sequence[Choice], answer: _Reply, reply: Reply, request: InferenceRequest, model: Account
) -> Completion:
    usage = answer.usage.read() if answer.usage else None
    called = request.conversation.model or model.model
    return Completion(choices, usage, reply.headers.get("x-amzn-requestid", ""), called)


def _reason(stop: str) -> str:
    if stop.startswith("malformed_"):
        raise InferenceError(Kind.UNREADABLE, f"The model's answer cannot be used [{stop}]")
    return REASONS.get(stop, "stop")


class _Fragment(msgspec.Struct):
    input: str = ""


class _Fragments(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _Fragment | None = None
    reasoning_content: _Words | None = None


class _Piece(msgspec.Struct, rename="camel"):
    content_block_index: int = 0
    start: _Block = msgspec.field(default_factory=_Block)
    delta: _Fragments = msgspec.field(default_factory=_Fragments)


class _Stop(msgspec.Struct, rename="camel"):
    stop_reason: str = ""


class _Metadata(msgspec.Struct):
    usage: _Usage | None = None


class Events:
    """The reader of one ConverseStream; events of unknown names say nothing."""

    def __init__(self, model: Account) -> None:
        self._model = model
        self._calls = Calls()
        self._finished = False

    def feed(self, event: Event) -> Sequence[Delta]:
        """The deltas of one event: a beginning, text, thoughts, pieces of tool calls, an end, a cost; or its error."""
        if error := account.raised(event):
            raise error
        match event.name:
            case "messageStart":
                return [Started("", self._model.model)]
            case "contentBlockStart" | "contentBlockDelta" | "contentBlockStop":
                return self._block(event.name, self._parsed(event, _Piece))
            case "messageStop":
                self._finished = True
                reason = _reason(self._parsed(event, _Stop).stop_reason)
                return [*self._calls.finish(), Finished(0, reason)]
            case "metadata":
                usage = self._parsed(event, _Metadata).usage
                return [Used(usage.read())] if usage else ()
            case _:
                return ()

    def end(self) -> Sequence[Delta]:
        """No delta; `CUT_OFF` when no end was seen."""
        if not self._finished:
            raise InferenceError(Kind.CUT_OFF, f"The {COMPLETIONS} stream ended before its end")
        return ()

    def _block(self, name: str, piece: _Piece) -> Sequence[Delta]:
        block, delta = piece.content_block_index, piece.delta
        match name:
            case "contentBlockStart":
                use = piece.start.tool_use
                return [self._calls.begin(block, use.tool_use_id, use.name)] if use else ()
            case "contentBlockStop":
                return self._calls.end(block)
            case _ if delta.tool_use:
                return self._calls.more(block, delta.tool_use.input)
            case _ if delta.reasoning_content and delta.reasoning_content.text:
                return [Reasoning(delta.reasoning_content.text)]
            case _:
                return [Text(delta.text)] if delta.text else ()

    def _parsed(self, event: Event, shape: type[Any]) -> Any:
        return parse(event.data, shape, of=f"{COMPLETIONS} stream")
