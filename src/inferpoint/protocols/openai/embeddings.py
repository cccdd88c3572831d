"""OpenAI's embeddings."""

from __future__ import annotations

import msgspec

from inferpoint.model.http import Reply, parse
from inferpoint.model.inference import Embeddings
from inferpoint.protocols import vectors
from inferpoint.protocols.openai.completions import Tokens


class _Row(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Embeddings(msgspec.Struct):
    data: list[_Row]
    usage: Tokens | None = None


def embeddings(reply: Reply, of: str) -> Embeddings:
    """By index; servers that speak OpenAI's format without one answer in order."""
    of = f"{of} response"
    read = parse(reply.body, _Embeddings, of=of)
    rows = [(place if row.index is None else row.index, row.embedding) for place, row in enumerate(read.data)]
    found = [vectors.dense(raw, of=of) for raw in vectors.in_order(rows, of=of)]
    return Embeddings(found, read.usage.read() if read.usage else None)
