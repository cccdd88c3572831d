"""Answers of Converse, whole; and what those of ConverseStream have in common with them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import Thought
from inferpoint.model.http import Reply, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Choice, Completion, ToolCall, Usage
from inferpoint.protocols.readers import compact
from inferpoint.services.amazonbedrock.account import Account

COMPLETIONS = "Amazon Bedrock chat completions"


class Counts(msgspec.Struct, rename="camel"):
    """The member `usage`."""

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


class Words(msgspec.Struct):
    """A text in an object of its own."""

    text: str = ""


class _Thought(msgspec.Struct, rename="camel"):
    reasoning_text: Words = msgspec.field(default_factory=Words)


class Block(msgspec.Struct, rename="camel"):
    """A content block: text, a tool call, or thoughts."""

    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Thought | None = None


class _Message(msgspec.Struct):
    content: list[Block]


class _Output(msgspec.Struct):
    message: _Message


class _Reply(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str = ""
    usage: Counts | None = None


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
    reason = reason_of(answer.stop_reason)
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
        reason_of(answer.stop_reason),
        tuple(
            Thought(block.reasoning_content.reasoning_text.text)
            for block in blocks
            if block.reasoning_content and block.reasoning_content.reasoning_text.text
        ),
    )
    return _completion([choice], answer, reply, request, model)


def _completion(
    choices: Sequence[Choice], answer: _Reply, reply: Reply, request: InferenceRequest, model: Account
) -> Completion:
    usage = answer.usage.read() if answer.usage else None
    called = request.conversation.model or model.model
    return Completion(choices, usage, reply.headers.get("x-amzn-requestid", ""), called)


def reason_of(stop: str) -> str:
    """Why an answer ended, in OpenAI's words; `UNREADABLE` when the model's answer was malformed."""
    if stop.startswith("malformed_"):
        raise InferenceError(Kind.UNREADABLE, f"The model's answer cannot be used [{stop}]")
    return REASONS.get(stop, "stop")
