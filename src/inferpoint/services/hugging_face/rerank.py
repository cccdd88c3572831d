"""Rankings of Text Embeddings Inference, and of containers that answer a little differently."""

from __future__ import annotations

import msgspec

from inferpoint.model.http import Call, Reply, json_call, parse, unreadable
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Ranking
from inferpoint.protocols import rerank
from inferpoint.protocols.rerank import Options, Row
from inferpoint.protocols.service import Task
from inferpoint.services.hugging_face.account import FAILURES, RATES, Settings, usage

RERANKINGS = "Hugging Face rerank"
OF = f"{RERANKINGS} response"


def encode(request: InferenceRequest, model: Settings, options: Options, _origin: str) -> Call:
    """A call that ranks all documents; `top_n` cuts the answer. The request goes before the endpoint's options."""
    documents = request.documents
    with_text = rerank.with_text(documents, options)
    return json_call(model.url, {"query": documents.query, "texts": documents.texts, "return_text": with_text})


class _Row(msgspec.Struct):
    index: int
    score: float | None = None
    relevance_score: float | None = None
    text: str | None = None
    document: object = None


class _Toolkit(msgspec.Struct):
    scores: list[_Row]


def decode(reply: Reply, request: InferenceRequest, _model: Settings, options: Options) -> Ranking:
    """The documents, best first, and no more than were asked for; `UNREADABLE` unless each was ranked once."""
    if reply.body.lstrip().startswith(b"["):
        rows = parse(reply.body, list[_Row], of=OF)
    else:
        rows = parse(reply.body, _Toolkit, of=OF).scores
    return rerank.ranking(map(_row, rows), request.documents, options, of=OF, usage=usage(reply))


def _row(row: _Row) -> Row:
    score = row.relevance_score if row.score is None else row.score
    if score is None:
        raise unreadable(OF, "a document has no score").of_input(row.index)
    return Row(row.index, score, row.text if row.document is None else row.document)


RERANK = Task(
    label=RERANKINGS,
    settings=Settings,
    options=Options,
    encode=encode,
    decode=decode,
    independent=True,  # a cross-encoder reads the query with one document at a time
    rates=RATES,
    failures=FAILURES,
)
