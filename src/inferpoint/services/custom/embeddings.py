"""Dense vectors."""

from __future__ import annotations

from typing import Any

import msgspec

from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import Element
from inferpoint.model.http import Call, Reply, parse
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import embedding_settings, truncation, vectors
from inferpoint.protocols.service import Task
from inferpoint.services.custom.account import EMBEDDING_RATES, FAILURES, Account, Options, call, check
from inferpoint.services.custom.paths import EACH, rows
from inferpoint.services.custom.purposes import PURPOSES, Purposes, word

EMBEDDINGS = "Custom embeddings"
_ELEMENTS = {"byte": Element.BYTE, "bit": Element.BIT, "binary": Element.BIT}


@settings
class DenseParser:
    """Where in an answer the vectors are."""

    text_embeddings: str = setting("The path of the vectors, such as $.data[*].embedding.")
    embedding_type: str = embedding_settings.embedding_type("float", "byte", "bit", "binary")


@settings
class DenseResponse:
    """How an answer is read."""

    json_parser: DenseParser = setting("Where in an answer the vectors are.")


@settings
class DenseSettings(Account):
    """A provider of dense vectors."""

    response: DenseResponse = setting("How an answer is read.")
    input_type: Purposes | None = setting("What is filled in for purposes.", default=None)
    similarity: str | None = embedding_settings.similarity()
    dimensions: int | None = embedding_settings.dimensions_told()
    max_input_tokens: int | None = truncation.max_input_tokens()


def embed(request: InferenceRequest, model: DenseSettings, options: Options, _origin: str) -> Call:
    """The texts, cut to what the model takes."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    return call(model, options, {"input": texts, "input_type": word(request, model.input_type)})


def dense(reply: Reply, request: InferenceRequest, model: DenseSettings, _options: Options) -> Embeddings:
    """The vectors; a list at the end of their path is each of them."""
    of, path = f"{EMBEDDINGS} response", model.response.json_parser.text_embeddings.removesuffix(EACH)
    _, cut = truncation.cut(request.texts, model.max_input_tokens)
    read = [_raw(row) for row in rows(parse(reply.body, object, of=of), path, of)]
    embedded = vectors.embeddings(read, of=of, cut=cut)
    return vectors.of_integers(embedded, element(model), of=of)


def _raw(row: Any) -> msgspec.Raw | InferenceError:
    return row if isinstance(row, InferenceError) else msgspec.Raw(msgspec.json.encode(row))


def element(model: DenseSettings) -> Element:
    """What the vectors' numbers are."""
    return _ELEMENTS.get(model.response.json_parser.embedding_type, Element.FLOAT)


EMBED = Task(
    label=EMBEDDINGS,
    settings=DenseSettings,
    options=Options,
    check=check,
    encode=embed,
    decode=dense,
    input_types=PURPOSES,
    similarity=lambda model: model.similarity or ("dot_product" if element(model) is Element.FLOAT else "l2_norm"),
    element=element,
    rates=EMBEDDING_RATES,
    failures=FAILURES,
)
