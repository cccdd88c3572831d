"""Acme: embeddings, and completions that stream. Made up, to show a service in a package of its own."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec

from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.chat import TextPart
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply, json_call, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Choice, Completion, Delta, Embeddings, Finished, Started, Text, Usage, Used
from inferpoint.model.settings import secret, setting, settings
from inferpoint.protocols import vectors
from inferpoint.protocols.auth import bearer
from inferpoint.protocols.service import (
    Failures,
    Limits,
    NoOptions,
    Origin,
    RateLimit,
    Rates,
    Service,
    Task,
    rate_limit,
)

EMBEDDINGS = "Acme embeddings"
COMPLETIONS = "Acme completions"


@settings
class Account:
    """The account that calls, and the model."""

    api_key: str = secret("The key of the account.")
    model_id: str = setting("The model to call.")
    rate_limit: RateLimit | None = rate_limit()


@settings
class CompletionOptions:
    """The settings that may change from request to request."""

    temperature: float | None = setting(
        "How freely the model chooses its words.", default=None, at_least=0, at_most=1, updatable=True
    )


class _Usage(msgspec.Struct):
    read: int = 0
    written: int = 0

    def usage(self) -> Usage:
        return Usage(self.read, self.written)


def embed(request: InferenceRequest, model: Account, _options: NoOptions, origin: str) -> Call:
    """A call of `POST /embed`."""
    return json_call(f"{origin}/embed", {"model": model.model_id, "texts": request.texts})


class _Vectors(msgspec.Struct):
    vectors: list[msgspec.Raw]
    tokens: _Usage | None = None


def embeddings(reply: Reply, _request: InferenceRequest, _model: Account, _options: NoOptions) -> Embeddings:
    """The vectors in the order of the texts, passed through unread; one that is none has its error in its place."""
    of = f"{EMBEDDINGS} response"
    answer = parse(reply.body, _Vectors, of=of)
    return vectors.embeddings(answer.vectors, of=of, usage=answer.tokens and answer.tokens.usage())


def complete(request: InferenceRequest, model: Account, options: CompletionOptions, origin: str) -> Call:
    """A call of `POST /write`."""
    body: dict[str, object] = {"model": model.model_id, "prompt": request.texts[0], "stream": request.stream}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    return json_call(f"{origin}/write", body)


class _Written(msgspec.Struct):
    id: str
    text: str
    end: str
    tokens: _Usage | None = None


def completion(reply: Reply, _request: InferenceRequest, model: Account, _options: CompletionOptions) -> Completion:
    """The one text of an answer; Acme says why it ended in OpenAI's words."""
    answer = parse(reply.body, _Written, of=f"{COMPLETIONS} response")
    choice = Choice.of([TextPart(answer.text)], answer.end)
    return Completion([choice], answer.tokens and answer.tokens.usage(), answer.id, model.model_id)


class _Piece(msgspec.Struct):
    id: str = ""
    text: str = ""
    end: str | None = None
    tokens: _Usage | None = None


class Pieces:
    """The reader of one stream: pieces of text, and at last why it ended."""

    def __init__(self, model: Account) -> None:
        self._model = model.model_id
        self._started = False
        self._finished = False

    def feed(self, event: Event) -> Sequence[Delta]:
        """The deltas of one event."""
        piece = parse(event.data, _Piece, of=f"{COMPLETIONS} stream")
        deltas: list[Delta] = []
        if not self._started:
            self._started = True
            deltas.append(Started(piece.id, self._model))
        if piece.text:
            deltas.append(Text(piece.text))
        if piece.end is not None:
            self._finished = True
            deltas.append(Finished(0, piece.end))
        if piece.tokens is not None:
            deltas.append(Used(piece.tokens.usage()))
        return deltas

    def end(self) -> Sequence[Delta]:
        """No delta; `CUT_OFF` when no end was seen."""
        if not self._finished:
            raise InferenceError(Kind.CUT_OFF, f"The {COMPLETIONS} stream ended before its end")
        return ()


class _Refusal(msgspec.Struct):
    error: str
    code: str | None = None


def complaint(reply: Reply) -> Upstream:
    """The members of `{"error": "…", "code": "…"}`."""
    refusal = parse(reply.body, _Refusal, of="error")
    return Upstream(reply.status, refusal.error, code=refusal.code)


def group(model: Account) -> Hashable:
    """One queue for a key and a model, as Acme limits them."""
    return model.api_key, model.model_id


FAILURES = Failures(complaint=complaint)

EMBED = Task(
    label=EMBEDDINGS,
    settings=Account,
    options=NoOptions,
    encode=embed,
    decode=embeddings,
    similarity=lambda _: "cosine",
    rates=Rates(default=1000, group=group, limits=lambda _: Limits(inputs=96)),
    failures=FAILURES,
)
COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=CompletionOptions,
    encode=complete,
    decode=completion,
    reader=Pieces,
    rates=Rates(default=500, group=group, limits=lambda _: Limits(inputs=1)),
    failures=FAILURES,
)

SERVICE = Service(
    name="acme",
    title="Acme",
    tasks={TaskType.TEXT_EMBEDDING: EMBED, TaskType.COMPLETION: COMPLETE},
    sign=bearer,
    origin=Origin(lambda _: "https://api.acme.example/v1", "ACME_BASE_URL"),
)
