"""Anthropic. https://docs.anthropic.com/en/api/messages."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind, Upstream, kind_of_status
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply, json_call, parse
from inferpoint.model.inference import Choice, Completion, Delta, Finished, InferenceRequest, Started, Text, Usage, Used
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols.auth import header
from inferpoint.protocols.service import Limits, Origin, RateLimit, Service, Task, rate_limit

ADDRESS = "https://api.anthropic.com"
# The last version that takes temperature, top_p and top_k; 2026-10-21 refuses all three.
VERSION = "2023-06-01"
COMPLETIONS = "Anthropic chat completions"


@settings
class Account:
    """Who calls which model."""

    api_key: str = secret("The Anthropic API key.")
    model_id: str = setting("The model to call, such as claude-sonnet-4-5.")
    url: str | None = setting("The address to call instead of Anthropic's.", default=None, url=True)
    rate_limit: RateLimit | None = rate_limit()


@settings
class Options:
    """What may change from request to request. The bounds are left to Anthropic: they differ between models."""

    max_tokens: int = setting("The most tokens to generate.", at_least=1, updatable=True)
    temperature: float | None = setting("How random the answer is.", default=None, updatable=True)
    top_k: int | None = setting("Sample from the k likeliest tokens only.", default=None, updatable=True)
    top_p: float | None = setting(
        "Sample from the likeliest tokens whose probabilities add up to this.", default=None, updatable=True
    )


def unwise(_account: Account, options: Options) -> Sequence[str]:
    """Anthropic's advice, which the API does not hold anybody to."""
    if options.temperature is None or options.top_p is None:
        return ()
    return ("[temperature] and [top_p] are both set; change one of them, not both",)


def complete(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """One user's turn, with what is set and nothing else: newer models refuse what they were not asked to take."""
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": request.texts[0]}],
        "model": model.model_id,
        "max_tokens": options.max_tokens,
    }
    chosen = {"temperature": options.temperature, "top_p": options.top_p, "top_k": options.top_k}
    body |= {name: value for name, value in chosen.items() if value is not None}
    if request.stream:
        body["stream"] = True
    return json_call(model.url or f"{origin}/v1/messages", body).with_headers({"anthropic-version": VERSION})


class _Thought(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _Thought | None = None

    def read(self) -> Usage:
        """What was written to a cache and read from it is part of the prompt, and not of `input_tokens`."""
        cached = self.cache_read_input_tokens or 0
        prompt = (self.input_tokens or 0) + (self.cache_creation_input_tokens or 0) + cached
        thought = self.output_tokens_details or _Thought()
        return Usage(prompt, self.output_tokens or 0, cached, thought.thinking_tokens or 0)

    def then(self, later: _Usage) -> _Usage:
        """This, with what a *later* count of the same answer says."""
        return _Usage(
            *(getattr(self if getattr(later, name) is None else later, name) for name in self.__struct_fields__)
        )


class _Block(msgspec.Struct):
    """A content block, or a piece of one; the text of other types than text is not for us."""

    type: str = ""
    text: Any = None

    def said(self) -> str:
        if isinstance(self.text, str):
            return self.text
        raise InferenceError(Kind.UNREADABLE, f"Failed to find required field [text] in {COMPLETIONS} response")


class _Begun(msgspec.Struct, kw_only=True):
    id: str = ""
    model: str = ""
    usage: _Usage | None = None


class _Message(_Begun, kw_only=True):
    content: list[_Block]
    stop_reason: str | None = None


REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def completion(reply: Reply, _request: InferenceRequest, _model: Account, _options: Options) -> Completion:
    """Every block of text is a result of its own."""
    read = parse(reply.body, _Message, of=f"{COMPLETIONS} response")
    reason = REASONS.get(read.stop_reason or "", "stop")
    choices = [Choice(block.said(), reason=reason) for block in read.content if block.type == "text"]
    return Completion(choices, read.usage.read() if read.usage else None, read.id, read.model)


class _Kind(msgspec.Struct):
    type: str = ""


class _Start(msgspec.Struct):
    message: _Begun


class _Content(msgspec.Struct):
    content_block: _Block = msgspec.field(default_factory=_Block)
    delta: _Block = msgspec.field(default_factory=_Block)


class _Stop(msgspec.Struct):
    stop_reason: str | None = None


class _End(msgspec.Struct):
    delta: _Stop = msgspec.field(default_factory=_Stop)
    usage: _Usage | None = None


class Messages:
    """Reads one stream of a message. What an event is says its JSON; of kinds not known here nothing is read."""

    def __init__(self) -> None:
        self._usage = _Usage()
        self._finished = False

    def feed(self, event: Event) -> Sequence[Delta]:
        """What one event says: a beginning, text, an end and a cost."""
        match parse(event.data, _Kind, of=f"{COMPLETIONS} stream").type:
            case "message_start":
                message = self._parsed(event, _Start).message
                return [Started(message.id, message.model), *self._used(message.usage)]
            case "content_block_start":
                return self._text(self._parsed(event, _Content).content_block, "text")
            case "content_block_delta":
                return self._text(self._parsed(event, _Content).delta, "text_delta")
            case "message_delta":
                return self._ended(self._parsed(event, _End))
            case "message_stop":
                self._finished = True
            case "error":
                raise _broken(event)
            case _:
                pass
        return ()

    def end(self) -> Sequence[Delta]:
        """Nothing, or `CUT_OFF` when no end was seen."""
        if not self._finished:
            raise InferenceError(Kind.CUT_OFF, f"The {COMPLETIONS} stream ended before its end")
        return ()

    def _text(self, block: _Block, kind: str) -> Sequence[Delta]:
        return [Text(text)] if block.type == kind and (text := block.said()) else ()

    def _ended(self, end: _End) -> Sequence[Delta]:
        deltas: list[Delta] = []
        if end.delta.stop_reason is not None:
            self._finished = True
            deltas.append(Finished(0, REASONS.get(end.delta.stop_reason, "stop")))
        return [*deltas, *self._used(end.usage)]

    def _used(self, usage: _Usage | None) -> Sequence[Delta]:
        if usage is None:
            return ()
        self._usage = self._usage.then(usage)
        return [Used(self._usage.read())]

    def _parsed(self, event: Event, shape: type[Any]) -> Any:
        return parse(event.data, shape, of=f"{COMPLETIONS} stream")


class _Complaint(msgspec.Struct):
    message: str = ""
    type: str | None = None


class _Refusal(msgspec.Struct):
    error: _Complaint


def complaint(reply: Reply) -> Upstream:
    """`{"type": "error", "error": {"type", "message"}}`."""
    said = parse(reply.body, _Refusal, of="error").error
    return Upstream(reply.status, said.message, said.type)


STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
}


def _broken(event: Event) -> InferenceError:
    """An error after the headers said 200: its type stands for the status that it would have had."""
    said = complaint(Reply(500, event.data))
    status = STATUSES.get(said.type or "", 500)
    upstream = replace(said, status=status)
    return InferenceError(kind_of_status(status), "Received an error response", upstream=upstream)


def _group(account: Account) -> Hashable:
    """One queue for a model, a key and an address, as in Elasticsearch; Anthropic limits by model."""
    return account.model_id, account.api_key, account.url


COUNTERS = (
    "Received a rate limit status code. Token limit [{anthropic-ratelimit-tokens-limit}],"
    " remaining tokens [{anthropic-ratelimit-tokens-remaining}], tokens reset [{anthropic-ratelimit-tokens-reset}]."
    " Request limit [{anthropic-ratelimit-requests-limit}],"
    " remaining requests [{anthropic-ratelimit-requests-remaining}],"
    " request reset [{anthropic-ratelimit-requests-reset}]. Retry after [{retry-after}]"
)

COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=Options,
    warnings=unwise,
    encode=complete,
    decode=completion,
    reader=lambda _: Messages(),
    limits=lambda _: Limits(inputs=1),
    default_rate=lambda _: 50,
    rate_group=_group,
    phrases={
        403: "Received a permission denied error status code",
        429: COUNTERS,
        529: "Received an Anthropic server is temporarily overloaded status code",
    },
    retried=frozenset({429, 500, 529}),
)

SERVICE = Service(
    name="anthropic",
    title="Anthropic",
    tasks={TaskType.COMPLETION: COMPLETE},
    sign=header("x-api-key"),
    complaint=complaint,
    origin=Origin(lambda _: ADDRESS, "ANTHROPIC_BASE_URL"),
)
