"""Vectors, dense and sparse, of Text Embeddings Inference and of the containers that speak like it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.model.inference import Embeddings, InferenceRequest, SparseEmbeddings
from inferpoint.model.settings import setting, settings
from inferpoint.protocols import truncation, vectors
from inferpoint.protocols.service import SIMILARITIES, Limits, NoOptions, Task
from inferpoint.services.hugging_face.account import PHRASES, REQUESTS_PER_MINUTE, RETRIED, Settings, group, usage

EMBEDDINGS = "Hugging Face embeddings"
OF = f"{EMBEDDINGS} response"
SPARSE = "Hugging Face sparse embeddings"
OF_SPARSE = f"{SPARSE} response"
SPARSE_TOKENS = 512  # Elasticsearch's, and nobody's to set


@settings
class EmbeddingSettings(Settings):
    """A model of dense vectors."""

    similarity: str | None = setting("How the vectors compare.", default=None, choices=SIMILARITIES)
    max_input_tokens: int | None = truncation.max_input_tokens()


def embed(request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions, _origin: str) -> Call:
    """The same body for every container."""
    texts, _ = truncation.cut(request.texts, model.max_input_tokens)
    return json_call(model.url, {"inputs": texts})


class _Toolkit(msgspec.Struct):
    embeddings: list[msgspec.Raw]


def embeddings(reply: Reply, request: InferenceRequest, model: EmbeddingSettings, _options: NoOptions) -> Embeddings:
    """Text Embeddings Inference answers a list of vectors, the toolkit an object with that list in it."""
    if reply.body.lstrip().startswith(b"["):
        rows = parse(reply.body, list[msgspec.Raw], of=OF)
    else:
        rows = parse(reply.body, _Toolkit, of=OF).embeddings
    _, which = truncation.cut(request.texts, model.max_input_tokens)
    return Embeddings([vectors.dense(row, of=OF) for row in rows], usage(reply), which)


def embed_sparse(request: InferenceRequest, model: Settings, _options: NoOptions, _origin: str) -> Call:
    """The same body as for dense vectors."""
    texts, _ = truncation.cut(request.texts, SPARSE_TOKENS)
    return json_call(model.url, {"inputs": texts})


class _Weight(msgspec.Struct):
    index: int
    value: float


def sparse(reply: Reply, request: InferenceRequest, _model: Settings, _options: NoOptions) -> SparseEmbeddings:
    """Text Embeddings Inference answers ids of tokens and their weights, Elasticsearch's own container the tokens."""
    rows = parse(reply.body, list[list[_Weight] | dict[str, float]], of=OF_SPARSE)
    _, which = truncation.cut(request.texts, SPARSE_TOKENS)
    weights: list[tuple[Mapping[str, float], bool]] = []
    for place, row in enumerate(rows):
        found = row if isinstance(row, dict) else {str(each.index): each.value for each in row}
        if not found:
            raise InferenceError(Kind.UNREADABLE, f"Failed to read the {OF_SPARSE}: an embedding has no token")
        weights.append((found, place in which))
    return SparseEmbeddings(weights, usage(reply))


# Text Embeddings Inference takes 32 inputs a call unless it was started otherwise.
LIMITS = Limits(inputs=32)

EMBED = Task(
    label=EMBEDDINGS,
    settings=EmbeddingSettings,
    options=NoOptions,
    encode=embed,
    decode=embeddings,
    limits=lambda _: LIMITS,
    default_rate=lambda _: REQUESTS_PER_MINUTE,
    rate_group=group,
    similarity=lambda model: model.similarity or "cosine",
    phrases=PHRASES,
    retried=RETRIED,
)
EMBED_SPARSE = Task(
    label=SPARSE,
    settings=Settings,
    options=NoOptions,
    encode=embed_sparse,
    decode=sparse,
    fixed={"max_input_tokens": SPARSE_TOKENS},
    limits=lambda _: LIMITS,
    default_rate=lambda _: REQUESTS_PER_MINUTE,
    rate_group=group,
    phrases=PHRASES,
    retried=RETRIED,
)
