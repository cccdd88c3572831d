"""Rankings, and answers to one question."""

from __future__ import annotations

from typing import Any

import msgspec

from inferpoint.model.chat import TextPart
from inferpoint.model.http import Call, Reply, parse, present, unreadable
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Choice, Completion, Ranking
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import rerank
from inferpoint.protocols.service import Task
from inferpoint.services.custom.account import FAILURES, RATES, Account, Options, call, check
from inferpoint.services.custom.paths import follow

RERANKINGS, COMPLETIONS = "Custom rerank", "Custom completion"


@settings
class RankingParser:
    """Where in an answer the scores are, and what is told with them."""

    relevance_score: str = setting("The path of the scores, such as $.results[*].score.")
    reranked_index: str | None = setting("The path of the documents' places; their order unless set.", default=None)
    document_text: str | None = setting("The path of the documents' texts.", default=None)


@settings
class RankingResponse:
    """How an answer is read."""

    json_parser: RankingParser = setting("Where in an answer the scores are.")


@settings
class RankingSettings(Account):
    """A provider of rankings."""

    response: RankingResponse = setting("How an answer is read.")


@settings
class CompletionParser:
    """Where in an answer the words are."""

    completion_result: str = setting("The path of the words, such as $.choices[*].message.content.")


@settings
class CompletionResponse:
    """How an answer is read."""

    json_parser: CompletionParser = setting("Where in an answer the words are.")


@settings
class CompletionSettings(Account):
    """A provider of answers."""

    response: CompletionResponse = setting("How an answer is read.")


def ranked(request: InferenceRequest, model: RankingSettings, options: Options, _origin: str) -> Call:
    """The documents, and what the request wants of them."""
    documents = request.documents
    wanted = present({"top_n": documents.top_n, "return_documents": documents.return_documents})
    return call(model, options, {**wanted, "input": documents.texts, "query": documents.query})


def ranking(reply: Reply, request: InferenceRequest, model: RankingSettings, _options: Options) -> Ranking:
    """The documents, best first; how many of them are answered may be said in the templates."""
    of, parser = f"{RERANKINGS} response", model.response.json_parser
    answer = parse(reply.body, object, of=of)
    scores = _listed(answer, parser.relevance_score, float, of)
    count = len(scores)
    indices = range(count) if parser.reranked_index is None else _listed(answer, parser.reranked_index, int, of)
    texts = [None] * count if parser.document_text is None else _listed(answer, parser.document_text, str, of)
    for name, values in (("index fields", indices), ("document texts", texts)):
        if len(values) != count:
            numbers = f"The number of {name} [{len(values)}] was not the same as the number of scores [{count}]"
            raise unreadable(of, numbers)
    rows = [rerank.Row(*row) for row in zip(indices, scores, texts, strict=True)]
    answered = rerank.Options(top_n=count or None)
    return rerank.ranking(rows, request.documents, answered, of=of, usage=None)


def _listed(answer: Any, path: str, kind: type[Any], of: str) -> list[Any]:
    """What is at *path*, each a *kind*."""
    return parse(msgspec.json.encode(follow(answer, path, of)), list[kind], of=of)


def asked(request: InferenceRequest, model: CompletionSettings, options: Options, _origin: str) -> Call:
    """The one input."""
    return call(model, options, {"input": request.texts[0]})


def answered(reply: Reply, _request: InferenceRequest, model: CompletionSettings, _options: Options) -> Completion:
    """The answers, one or several."""
    of = f"{COMPLETIONS} response"
    words = follow(parse(reply.body, object, of=of), model.response.json_parser.completion_result, of)
    texts = parse(msgspec.json.encode(words if isinstance(words, list) else [words]), list[str], of=of)
    if not texts:
        raise unreadable(of, "it has no completion")
    return Completion([Choice.of([TextPart(text)], "stop") for text in texts])


RERANK = Task(
    label=RERANKINGS,
    settings=RankingSettings,
    options=Options,
    check=check,
    encode=ranked,
    decode=ranking,
    rates=RATES,
    failures=FAILURES,
)
COMPLETE = Task(
    label=COMPLETIONS,
    settings=CompletionSettings,
    options=Options,
    check=check,
    encode=asked,
    decode=answered,
    rates=RATES,
    failures=FAILURES,
)
