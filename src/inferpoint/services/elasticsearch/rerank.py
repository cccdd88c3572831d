"""Rankings by a cross-encoder in our own process."""

from __future__ import annotations

import msgspec

from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Ranking, Usage
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import rerank
from inferpoint.protocols.service import Task
from inferpoint.services.elasticsearch.account import FAILURES, RATES, Settings, check, order, truncate

LABEL = "local rerank"


@settings
class RerankSettings(Settings):
    """A cross-encoder; Elasticsearch's own, which is meant where none is named, is not to be had."""

    model_id: str = setting("The installed model to run; `inferpoint models list` names them.", default=".rerank-v1")


@settings
class Options(rerank.Options):
    """What is answered of a ranking, and how to treat documents that the model cannot take whole."""

    truncate: str | None = truncate("end")


def ranked(request: InferenceRequest, model: Settings, options: Options, _origin: str) -> Call:
    """The query and the documents, all of which are scored."""
    documents, cut = request.documents, options.truncate or "end"
    return order(TaskType.RERANK, model, query=documents.query, inputs=documents.texts, truncate=cut)


class _Scores(msgspec.Struct):
    scores: list[float]
    tokens: int


def ranking(reply: Reply, request: InferenceRequest, _model: Settings, options: Options) -> Ranking:
    """The documents, best first, with scores as the model gives them: logits, which may be negative."""
    of = f"{LABEL} response"
    answer = parse(reply.body, _Scores, of=of)
    rows = [rerank.Row(place, score) for place, score in enumerate(answer.scores)]
    return rerank.ranking(rows, request.documents, options, of=of, usage=Usage(input=answer.tokens))


RERANK = Task(
    label=LABEL,
    settings=RerankSettings,
    options=Options,
    check=check,
    encode=ranked,
    decode=ranking,
    independent=True,
    rates=RATES,
    failures=FAILURES,
)
