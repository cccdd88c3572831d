"""Completions and chats: Converse and ConverseStream, which are the same for every provider's models.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply, json_call, parse
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
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.chat import Calls, compact
from inferpoint.protocols.eventstream import AmazonEventStream
from inferpoint.protocols.service import Limits, Task
from inferpoint.services.amazonbedrock import account, conversation
from inferpoint.services.amazonbedrock.account import PROVIDERS, Account

COMPLETIONS = "Amazon Bedrock chat completions"
NEW_TOKENS = 64
# Converse has no field for it: it goes in the request of the model itself, under the name it has there.
TOP_K = {"anthropic": "top_k", "cohere": "k", "mistral": "top_k"}
_EXACT = 2**53


@settings
class Options:
    """What may change from request to request."""

    max_new_tokens: int | None = setting(
        f"The most tokens to generate; {NEW_TOKENS} where not set.", default=None, at_least=1, updatable=True
    )
    temperature: float | None = setting(
        "How random the answer is. Not to be used together with top_p or top_k.",
        default=None, at_least=0, at_most=1, updatable=True,
    )  # fmt: skip
    top_p: float | None = setting(
        "Sample from the likeliest tokens whose probabilities add up to this.",
        default=None, at_least=0, at_most=1, updatable=True,
    )  # fmt: skip
    top_k: float | None = setting(
        "Sample from the k likeliest tokens only; for anthropic, cohere and mistral.",
        default=None, above=0, updatable=True,
    )  # fmt: skip


def check(model: Account, options: Options) -> None:
    """Whether the provider has such models, and whether they take a `top_k`."""
    _check(model, options, TaskType.COMPLETION)


def check_chat(model: Account, options: Options) -> None:
    """Likewise, under the other name."""
    _check(model, options, TaskType.CHAT_COMPLETION)


def _check(model: Account, options: Options, task: TaskType) -> None:
    account.available(model, task, PROVIDERS)
    if options.top_k is not None and model.provider not in TOP_K:
        raise invalid(f"The [top_k] task parameter is not available for provider [{model.provider}]")


def unwise(_model: Account, options: Options) -> Sequence[str]:
    """AWS's advice, which Bedrock does not hold anybody to."""
    if options.temperature is None:
        return ()
    others = [name for name, value in (("top_p", options.top_p), ("top_k", options.top_k)) if value is not None]
    return [f"[temperature] should not be used when [{name}] is set" for name in others]


def encode(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """A conversation, with the endpoint's options where it does not say; a completion's length is always bounded."""
    talk = request.conversation
    bounded = isinstance(request.input, tuple) and options.max_new_tokens is None
    defaults = {
        "maxTokens": NEW_TOKENS if bounded else options.max_new_tokens,
        "temperature": options.temperature,
        "topP": options.top_p,
    }
    body = conversation.request_body(request, model.provider)
    limits = {name: value for name, value in defaults.items() if value is not None} | body.get("inferenceConfig", {})
    if limits:
        body["inferenceConfig"] = limits
    if options.top_k is not None:
        native = {TOP_K[model.provider]: _integral(options.top_k)}
        body["additionalModelRequestFields"] = body.get("additionalModelRequestFields", {}) | native
    called = model if talk.model is None else replace(model, model=talk.model)
    return json_call(account.operation(called, origin, "converse-stream" if request.stream else "converse"), body)


def _integral(number: float) -> float:
    """20.0 as 20: models that count refuse the point."""
    return int(number) if abs(number) < _EXACT and number == int(number) else number


class _Usage(msgspec.Struct, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0

    def read(self) -> Usage:
        """What was written to a cache and read from it is part of the prompt, and not of `inputTokens`."""
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


def completion(reply: Reply, request: InferenceRequest, model: Account, _options: Options) -> Completion:
    """Every block of text is a result of its own."""
    read = parse(reply.body, _Reply, of=f"{COMPLETIONS} response")
    reason = _reason(read.stop_reason)
    choices = [Choice(block.text, reason=reason) for block in read.output.message.content if block.text is not None]
    return _completion(choices, read, reply, request, model)


def answer(reply: Reply, request: InferenceRequest, model: Account, _options: Options) -> Completion:
    """All blocks are one choice: its texts joined, its thoughts joined, its tool calls in their order."""
    read = parse(reply.body, _Reply, of=f"{COMPLETIONS} response")
    blocks = read.output.message.content
    uses = [block.tool_use for block in blocks if block.tool_use]
    choice = Choice(
        "".join(block.text or "" for block in blocks),
        tuple(
            ToolCall(ordinal, use.tool_use_id, use.name, compact(use.input, f"{COMPLETIONS} response"))
            for ordinal, use in enumerate(uses)
        ),
        _reason(read.stop_reason),
        "".join(block.reasoning_content.reasoning_text.text for block in blocks if block.reasoning_content),
    )
    return _completion([choice], read, reply, request, model)


def _completion(
    choices: Sequence[Choice], read: _Reply, reply: Reply, request: InferenceRequest, model: Account
) -> Completion:
    usage = read.usage.read() if read.usage else None
    called = request.conversation.model or model.model
    return Completion(choices, usage, reply.headers.get("x-amzn-requestid", ""), called)


def _reason(stop: str) -> str:
    if stop.startswith("malformed_"):
        raise InferenceError(Kind.UNREADABLE, f"The model's answer cannot be used [{stop}]")
    return REASONS.get(stop, "stop")


class _Fragment(msgspec.Struct):
    input: str = ""


class _Said(msgspec.Struct, rename="camel"):
    text: str | None = None
    tool_use: _Fragment | None = None
    reasoning_content: _Words | None = None


class _Piece(msgspec.Struct, rename="camel"):
    content_block_index: int = 0
    start: _Block = msgspec.field(default_factory=_Block)
    delta: _Said = msgspec.field(default_factory=_Said)


class _Stop(msgspec.Struct, rename="camel"):
    stop_reason: str = ""


class _Metadata(msgspec.Struct):
    usage: _Usage | None = None


class Conversing:
    """Reads one ConverseStream; of events not known here nothing is read."""

    def __init__(self, model: Account) -> None:
        self._model = model
        self._calls = Calls()
        self._finished = False

    def feed(self, event: Event) -> Sequence[Delta]:
        """What one event says: a beginning, text, thoughts, pieces of tool calls, an end, a cost, or an error."""
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
        """Nothing, or `CUT_OFF` when no end was seen."""
        if not self._finished:
            raise InferenceError(Kind.CUT_OFF, f"The {COMPLETIONS} stream ended before its end")
        return ()

    def _block(self, name: str, piece: _Piece) -> Sequence[Delta]:
        block, said = piece.content_block_index, piece.delta
        match name:
            case "contentBlockStart":
                use = piece.start.tool_use
                return [self._calls.begin(block, use.tool_use_id, use.name)] if use else ()
            case "contentBlockStop":
                return self._calls.end(block)
            case _ if said.tool_use:
                return self._calls.more(block, said.tool_use.input)
            case _ if said.reasoning_content and said.reasoning_content.text:
                return [Reasoning(said.reasoning_content.text)]
            case _:
                return [Text(said.text)] if said.text else ()

    def _parsed(self, event: Event, shape: type[Any]) -> Any:
        return parse(event.data, shape, of=f"{COMPLETIONS} stream")


COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=Options,
    check=check,
    warnings=unwise,
    encode=encode,
    decode=completion,
    reader=Conversing,
    with_model=lambda account, model: replace(account, model=model),
    framing=AmazonEventStream,
    limits=lambda _: Limits(inputs=1),
    default_rate=lambda _: account.REQUESTS_A_MINUTE,
    rate_group=account.group,
    mixed_rates=True,
    phrases=account.PHRASES,
    retried=account.RETRIED,
)
CHAT = replace(COMPLETE, check=check_chat, decode=answer)
