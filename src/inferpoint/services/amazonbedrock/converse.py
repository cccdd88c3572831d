"""Completions: Converse and ConverseStream, which are the same for every provider's models.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply, json_call, parse
from inferpoint.model.inference import Choice, Completion, Delta, Finished, InferenceRequest, Started, Text, Usage, Used
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.eventstream import AmazonEventStream
from inferpoint.protocols.service import Limits, Task
from inferpoint.services.amazonbedrock import account
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
    account.available(model, TaskType.COMPLETION, PROVIDERS)
    if options.top_k is not None and model.provider not in TOP_K:
        raise invalid(f"The [top_k] task parameter is not available for provider [{model.provider}]")


def unwise(_model: Account, options: Options) -> Sequence[str]:
    """AWS's advice, which Bedrock does not hold anybody to."""
    if options.temperature is None:
        return ()
    others = [name for name, value in (("top_p", options.top_p), ("top_k", options.top_k)) if value is not None]
    return [f"[temperature] should not be used when [{name}] is set" for name in others]


def complete(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """One user's turn."""
    limits = {
        "maxTokens": NEW_TOKENS if options.max_new_tokens is None else options.max_new_tokens,
        "temperature": options.temperature,
        "topP": options.top_p,
    }
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"text": request.texts[0]}]}],
        "inferenceConfig": {name: value for name, value in limits.items() if value is not None},
    }
    if options.top_k is not None:
        body["additionalModelRequestFields"] = {TOP_K[model.provider]: _integral(options.top_k)}
    return json_call(account.operation(model, origin, "converse-stream" if request.stream else "converse"), body)


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


class _Block(msgspec.Struct):
    text: str | None = None


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


def completion(reply: Reply, _request: InferenceRequest, model: Account, _options: Options) -> Completion:
    """Every block of text is a result of its own."""
    read = parse(reply.body, _Reply, of=f"{COMPLETIONS} response")
    reason = _reason(read.stop_reason)
    choices = [Choice(block.text, reason=reason) for block in read.output.message.content if block.text is not None]
    usage = read.usage.read() if read.usage else None
    return Completion(choices, usage, reply.headers.get("x-amzn-requestid", ""), model.model)


def _reason(stop: str) -> str:
    if stop.startswith("malformed_"):
        raise InferenceError(Kind.UNREADABLE, f"The model's answer cannot be used [{stop}]")
    return REASONS.get(stop, "stop")


class _Piece(msgspec.Struct):
    delta: _Block = msgspec.field(default_factory=_Block)


class _Stop(msgspec.Struct, rename="camel"):
    stop_reason: str = ""


class _Metadata(msgspec.Struct):
    usage: _Usage | None = None


class Conversation:
    """Reads one ConverseStream; of events not known here nothing is read."""

    def __init__(self, model: Account) -> None:
        self._model = model
        self._finished = False

    def feed(self, event: Event) -> Sequence[Delta]:
        """What one event says: a beginning, text, an end, a cost, or an error."""
        if error := account.raised(event):
            raise error
        match event.name:
            case "messageStart":
                return [Started("", self._model.model)]
            case "contentBlockDelta":
                text = self._parsed(event, _Piece).delta.text
                return [Text(text)] if text else ()
            case "messageStop":
                self._finished = True
                return [Finished(0, _reason(self._parsed(event, _Stop).stop_reason))]
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

    def _parsed(self, event: Event, shape: type[Any]) -> Any:
        return parse(event.data, shape, of=f"{COMPLETIONS} stream")


COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=Options,
    check=check,
    warnings=unwise,
    encode=complete,
    decode=completion,
    reader=Conversation,
    framing=AmazonEventStream,
    limits=lambda _: Limits(inputs=1),
    default_rate=lambda _: account.REQUESTS_A_MINUTE,
    rate_group=account.group,
    phrases=account.PHRASES,
    retried=account.RETRIED,
)
