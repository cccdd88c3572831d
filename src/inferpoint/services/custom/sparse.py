"""Sparse vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from inferpoint.errors import InferenceError
from inferpoint.model.http import Call, Reply, parse, unreadable
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import SparseEmbeddings
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import vectors
from inferpoint.protocols.service import Task
from inferpoint.services.custom.account import EMBEDDING_RATES, FAILURES, Account, Options, call, check
from inferpoint.services.custom.paths import rows
from inferpoint.services.custom.purposes import PURPOSES, Purposes, word

SPARSE = "Custom sparse embeddings"


@settings
class SparseParser:
    """Where in an answer the tokens and their weights are."""

    token_path: str = setting("The path of the tokens, such as $.data[*].tokens[*].id.")
    weight_path: str = setting("The path of their weights, such as $.data[*].tokens[*].weight.")


@settings
class SparseResponse:
    """How an answer is read."""

    json_parser: SparseParser = setting("Where in an answer the tokens are.")


@settings
class SparseSettings(Account):
    """A provider of sparse vectors."""

    response: SparseResponse = setting("How an answer is read.")
    input_type: Purposes | None = setting("What is filled in for purposes.", default=None)


def embed_sparse(request: InferenceRequest, model: SparseSettings, options: Options, _origin: str) -> Call:
    """The texts."""
    return call(model, options, {"input": request.texts, "input_type": word(request, model.input_type)})


def weighed(reply: Reply, _request: InferenceRequest, model: SparseSettings, _options: Options) -> SparseEmbeddings:
    """The weights by their tokens."""
    of, parser = f"{SPARSE} response", model.response.json_parser
    answer = parse(reply.body, object, of=of)
    tokens, weights = rows(answer, parser.token_path, of), rows(answer, parser.weight_path, of)
    _same_size(tokens, weights, of)
    read, errors = vectors.by_row(list(zip(tokens, weights, strict=True)), lambda row: _weights(*row, of=of))
    return SparseEmbeddings([(row or {}, False) for row in read], None, errors)


def _weights(tokens: Any, weights: Any, *, of: str) -> Mapping[str, float]:
    for told in (tokens, weights):
        if isinstance(told, InferenceError):
            raise told
        if not isinstance(told, list):
            raise unreadable(of, "tokens and weights of a text are not lists")
    _same_size(tokens, weights, of)
    names = [token if isinstance(token, str) else msgspec.json.encode(token).decode() for token in tokens]
    return dict(zip(names, parse(msgspec.json.encode(weights), list[float], of=of), strict=True))


def _same_size(tokens: list[Any], weights: list[Any], of: str) -> None:
    if len(tokens) != len(weights):
        sizes = f"The extracted tokens list is size [{len(tokens)}] but the weights list is size [{len(weights)}]"
        raise unreadable(of, f"{sizes}. The list sizes must be equal.")


EMBED_SPARSE = Task(
    label=SPARSE,
    settings=SparseSettings,
    options=Options,
    check=check,
    encode=embed_sparse,
    decode=weighed,
    input_types=PURPOSES,
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
