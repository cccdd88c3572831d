"""Answers of a server read back: whatever it says, a result or an `InferenceError`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from conversing import usual_choice
from hypothesis import given
from hypothesis import strategies as st

from inferpoint.api.elastic import errors, write
from inferpoint.errors import InferenceError, Kind, Subject, Upstream
from inferpoint.library import wire
from inferpoint.model.endpoint import Element, TaskType
from inferpoint.model.http import Event, Reply
from inferpoint.model.requests import Chunking, InferenceRequest
from inferpoint.model.results import (
    Chunk,
    ChunkedEmbeddings,
    Completion,
    Embeddings,
    InferenceResult,
    Ranked,
    Ranking,
    SparseEmbeddings,
    Usage,
)

VECTOR = msgspec.Raw(b"[1.0,2.0]")
NAMES = st.sampled_from([
    "error", "reason", "message", "type", "code", "status", "caused_by", "completion", "delta", "rerank", "index",
    "embedding", "text_embedding", "sparse_embedding", "chunks", "endpoints", "is_truncated",
    "resource_already_exists_exception",
])  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | NAMES | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "x-inferpoint-truncated", "x-inferpoint-input-tokens"]), st.text(max_size=3)
)


@given(JSON, HEADERS, st.integers(200, 599), st.booleans())
def test_whatever_a_server_says_is_a_result_or_an_error(
    value: Any, headers: dict[str, str], status: int, chunked: bool
) -> None:
    """No answer of a stranger is anything but a result or an `InferenceError` with words."""
    reply = Reply(status, json.dumps(value).encode(), headers)
    request = InferenceRequest(("a",), chunking=Chunking() if chunked else None)
    assert str(wire.refusal(reply))
    for read in (
        lambda: wire.result(reply, request),
        lambda: wire.endpoints(reply),
        lambda: wire.pieces(Event(reply.body)),
        lambda: wire.pieces(Event(reply.body, "error")),
    ):
        try:
            read()
        except InferenceError as error:
            assert error.problems


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (Embeddings([VECTOR], Usage(3, cached=1), frozenset([0])), TaskType.TEXT_EMBEDDING),
        (Embeddings([VECTOR, None], None, frozenset(), {1: InferenceError(Kind.NOT_FOUND, "no")}), TaskType.EMBEDDING),
        (ChunkedEmbeddings([[Chunk(0, 1, VECTOR, "a")], []], Usage(3), 1), TaskType.TEXT_EMBEDDING),
        (SparseEmbeddings([({"a": 0.5}, True)], Usage(1, 2, 3, 4, 5)), TaskType.SPARSE_EMBEDDING),
        (Ranking([Ranked(1, 0.5, "a"), Ranked(0, 0.25)], Usage(3)), TaskType.RERANK),
        (Completion([usual_choice("a")], Usage(3, 4)), TaskType.COMPLETION),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, TaskType) else "",
)
def test_what_a_face_writes_is_read_back(result: InferenceResult, kind: TaskType) -> None:
    """A result that Elasticsearch's face wrote is the one that it was written from."""
    written = write.result(result, kind)
    request = InferenceRequest(("a",), chunking=Chunking() if isinstance(result, ChunkedEmbeddings) else None)
    again = wire.result(Reply(200, written.body, written.headers), request)
    assert plain(again) == plain(result)


def test_vectors_come_packed_from_who_is_asked_for_them_so() -> None:
    """Those that their provider wrote as numbers too; those of no 32-bit floats stay numbers."""
    packed = msgspec.Raw(b'"AACAPwAAAEA="')
    refused = {2: InferenceError(Kind.INVALID, "no")}
    flat = Embeddings([VECTOR, packed, None], errors=refused)
    chunked = ChunkedEmbeddings([[Chunk(0, 1, VECTOR), Chunk(1, 2, packed)]])
    weighed = ChunkedEmbeddings([[Chunk(0, 1, {"a": 0.5})]])
    bytewise = write.result(Embeddings([VECTOR]), TaskType.TEXT_EMBEDDING, Element.BYTE, packed=True)
    assert plain(read_back(flat)) == plain(Embeddings([packed, packed, None], errors=refused))
    assert plain(read_back(chunked)) == plain(ChunkedEmbeddings([[Chunk(0, 1, packed), Chunk(1, 2, packed)]]))
    assert json.loads(write.result(weighed, TaskType.SPARSE_EMBEDDING, packed=True).body) == {
        "sparse_embedding": [{"chunks": [{"start_offset": 0, "end_offset": 1, "embeddings": {"a": 0.5}}]}]
    }
    assert json.loads(bytewise.body) == {"text_embedding_bytes": [{"embedding": [1.0, 2.0]}]}


def read_back(result: InferenceResult) -> InferenceResult:
    written = write.result(result, TaskType.TEXT_EMBEDDING, packed=True)
    request = InferenceRequest(("a",), chunking=Chunking() if isinstance(result, ChunkedEmbeddings) else None)
    return wire.result(Reply(200, written.body, written.headers), request)


def plain(value: Any) -> Any:
    """A result as plain values: vectors as they are written, errors by kind and words."""
    match value:
        case msgspec.Raw():
            return bytes(value)
        case InferenceError():
            return value.kind, value.problems
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case msgspec.Struct():
            return type(value), {name: plain(inner) for name, inner in msgspec.structs.asdict(value).items()}
        case _:
            return value


@pytest.mark.parametrize(
    "error",
    [
        InferenceError(Kind.INVALID, "a", "b", subject=Subject.SETTINGS),
        InferenceError(Kind.INVALID, "a"),
        InferenceError(Kind.CONFLICT, "a", subject=Subject.EXISTING),
        InferenceError(Kind.OVERLOADED, "a", retry_after=6.5),
        InferenceError(Kind.INTERNAL, "a", upstream=Upstream(503, "busy")),
        *(InferenceError(kind, "a") for kind in Kind),
    ],
    ids=lambda error: error.kind.value,
)
def test_an_error_that_a_face_writes_is_read_back(error: InferenceError) -> None:
    """An error that Elasticsearch's face tells is the one that it was told of."""
    told = errors.fail_stream(error)
    again = wire.refusal(Reply(told.status, told.body, told.headers))
    assert (again.kind, again.problems) == (error.kind, error.problems)
    assert (again.retry_after is None) == (error.retry_after is None)
