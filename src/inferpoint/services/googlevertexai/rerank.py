"""Rankings. https://cloud.google.com/generative-ai-app-builder/docs/ranking."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from inferpoint.model.http import Call, Reply, json_call, parse, unreadable
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Ranking
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import rerank
from inferpoint.protocols.service import Limits, Rates, Task
from inferpoint.services.googlevertexai.account import FAILURES, Account, project_id
from inferpoint.services.googlevertexai.tokens import check

OF = "Google Vertex AI rerank"
RECORDS = 200  # of one call


@settings
class RerankSettings(Account):
    """A model that ranks."""

    project_id: str = project_id()
    model_id: str | None = setting("The model to call, such as semantic-ranker-default-004.", default=None)


@settings
class Options:
    """The settings that may change from request to request."""

    top_n: int | None = setting("How many of the best documents to answer.", default=None, at_least=1, updatable=True)


def encode(request: InferenceRequest, model: RerankSettings, options: Options, origin: str) -> Call:
    """The documents as records, whose ids are their places."""
    documents = request.documents
    wanted = documents.return_documents
    body: Mapping[str, Any] = {
        "model": model.model_id,
        "query": documents.query,
        "records": [{"id": str(place), "content": text} for place, text in enumerate(documents.texts)],
        "topN": rerank.most(documents, options),
        "ignoreRecordDetailsInResponse": None if wanted is None else not wanted,
    }
    place = f"projects/{quote(model.project_id, safe='')}/locations/global"
    return json_call(f"{origin}/v1/{place}/rankingConfigs/default_ranking_config:rank", body)


class _Record(msgspec.Struct):
    id: str
    score: float = 0.0  # which is left out where it is 0
    content: Any = None


class _Answer(msgspec.Struct):
    records: list[_Record]


def decode(reply: Reply, request: InferenceRequest, _model: RerankSettings, options: Options) -> Ranking:
    """The documents, best first."""
    of = f"{OF} response"
    rows = [_row(record, of) for record in parse(reply.body, _Answer, of=of).records]
    return rerank.ranking(rows, request.documents, options, of=of, usage=None)


def _row(record: _Record, of: str) -> rerank.Row:
    if not (record.id.isascii() and record.id.isdecimal() and len(record.id) < 9):
        raise unreadable(of, f"a record has the id [{record.id}], which is no place")
    return rerank.Row(int(record.id), record.score, record.content)


def group(model: RerankSettings) -> Hashable:
    """One queue for a project, as in Elasticsearch."""
    return model.project_id


RERANK = Task(
    label=OF,
    settings=RerankSettings,
    options=Options,
    check=check,
    encode=encode,
    decode=decode,
    independent=True,
    rates=Rates(default=300, group=group, limits=lambda _: Limits(inputs=RECORDS)),
    failures=FAILURES,
)
