"""Rankings of documents in Cohere's format, which most providers of them speak, as a whole task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from inferpoint.model.http import Call, Reply, json_call, parse, unreadable
from inferpoint.model.requests import Documents, InferenceRequest
from inferpoint.model.results import Ranked, Ranking, Usage
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.openai.failures import FAILURES
from inferpoint.protocols.readers import count, members
from inferpoint.protocols.service import Rates, Task


@settings
class Options:
    """The settings that may change from request to request."""

    return_documents: bool | None = setting(
        "Whether to answer the text of each document with its score.", default=None, updatable=True
    )
    top_n: int | None = setting("How many of the best documents to answer.", default=None, at_least=1, updatable=True)


class Model(Protocol):
    """The settings that a ranking reads; without `url` it goes to the service's own address."""

    @property
    def model_id(self) -> str | None:
        """The model to call, where the server has several."""
        ...

    @property
    def url(self) -> str | None:
        """The whole address to call."""
        ...


M = TypeVar("M", bound=Model)


class Row(msgspec.Struct):
    """A document's place among those that were sent, its score and, from some, its text or an object that has it."""

    index: int
    relevance_score: float
    document: Any = None


class _Results(msgspec.Struct):
    results: list[Row]
    usage: Any = None
    meta: Any = None


Read = Callable[[Reply, str], tuple[Sequence[Row], Usage | None]]


def results(reply: Reply, of: str) -> tuple[Sequence[Row], Usage | None]:
    """The rows of Cohere's answer and the tokens that it tells in any of the places where servers tell them."""
    answer = parse(reply.body, _Results, of=of)
    return answer.results, usage(answer.usage) or usage(members(answer.meta).get("tokens"))


def usage(told: Any) -> Usage | None:
    """The tokens that a ranking took, by their name at Jina, Voyage and Cohere; None where none are told."""
    counts = members(told)
    names = ("total_tokens", "input_tokens", "prompt_tokens")
    tokens = next((tokens for name in names if (tokens := count(counts.get(name))) is not None), None)
    return None if tokens is None else Usage(input=tokens)


def asked(request: InferenceRequest, model: Model, options: Any) -> Mapping[str, Any]:
    """Cohere's body: what is None is left out of it."""
    documents = request.documents
    return {
        "model": model.model_id,
        "query": documents.query,
        "documents": documents.texts,
        "top_n": most(documents, options),
        "return_documents": with_text(documents, options),
    }


def rerank(
    label: str,
    settings: type[M],
    rates: Rates[M],
    *,
    path: str = "/rerank",
    body: Callable[[InferenceRequest, M, Any], Mapping[str, Any]] = asked,
    read: Read = results,
) -> Task[M, Any]:
    """The task of rankings; *path* follows the service's address. What else differs is said by `replace`.

    Texts that were asked for are those that were sent, whatever the provider answers.
    """

    def encode(request: InferenceRequest, model: M, options: object, origin: str) -> Call:
        return json_call(model.url or f"{origin}{path}", body(request, model, options))

    def decode(reply: Reply, request: InferenceRequest, _model: M, options: object) -> Ranking:
        of = f"{label} response"
        rows, told = read(reply, of)
        return ranking(rows, request.documents, options, of=of, usage=told)

    return Task(
        label=label,
        settings=settings,
        options=Options,
        encode=encode,
        decode=decode,
        independent=True,  # a cross-encoder reads the query with one document at a time
        rates=rates,
        failures=FAILURES,
    )


def ranking(rows: Iterable[Row], documents: Documents, options: Any, *, of: str, usage: Usage | None) -> Ranking:
    """The documents, best first, and no more than were asked for.

    `UNREADABLE`, said of *of*, when a document that nobody sent is ranked, one twice, or too few.
    """
    texts, wanted = documents.texts, most(documents, options)
    rows = list(rows)
    places = {row.index for row in rows}
    fewest = len(texts) if wanted is None else min(wanted, len(texts))
    if not places <= set(range(len(texts))) or len(places) != len(rows) or len(rows) < fewest:
        raise unreadable(of, f"it does not rank each of the [{len(texts)}] documents once")
    text = with_text(documents, options)
    ranked = [Ranked(row.index, row.relevance_score, _text(row, texts, text)) for row in rows]
    return Ranking(sorted(ranked, key=lambda document: -document.score)[:wanted], usage)


def most(documents: Documents, options: Any) -> int | None:
    """How many documents to answer: as the request says, or else the endpoint, by either name; None is all."""
    return documents.top_n or getattr(options, "top_n", None) or getattr(options, "top_k", None)


def with_text(documents: Documents, options: Any) -> bool | None:
    """Whether each document is answered with its text; None leaves it to the provider."""
    if documents.return_documents is not None:
        return documents.return_documents
    return getattr(options, "return_documents", None)


def _text(row: Row, texts: Sequence[str], wanted: bool | None) -> str | None:  # noqa: FBT001
    if wanted is not None:
        return texts[row.index] if wanted else None
    answered = row.document if isinstance(row.document, str) else members(row.document).get("text")
    return answered if isinstance(answered, str) else None
