"""OpenAI. https://platform.openai.com/docs/api-reference."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import msgspec

from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply, json_call, parse
from inferpoint.model.inference import (
    Choice,
    Completion,
    Delta,
    Embeddings,
    Finished,
    InferenceRequest,
    Started,
    Text,
    Usage,
    Used,
)
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import vectors
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import SIMILARITIES, Limits, Moment, Origin, RateLimit, Service, Task, rate_limit

ADDRESS = "https://api.openai.com/v1"
EMBEDDINGS = "OpenAI embeddings"
COMPLETIONS = "OpenAI chat completions"


@settings
class Account:
    """Who calls which model."""

    api_key: str = secret("The OpenAI API key.")
    model_id: str = setting("The model to call, such as text-embedding-3-small.")
    organization_id: str | None = setting(
        "The organization that is billed, where the key belongs to several.", default=None, updatable=True
    )
    url: str | None = setting("The address to call instead of OpenAI's.", default=None, url=True)
    rate_limit: RateLimit | None = rate_limit()


@settings
class EmbeddingSettings(Account):
    """An embedding model."""

    dimensions: int | None = setting(
        "The length of vectors to ask for; text-embedding-3 models and later.", default=None, at_least=1
    )
    similarity: str | None = setting("How the vectors compare.", default=None, choices=SIMILARITIES)


@settings
class Options:
    """What may change from request to request."""

    user: str | None = setting(
        "The end user a request is made for, so that OpenAI can detect abuse.", default=None, updatable=True
    )
    headers: Mapping[str, str] | None = setting("Headers to send with the request.", default=None, updatable=True)


def sign(call: Call, account: Account, moment: Moment) -> Call:
    """The key and, where there is one, the organization."""
    call = bearer(call, account, moment)
    if account.organization_id:
        call = call.with_headers({"openai-organization": account.organization_id})
    return call


def embed(request: InferenceRequest, model: EmbeddingSettings, options: Options, origin: str) -> Call:
    """Vectors are asked for as numbers, which pass through unread; `dimensions` only when the user set it."""
    body: dict[str, Any] = {"input": request.texts, "model": model.model_id, "encoding_format": "float"}
    if model.dimensions is not None:
        body["dimensions"] = model.dimensions
    return _call(model.url or f"{origin}/embeddings", body, options)


class _Embedding(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Tokens(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Tokens | None = None
    completion_tokens_details: _Tokens | None = None

    def read(self) -> Usage:
        prompt, completion = self.prompt_tokens_details or _Tokens(), self.completion_tokens_details or _Tokens()
        cached, reasoning = prompt.cached_tokens or 0, completion.reasoning_tokens or 0
        return Usage(self.prompt_tokens, self.completion_tokens, cached, reasoning)


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]
    usage: _Usage | None = None


def embeddings(reply: Reply, _request: InferenceRequest, _model: EmbeddingSettings, _options: Options) -> Embeddings:
    """By index; servers that speak OpenAI's format without one answer in order."""
    of = f"{EMBEDDINGS} response"
    read = parse(reply.body, _Embeddings, of=of)
    rows = [(place if row.index is None else row.index, row.embedding) for place, row in enumerate(read.data)]
    found = [vectors.dense(raw, of=of) for raw in vectors.in_order(rows, of=of)]
    return Embeddings(found, read.usage.read() if read.usage else None)


def complete(request: InferenceRequest, model: Account, options: Options, origin: str) -> Call:
    """One user's turn to the chat API: OpenAI's plain completions are no more."""
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": request.texts[0]}],
        "model": model.model_id,
        "n": 1,
        "stream": request.stream,
    }
    if request.stream:
        body["stream_options"] = {"include_usage": True}
    return _call(model.url or f"{origin}/chat/completions", body, options)


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    index: int = 0
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    id: str = ""
    model: str = ""
    usage: _Usage | None = None


def completion(reply: Reply, _request: InferenceRequest, _model: Account, _options: Options) -> Completion:
    """Every choice, in its order."""
    read = parse(reply.body, _Completion, of=f"{COMPLETIONS} response")
    if not read.choices:
        raise InferenceError(Kind.UNREADABLE, f"Failed to read the {COMPLETIONS} response: it has no choice")
    choices = [Choice(_said(choice.message), reason=choice.finish_reason) for choice in read.choices]
    return Completion(choices, read.usage.read() if read.usage else None, read.id, read.model)


def _said(message: _Message) -> str:
    text = message.content if message.content is not None else message.refusal
    if text is None:
        raise InferenceError(Kind.UNREADABLE, f"Failed to read the {COMPLETIONS} response: a message has no content")
    return text


class _StreamedChoice(msgspec.Struct):
    delta: _Message | None = None
    index: int = 0
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_StreamedChoice] = []
    id: str = ""
    model: str = ""
    usage: _Usage | None = None
    error: Any = None


class Chunks:
    """Reads one stream of chat completion chunks.

    The end is `[DONE]` or, from servers that do not send it, the body's end after a finish reason.
    """

    def __init__(self) -> None:
        self._started = False
        self._finished = False

    def feed(self, event: Event) -> Sequence[Delta]:
        """What one chunk says: text, an end, a cost."""
        if event.data.strip().upper() == b"[DONE]":
            self._finished = True
            return ()
        chunk = parse(event.data, _Chunk, of=f"{COMPLETIONS} stream")
        if chunk.error is not None:
            upstream = complaint(Reply(500, event.data))
            raise InferenceError(Kind.INTERNAL, "Received an error response", upstream=upstream)
        deltas: list[Delta] = []
        if not self._started:
            self._started = True
            deltas.append(Started(chunk.id, chunk.model))
        for choice in chunk.choices:
            if choice.delta and (text := choice.delta.content or choice.delta.refusal):
                deltas.append(Text(text))
            if choice.finish_reason:
                self._finished = True
                deltas.append(Finished(choice.index, choice.finish_reason))
        if chunk.usage:
            deltas.append(Used(chunk.usage.read()))
        return deltas

    def end(self) -> Sequence[Delta]:
        """Nothing, or `CUT_OFF` when no end was seen."""
        if not self._finished:
            raise InferenceError(Kind.CUT_OFF, f"The {COMPLETIONS} stream ended before its end")
        return ()


class _Complaint(msgspec.Struct):
    message: str = ""
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _Refusal(msgspec.Struct):
    error: _Complaint


def complaint(reply: Reply) -> Upstream:
    """`{"error": {"message", "type", "code", "param"}}`."""
    said = parse(reply.body, _Refusal, of="error").error
    return Upstream(reply.status, said.message, said.type, None if said.code is None else str(said.code), said.param)


def _call(url: str, body: dict[str, Any], options: Options) -> Call:
    if options.user is not None:
        body["user"] = options.user
    return json_call(url, body).with_headers({name.lower(): value for name, value in (options.headers or {}).items()})


def _group(account: Account) -> Hashable:
    """One queue for a model, a key and an address, as in Elasticsearch; OpenAI limits by model."""
    return account.model_id, account.api_key, account.url


def _similarity(model: EmbeddingSettings) -> str:
    """OpenAI's vectors are normalised, so the dot product is the cosine and cheaper."""
    return model.similarity or "dot_product"


PHRASES = {
    400: "Received a bad request status code",
    404: "Resource not found at [{url}]",
    413: "Received a content too large status code",
    422: "Received an input validation error response",
    503: "Received a server busy error status code",
}
COUNTERS = (
    "Received a rate limit status code. Token limit [{x-ratelimit-limit-tokens}],"
    " remaining tokens [{x-ratelimit-remaining-tokens}]. Request limit [{x-ratelimit-limit-requests}],"
    " remaining requests [{x-ratelimit-remaining-requests}]"
)
RETRIED = frozenset({429, 500, 503})

EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=Options,
    encode=embed,
    decode=embeddings,
    limits=lambda _: Limits(inputs=2048, tokens=300_000),
    default_rate=lambda _: 3000,
    rate_group=_group,
    similarity=_similarity,
    phrases=PHRASES | {429: COUNTERS},
    retried=RETRIED,
)
COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=Options,
    encode=complete,
    decode=completion,
    reader=lambda _: Chunks(),
    limits=lambda _: Limits(inputs=1),
    default_rate=lambda _: 500,
    rate_group=_group,
    phrases=PHRASES,
    retried=RETRIED,
)

SERVICE = Service(
    name="openai",
    title="OpenAI",
    tasks={TaskType.TEXT_EMBEDDING: EMBED, TaskType.COMPLETION: COMPLETE},
    sign=sign,
    complaint=complaint,
    origin=Origin(lambda _: ADDRESS, "OPENAI_BASE_URL"),
)
