"""Inputs into calls that respect what a provider takes, and their results joined in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.inference import (
    Documents,
    Embeddings,
    InferenceRequest,
    InferenceResult,
    SparseEmbeddings,
    Tokens,
    Usage,
)
from inferpoint.protocols.service import Limits

I = TypeVar("I")  # noqa: E741 - an input, whatever it is
_BYTES_A_TOKEN = 3  # an English token is about four bytes, a Chinese character three


def split(request: InferenceRequest, limits: Limits) -> list[InferenceRequest]:
    """*request* as the fewest requests that keep the inputs' order and respect *limits*.

    A ranking is never split: scores of two calls need not be comparable.
    """
    if isinstance(request.input, Documents):
        _refuse_too_many(request.input, limits)
    if not isinstance(request.input, tuple | Tokens):
        return [request]
    if request.count <= (limits.inputs or request.count) and limits.tokens is limits.bytes is None:
        return [request]
    if isinstance(request.input, Tokens):
        return [replace(request, input=Tokens(batch)) for batch in _batches(request.input.inputs, limits, _tokens_size)]
    return [replace(request, input=batch) for batch in _batches(request.input, limits, _text_size)]


def joined(results: Sequence[InferenceResult], count: int) -> InferenceResult:
    """The results of the calls of one request as its result; a provider that lost an input is `UNREADABLE`."""
    parts = [result for result in results if isinstance(result, Embeddings)]
    sparse = [result for result in results if isinstance(result, SparseEmbeddings)]
    if not parts and not sparse:
        return results[0]
    vectors = [vector for part in parts for vector in part.vectors]
    weights = [weight for part in sparse for weight in part.weights]
    found = len(vectors) + len(weights)
    if found != count:
        raise InferenceError(Kind.UNREADABLE, f"The provider answered [{found}] embeddings for [{count}] inputs")
    used = [part.usage for part in (*parts, *sparse) if part.usage is not None]
    usage = sum(used, Usage()) if used else None
    return SparseEmbeddings(weights, usage) if sparse else Embeddings(vectors, usage, sum(part.cut for part in parts))


def estimated_tokens(text: str) -> int:
    """How many tokens *text* may be, rather too many than too few."""
    return len(text.encode("utf-8", "surrogatepass")) // _BYTES_A_TOKEN + 1


def _refuse_too_many(documents: Documents, limits: Limits) -> None:
    count = len(documents.texts)
    if limits.inputs is not None and count > limits.inputs:
        raise invalid(
            f"Field [input] has [{count}] documents, and one call of the provider ranks at most [{limits.inputs}];"
            " a ranking cannot be split"
        )


def _text_size(text: str) -> tuple[int, int]:
    """Tokens and bytes."""
    return estimated_tokens(text), len(text.encode("utf-8", "surrogatepass"))


def _tokens_size(tokens: tuple[int, ...]) -> tuple[int, int]:
    return len(tokens), len(repr(tokens))


def _batches(inputs: Sequence[I], limits: Limits, sized: Callable[[I], tuple[int, int]]) -> Iterator[tuple[I, ...]]:
    batch: list[I] = []
    tokens = size = 0
    for each in inputs:
        more, longer = sized(each)
        full = (
            len(batch) == limits.inputs
            or (limits.tokens is not None and tokens + more > limits.tokens)
            or (limits.bytes is not None and size + longer > limits.bytes)
        )
        if batch and full:
            yield tuple(batch)
            batch, tokens, size = [], 0, 0
        batch.append(each)
        tokens += more
        size += longer
    yield tuple(batch)
