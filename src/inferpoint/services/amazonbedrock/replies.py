"""Answers of Converse, whole; and what those of ConverseStream have in common with them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.chat import TextPart, Thought
from inferpoint.model.http import Reply, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import AnswerPart, Choice, Completion, ToolCall, Usage
from inferpoint.protocols.readers import Calls, compact, count
from inferpoint.services.amazonbedrock.account import Account

COMPLETIONS = "Amazon Bedrock chat completions"


def usage_of(counts: Any) -> Usage | None:
    """The member `usage` in our names; None where it counts nothing.

    What a cache took and gave is part of the prompt, and not of `inputTokens`.
    """
    if not isinstance(counts, dict):
        return None
    members = cast("dict[str, Any]", counts).items()
    told = {name: number for name, value in members if (number := count(value)) is not None}
    if not told:
        return None
    cached, written = told.get("cacheReadInputTokens", 0), told.get("cacheWriteInputTokens", 0)
    prompt = told.get("inputTokens", 0) + cached + written
    return Usage(prompt, told.get("outputTokens", 0), cached, cache_written=written)


class _ToolUse(msgspec.Struct):
    name: str
    tool_use_id: str | None = msgspec.field(default=None, name="toolUseId")
    input: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class _Sealed(msgspec.Struct):
    text: str | None = None
    signature: str | None = None


class _Thought(msgspec.Struct, rename="camel"):
    reasoning_text: _Sealed | None = None
    redacted_content: str | None = None

    def read(self) -> Thought:
        words = self.reasoning_text or _Sealed()
        return Thought(words.text or "", words.signature, self.redacted_content)


class Block(msgspec.Struct, rename="camel"):
    """A content block: text, a tool call, or thoughts."""

    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Thought | None = None


class _Message(msgspec.Struct):
    content: list[Block] | None


class _Output(msgspec.Struct):
    message: _Message


class End(msgspec.Struct, rename="camel"):
    """Why an answer ended, and what of Claude's own answer was asked for."""

    stop_reason: str | None = None
    additional_model_response_fields: Any = None

    def reason(self, calls: Calls) -> str:
        """The reason in OpenAI's words, after *calls*; `UNREADABLE` when the model's answer was malformed."""
        if (self.stop_reason or "").startswith("malformed_"):
            raise InferenceError(Kind.UNREADABLE, f"The model's answer cannot be used [{self.stop_reason}]")
        return calls.reason(self.stop_reason)

    @property
    def stop_sequence(self) -> str | None:
        """The stop sequence that the model met."""
        match self.additional_model_response_fields:
            case {"stop_sequence": str(met)} | {"delta": {"stop_sequence": str(met)}}:
                return met
            case _:
                return None


class _Reply(End, kw_only=True):
    output: _Output
    usage: Any = None


def completion(reply: Reply, request: InferenceRequest, model: Account, _options: object) -> Completion:
    """Each block of text as a result of its own, as in Elasticsearch."""
    answer, blocks = _read(reply)
    reason = answer.reason(Calls())
    choices = [Choice.of([TextPart(block.text)], reason) for block in blocks if block.text is not None]
    return _completion(choices, answer, reply, request, model)


def chat(reply: Reply, request: InferenceRequest, model: Account, _options: object) -> Completion:
    """All blocks as one choice, in their order."""
    answer, blocks = _read(reply)
    calls = Calls()
    parts = [part for place, block in enumerate(blocks) for part in _parts(block, place, calls)]
    choice = Choice.of(parts, answer.reason(calls), answer.stop_sequence)
    return _completion([choice], answer, reply, request, model)


def _parts(block: Block, place: int, calls: Calls) -> Sequence[AnswerPart]:
    """The part that a block is; none for one of a kind that is not known."""
    if block.reasoning_content:
        thought = block.reasoning_content.read()
        return () if thought == Thought() else [thought]
    if block.tool_use:
        return [_call(calls, place, block.tool_use)]
    return [TextPart(block.text or "")]


def _call(calls: Calls, block: int, use: _ToolUse) -> ToolCall:
    return replace(
        calls.begin(block, use.tool_use_id, use.name), arguments=compact(use.input, f"{COMPLETIONS} response")
    )


def _read(reply: Reply) -> tuple[_Reply, Sequence[Block]]:
    answer = parse(reply.body, _Reply, of=f"{COMPLETIONS} response")
    return answer, answer.output.message.content or ()


def _completion(
    choices: Sequence[Choice], answer: _Reply, reply: Reply, request: InferenceRequest, model: Account
) -> Completion:
    called = request.conversation.model or model.model
    return Completion(choices, usage_of(answer.usage), reply.headers.get("x-amzn-requestid", ""), called)
