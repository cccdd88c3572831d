"""Promises of embeddings: each input gets its own vector or its own error, and no answer of another number is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import Embeddings, InferenceResult, SparseEmbeddings
from inferpoint.testing.conversations import Exchange, RecordedTask
from inferpoint.testing.files import Many
from inferpoint.testing.promises.checks import must, numbers, same
from inferpoint.testing.strange import put

_NO_NUMBER = "<NaN>"
_NOTHING: Mapping[int, Any] = {}


def n_inputs_are_n_vectors_in_order(recorded: RecordedTask) -> None:
    """One input, a full call and one more than a full call give each input its own vector, in order."""
    many = recorded.file().many
    if many is None:
        raise AssertionError("The file of an embedding task says in [many] how the provider answers many texts")
    exchange = recorded.exchanges()[0]
    batch = recorded.task.rates.limits(exchange.settings).inputs or 50
    for count in (1, batch, batch + 1, 2 * batch + 1):
        marks: list[float] = []
        for first in range(1, count + 1, batch):  # from 1 on: a weight of 0 is none
            request = InferenceRequest(tuple(str(number) for number in range(first, min(first + batch, count + 1))))
            reply = answered(many, exchange.signed(exchange.encoded(request)))
            marks += firsts(exchange.decoded(reply.body, reply.headers, request))
        same(f"the order of {count} vectors", marks, list(range(1, count + 1)))


def an_answer_for_more_or_fewer_inputs_is_an_error(exchange: Exchange) -> None:
    """A provider that loses an input, or makes one up, is not believed."""
    asked: Any = exchange.request.input
    for inputs in (("one more", *exchange.request.inputs), exchange.request.inputs[1:]):
        try:
            exchange.decoded(exchange.body, request=replace(exchange.request, input=type(asked)(inputs)))
        except InferenceError as error:
            must(error.kind is Kind.UNREADABLE, f"the provider's fault is said to be {error!r}")
        else:
            count = exchange.request.count
            raise AssertionError(f"{count} embeddings were taken for the answer to {len(inputs)} inputs")


def a_bad_row_fails_its_own_text_alone(recorded: RecordedTask) -> None:
    """Of texts that share a call, the one whose row is null or holds no numbers has an error in its place.

    All others have their vectors, which were paid for; a text without a row of its own is given nobody else's.
    """
    many, exchange = recorded.file().many, recorded.exchanges()[0]
    most = recorded.task.rates.limits(exchange.settings).inputs
    if many is None or most == 1:  # the first is said by another promise; of one text nobody else can have an error
        return
    request = InferenceRequest(("4", "5", "6"))
    call = exchange.signed(exchange.encoded(request))
    for bad in _bad_rows(many):
        reply = answered(many, call, {1: bad})
        try:
            result = exchange.decoded(reply.body, reply.headers, request)
        except InferenceError as error:
            problem = f"one row of three is {bad!r}, and none of the three is read: {error!r}"
            raise AssertionError(problem) from error
        assert isinstance(result, Embeddings | SparseEmbeddings)
        same(f"the places with an error, where the second row is {bad!r}", list(result.errors), [1])
        same(f"the vectors beside {bad!r}", firsts(result), [4, 6])


def _bad_rows(many: Many) -> Sequence[Any]:
    """Rows without a vector, in the form of *many*; the last has a number that JSON has no word for."""
    if _has_vector(many.row):
        spoiled: tuple[Any, ...] = (None, [None, None], [4, None], [], {}, "?", _NO_NUMBER, [4, _NO_NUMBER])
        return [None, *(_filled(many.row, {"<index>": 1, "<vector>": vector}) for vector in spoiled)]
    return [None, "?", _filled(many.row, {"<index>": 1, "<number>": None}), _filled(many.row, {"<number>": _NO_NUMBER})]


def _has_vector(row: Any) -> bool:
    return row == "<vector>" or (isinstance(row, dict) and any(map(_has_vector, cast("dict[str, Any]", row).values())))


def answered(many: Many, call: Call, spoiled: Mapping[int, Any] = _NOTHING) -> Reply:
    """The reply to *call*, with a vector for every text whose first number is the text; *spoiled* rows by place."""
    listed = _at(msgspec.json.decode(call.body), many.inputs)
    texts = [_at(entry, many.text) for entry in ([listed] if isinstance(listed, str) else listed)]
    rows = [
        spoiled[index]
        if index in spoiled
        else _filled(many.row, {"<index>": index, "<vector>": [int(text), 1], "<number>": int(text)})
        for index, text in enumerate(texts)
    ]
    if many.by_index and not spoiled:  # a row that is null has no index
        rows.reverse()
    body = msgspec.json.encode(put(many.reply, tuple(many.rows), rows))
    return Reply(200, body.replace(f'"{_NO_NUMBER}"'.encode(), b"NaN"))


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for name in path:
        value = value[name]
    return value


def firsts(result: InferenceResult) -> list[float]:
    """The first number of every vector, or the first weight of every sparse one, without those of failed inputs."""
    match result:
        case Embeddings():
            return [row[0] for row in numbers(result)]
        case SparseEmbeddings(rows):
            good = (weights for place, (weights, _) in enumerate(rows) if place not in result.errors)
            return [next(iter(weights.values())) for weights in good]
        case _:
            raise AssertionError(f"embeddings are expected, and not {result!r}")


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, dict):
        members = cast("dict[str, Any]", template)
        return {name: _filled(inner, values) for name, inner in members.items()}
    if isinstance(template, list):
        return [_filled(inner, values) for inner in cast("list[Any]", template)]
    return values.get(template, template) if isinstance(template, str) else template
