"""Promises of how a whole reply is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import present
from inferpoint.model.results import Choice, Completion, Embeddings, InferenceResult, Ranking, SparseEmbeddings
from inferpoint.testing.conversations import Exchange
from inferpoint.testing.promises.checks import must, nothing_but_our_error, numbers, same, whole_usage
from inferpoint.testing.strange import NOT_ANSWERS, STRANGE_HEADERS, newer_versions, strange_versions


def the_reply_means_exactly_what_is_recorded(exchange: Exchange) -> None:
    """The recorded reply is decoded to the recorded result."""
    result, wanted = exchange.decoded(exchange.body), exchange.recording.result or {}
    match result:
        case Embeddings():
            same("the embeddings", numbers(result), wanted.get("embeddings"))
            same("how many inputs were cut", len(result.cut), wanted.get("cut", 0))
        case Completion():
            same("the choices", list(map(_recorded, result.choices)), list(wanted.get("choices", ())))
            same("id and model", (result.id, result.model), (wanted.get("id", ""), wanted.get("model", "")))
        case SparseEmbeddings():
            same("the weights", [dict(weights) for weights, _ in result.weights], wanted.get("weights"))
            same("how many inputs were cut", sum(cut for _, cut in result.weights), wanted.get("cut", 0))
        case Ranking():
            ranked = [[document.index, document.score, document.text] for document in result.ranked]
            same("the ranking", ranked, wanted.get("ranked"))
        case _:
            raise AssertionError(f"a result that cannot be compared yet: {result!r}")
    same("the usage", asdict(result.usage) if result.usage else None, whole_usage(wanted.get("usage")))


def _recorded(choice: Choice) -> dict[str, Any]:
    """*choice* as a conversation has it: what is empty or usual is not written down."""
    members: dict[str, Any] = {"text": choice.text, "reason": choice.reason}
    if choice.tool_calls:
        members["tool_calls"] = [present(asdict(call)) for call in choice.tool_calls]
    if any(thought.signature or thought.redacted or thought.extra for thought in choice.thoughts):
        members["thoughts"] = [
            {name: value for name, value in asdict(thought).items() if value} for thought in choice.thoughts
        ]
    elif choice.thoughts:
        members["reasoning"] = choice.reasoning
    if choice.stop_sequence is not None:
        members["stop_sequence"] = choice.stop_sequence
    return members


def what_is_no_answer_is_an_error(exchange: Exchange) -> None:
    """A reply that is empty, HTML, null or of another shape is an `InferenceError`, and nothing else."""
    for body in NOT_ANSWERS:
        _unreadable(exchange, body)


def an_answer_cut_short_at_any_byte_is_an_error(exchange: Exchange) -> None:
    """No beginning of an answer is taken for the whole of it."""
    for length in range(len(exchange.body)):
        _unreadable(exchange, exchange.body[:length])


def an_answer_with_anything_strange_in_it_is_an_answer_or_an_error(exchange: Exchange) -> None:
    """Whatever stands in the place of whatever part of an answer, nothing but an `InferenceError` is raised."""
    for body in strange_versions(exchange.body):
        _an_answer_or_an_error(exchange, body, exchange.recording.reply.headers)
    for name in exchange.recording.reply.headers or {"x": ""}:
        for value in STRANGE_HEADERS:
            _an_answer_or_an_error(exchange, exchange.body, {**exchange.recording.reply.headers, name: value})
    _an_answer_or_an_error(exchange, exchange.body, {})


def an_answer_with_a_new_member_is_an_answer(exchange: Exchange) -> None:
    """Wherever a provider adds a member that nobody knows yet; but every member of a sparse embedding is a token."""
    sparse = isinstance(exchange.decoded(exchange.body), SparseEmbeddings)
    for body in newer_versions(exchange.body, into_numbers=not sparse):
        exchange.decoded(body)


def _unreadable(exchange: Exchange, body: bytes) -> None:
    with nothing_but_our_error(body):
        try:
            result = exchange.decoded(body)
        except InferenceError as error:
            expected = error.kind in (Kind.UNREADABLE, Kind.CUT_OFF, Kind.INTERNAL)
            must(expected, f"{body[:200]!r} is the provider's fault, and said to be {error!r}")
        else:
            must(_is_empty(result), f"{body[:200]!r} was taken for an answer")


def _is_empty(result: InferenceResult) -> bool:
    """Whether *result* is of texts in which a model of sparse vectors found no token, as of punctuation."""
    return isinstance(result, SparseEmbeddings) and not any(weights for weights, _ in result.weights)


def _an_answer_or_an_error(exchange: Exchange, body: bytes, headers: Mapping[str, str]) -> None:
    with nothing_but_our_error(body):
        result: Any = exchange.decoded(body, headers)
        must(result is not None, f"{body[:200]!r} was decoded to nothing")
        if isinstance(result, Embeddings):
            must(all(numbers(result)), f"{body[:200]!r} was decoded to an empty vector")
