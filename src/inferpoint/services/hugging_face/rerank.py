"""Rankings of Text Embeddings Inference, and of containers that answer a little differently."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inferpoint.model.http import Call, Reply, json_call, parse, unreadable
from inferpoint.model.requests import Documents, InferenceRequest
from inferpoint.model.results import Ranked, Ranking
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.service import Task
from inferpoint.services.hugging_face.account import FAILURES, RATES, Settings, usage

RERANKINGS = "Hugging Face rerank"
OF = f"{RERANKINGS} response"


@settings
class Options:
    """The settings that may change from request to request."""

    return_documents: bool | None = setting(
        "Whether to answer the text of each document with its score.", default=None, updatable=True
    )
    top_n: int | None = setting("How many of the best documents to answer.", default=None, at_least=1, updatable=True)


def rerank(request: InferenceRequest, model: Settings, options: Options, _origin: str) -> Call:
    """A call that ranks all documents; `top_n` cuts the answer. The request goes before the endpoint's options."""
    documents = request.documents
    with_text = _with_text(documents, options)
    return json_call(model.url, {"query": documents.query, "texts": documents.texts, "return_text": with_text})


class _Document(msgspec.Struct):
    text: str | None = None


class _Row(msgspec.Struct):
    index: int
    score: float | None = None
    relevance_score: float | None = None
    text: str | None = None
    document: _Document | None = None


class _Toolkit(msgspec.Struct):
    scores: list[_Row]


def ranking(reply: Reply, request: InferenceRequest, _model: Settings, options: Options) -> Ranking:
    """The documents, best first, and no more than were asked for; `UNREADABLE` unless each was ranked once."""
    documents = request.documents
    if reply.body.lstrip().startswith(b"["):
        rows = parse(reply.body, list[_Row], of=OF)
    else:
        rows = parse(reply.body, _Toolkit, of=OF).scores
    if sorted(row.index for row in rows) != list(range(len(documents.texts))):
        raise unreadable(OF, f"it does not rank each of the [{len(documents.texts)}] documents once")
    ranked = sorted(_ranked(rows, documents, _with_text(documents, options)), key=lambda document: -document.score)
    return Ranking(ranked[: documents.top_n or options.top_n], usage(reply))


def _ranked(rows: Sequence[_Row], documents: Documents, with_text: bool | None) -> Sequence[Ranked]:  # noqa: FBT001
    ranked: list[Ranked] = []
    for row in rows:
        score = row.relevance_score if row.score is None else row.score
        if score is None:
            raise unreadable(OF, "a document has no score").of_input(row.index)
        answered = row.text if row.document is None else row.document.text
        text = documents.texts[row.index] if with_text else answered if with_text is None else None
        ranked.append(Ranked(row.index, score, text))
    return ranked


def _with_text(documents: Documents, options: Options) -> bool | None:
    """Whether each document is answered with its text; None leaves it to the container."""
    return options.return_documents if documents.return_documents is None else documents.return_documents


RERANK = Task(
    label=RERANKINGS,
    settings=Settings,
    options=Options,
    encode=rerank,
    decode=ranking,
    independent=True,  # a cross-encoder reads the query with one document at a time
    rates=RATES,
    failures=FAILURES,
)
