"""Promises of embeddings: each input gets its own vector, and an answer of another number is not believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import msgspec

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, InferenceResult, SparseEmbeddings
from inferpoint.testing.conversations import Exchange, RecordedTask
from inferpoint.testing.files import Many
from inferpoint.testing.promises.checks import must, numbers, same
from inferpoint.testing.strange import put


def n_inputs_are_n_vectors_in_order(recorded: RecordedTask) -> None:
    """One input, a full call and one more than a full call give each input its own vector, in order."""
    many = recorded.file().many
    if many is None:
        raise AssertionError("The file of an embedding task says in [many] how the provider answers many texts")
    exchange = recorded.exchanges()[0]
    batch = recorded.task.rates.limits(exchange.settings).inputs or 50
    for count in (1, batch, batch + 1, 2 * batch + 1):
        marks: list[float] = []
        for first in range(0, count, batch):
            request = InferenceRequest(tuple(str(number) for number in range(first, min(first + batch, count))))
            reply = answered(many, exchange.signed(exchange.encoded(request)))
            marks += firsts(exchange.decoded(reply.body, reply.headers, request))
        same(f"the order of {count} vectors", marks, list(range(count)))


def an_answer_for_more_or_fewer_inputs_is_an_error(exchange: Exchange) -> None:
    """A provider that loses an input, or makes one up, is not believed."""
    for texts in (("one more", *exchange.request.texts), exchange.request.texts[1:]):
        try:
            exchange.decoded(exchange.body, request=replace(exchange.request, input=texts))
        except InferenceError as error:
            must(error.kind is Kind.UNREADABLE, f"the provider's fault is said to be {error!r}")
        else:
            count = len(exchange.request.texts)
            raise AssertionError(f"{count} embeddings were taken for the answer to {len(texts)} inputs")


def answered(many: Many, call: Call) -> Reply:
    """The reply to *call*, with a vector for every text whose first number is the text."""
    texts = msgspec.json.decode(call.body)
    for name in many.inputs:
        texts = texts[name]
    rows = [
        _filled(many.row, {"<index>": index, "<vector>": [int(text), 1], "<number>": int(text)})
        for index, text in enumerate(texts)
    ]
    if many.by_index:
        rows.reverse()
    return Reply(200, msgspec.json.encode(put(many.reply, tuple(many.rows), rows)))


def firsts(result: InferenceResult) -> list[float]:
    """The first number of every vector, or the first weight of every sparse one."""
    match result:
        case Embeddings():
            return [row[0] for row in numbers(result)]
        case SparseEmbeddings(rows):
            return [next(iter(weights.values())) for weights, _ in rows]
        case _:
            raise AssertionError(f"embeddings are expected, and not {result!r}")


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, dict):
        members = cast("dict[str, Any]", template)
        return {name: _filled(inner, values) for name, inner in members.items()}
    return values.get(template, template) if isinstance(template, str) else template
