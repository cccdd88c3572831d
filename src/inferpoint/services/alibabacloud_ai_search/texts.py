"""Rankings, and answers to one question after others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.errors import invalid
from inferpoint.model.chat import TextPart
from inferpoint.model.http import Call, Reply, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Choice, Completion, Ranking
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import rerank
from inferpoint.protocols.service import Task
from inferpoint.services.alibabacloud_ai_search.account import FAILURES, RATES, Account, call, usage

RERANKINGS, COMPLETIONS = "AlibabaCloud Search rerank", "AlibabaCloud Search completion"
_ROLES = ("user", "assistant")


@settings
class Options:
    """The settings that may change from request to request."""

    parameters: Mapping[str, Any] | None = setting("How the model is to answer.", default=None, updatable=True)


def ranked(request: InferenceRequest, model: Account, _options: rerank.Options, _origin: str) -> Call:
    """The body of a ranking, in which all documents are ranked."""
    return call("ranker", model, {"query": request.documents.query, "docs": request.documents.texts})


class _Score(msgspec.Struct):
    index: int
    score: float


class _Scores(msgspec.Struct):
    scores: list[_Score]


class _Ranking(msgspec.Struct):
    result: _Scores
    usage: Any = None


def ranking(reply: Reply, request: InferenceRequest, _model: Account, options: rerank.Options) -> Ranking:
    """The documents, best first; they are cut and get their texts here, as the service does neither."""
    of = f"{RERANKINGS} response"
    answer = parse(reply.body, _Ranking, of=of)
    rows = [rerank.Row(row.index, row.score) for row in answer.result.scores]
    return rerank.ranking(rows, request.documents, options, of=of, usage=usage(answer.usage))


def asked(request: InferenceRequest, model: Account, options: Options, _origin: str) -> Call:
    """The body of an answer: inputs are a user's and an assistant's turns, one after the other."""
    if request.count % 2 == 0:
        raise invalid(
            "Alibaba Completion's inputs must be an odd number. The last input is the current query, all preceding"
            " inputs are the completion history as pairs of user input and the assistant's response."
        )
    messages = [{"role": _ROLES[place % 2], "content": text} for place, text in enumerate(request.texts)]
    return call("text-generation", model, {"messages": messages, "parameters": options.parameters})


class _Text(msgspec.Struct):
    text: str


class _Answer(msgspec.Struct):
    result: _Text
    usage: Any = None


def answered(reply: Reply, _request: InferenceRequest, _model: Account, _options: Options) -> Completion:
    """The answer."""
    answer = parse(reply.body, _Answer, of=f"{COMPLETIONS} response")
    return Completion([Choice.of([TextPart(answer.result.text)], "stop")], usage(answer.usage))


RERANK = Task(
    label=RERANKINGS,
    settings=Account,
    options=rerank.Options,
    encode=ranked,
    decode=ranking,
    independent=True,
    rates=RATES,
    failures=FAILURES,
)
COMPLETE = Task(
    label=COMPLETIONS,
    settings=Account,
    options=Options,
    encode=asked,
    decode=answered,
    several=True,
    rates=RATES,
    failures=FAILURES,
)
