"""What a server of ours answers, read back to the results and errors that it was written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from inferpoint.api.headers import CALLS, ERROR, KIND, TOKENS, TRUNCATED
from inferpoint.errors import InferenceError, Kind, kind_of_status
from inferpoint.model.chat import TextPart
from inferpoint.model.http import Event, Reply, parse, unreadable
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import (
    Choice,
    Chunk,
    ChunkedEmbeddings,
    Completion,
    Embeddings,
    InferenceResult,
    Ranked,
    Ranking,
    SparseEmbeddings,
    Text,
    Usage,
)
from inferpoint.model.wording import unnumbered

RESULT = "server's result"
_KINDS = frozenset(Kind)
_USAGE = Usage.__struct_fields__
# Kinds that a face tells by a word of its own and not by its status.
_KIND_OF_WORD = {
    "resource_already_exists_exception": Kind.CONFLICT,
    "unsupported": Kind.UNSUPPORTED,
}


class _Chunk(msgspec.Struct):
    start_offset: int
    end_offset: int
    embeddings: msgspec.Raw
    text: str | None = None


class _Row(msgspec.Struct):
    """One input's result, of whatever task."""

    embedding: msgspec.Raw = msgspec.Raw()
    is_truncated: bool = False
    chunks: list[_Chunk] = []
    index: int = 0
    relevance_score: float = 0.0
    text: str | None = None
    result: str = ""
    error: Any = None
    status: int = 0

    def weights(self) -> Mapping[str, float]:
        return {} if self.error else parse(bytes(self.embedding), dict[str, float], of=RESULT)


def result(reply: Reply, request: InferenceRequest) -> InferenceResult:
    """The result of *request* in Elasticsearch's form; the member that holds it names its task.

    How many inputs were cut is told, and not which; so `cut` has places where that was all of them or none.
    """
    (name, rows), *others = parse(reply.body, dict[str, list[_Row]], of=RESULT).items() or (("", []),)
    usage, cut = _usage(reply.headers), _count(reply.headers, TRUNCATED) or 0
    errors = {
        index: _failed(row).of_input(index if len(rows) > 1 else None)
        for index, row in enumerate(rows)
        if row.error is not None
    }
    match name.removesuffix("_bytes").removesuffix("_bits"):
        case _ if others:
            raise unreadable(RESULT, "it has several members")
        case "rerank":
            return Ranking([Ranked(row.index, row.relevance_score, row.text) for row in rows], usage)
        case "completion":
            return Completion([Choice.of([TextPart(row.result)]) for row in rows], usage)
        case "text_embedding" | "embeddings" | "sparse_embedding" if request.chunking is not None:
            return ChunkedEmbeddings([_chunks(row) for row in rows], usage, cut, errors)
        case "sparse_embedding":
            return SparseEmbeddings([(row.weights(), row.is_truncated) for row in rows], usage, errors)
        case "text_embedding" | "embeddings":
            places = frozenset(range(len(rows))) if cut == len(rows) else frozenset[int]()
            return Embeddings([None if row.error else row.embedding for row in rows], usage, places, errors)
        case _:
            raise unreadable(RESULT, f"[{name}] is no task type")


def calls(reply: Reply) -> int:
    """How many calls of a provider a result took."""
    return _count(reply.headers, CALLS) or 0


class _Endpoints(msgspec.Struct):
    endpoints: list[dict[str, Any]]


def endpoints(reply: Reply) -> list[dict[str, Any]]:
    """The endpoints that a server shows, one or many."""
    return parse(reply.body, _Endpoints, of="server's endpoints").endpoints


def pieces(event: Event) -> Sequence[Text]:
    """The pieces of a completion's text in one event of a stream; an error that it tells is raised."""
    if event.name == "error":
        raise refusal(Reply(500, event.data))
    body = parse(event.data, dict[str, list[dict[str, str]]], of="server's stream")
    return [Text(piece.get("delta", "")) for piece in body.get("completion", ())]


def refusal(reply: Reply) -> InferenceError:
    """The error that a server tells, in the form of Elasticsearch's face or of OpenAI's."""
    try:
        body = parse(reply.body.rpartition(b"\ndata: ")[2], dict[str, Any], of="server's error")
    except InferenceError:
        body = dict[str, Any]()
    status = body.get("status")
    error = _error(
        body.get("error"),
        status if isinstance(status, int) else reply.status,
        _count(reply.headers, "retry-after"),
    )
    if (kind := reply.headers.get(ERROR)) in _KINDS:
        error.kind = Kind(kind)
    return error


def _error(told: Any, status: int, retry_after: float | None = None) -> InferenceError:
    """The error that an object, or a sentence, tells of; with its cause where it has one."""
    members = cast("dict[str, Any]", told) if isinstance(told, dict) else {"reason": told}
    words = members.get("reason") or members.get("message") or f"The server answered with status {status}"
    error = InferenceError(_kind(members, status), *unnumbered(str(words)), retry_after=retry_after)
    if (cause := members.get("caused_by")) is not None:
        error.__cause__ = _error(cause, status)
    return error


def _kind(members: Mapping[str, Any], status: int) -> Kind:
    """The kind of an error of these *members*: as it is told, or by a face's word for it, or by its *status*."""
    if (told := members.get(KIND)) in _KINDS:
        return Kind(told)
    named = [kind for name in ("type", "code") if (kind := _KIND_OF_WORD.get(str(members.get(name)))) is not None]
    return named[0] if named else Kind.UNSUPPORTED if status == 405 else kind_of_status(status)


def _failed(row: _Row) -> InferenceError:
    return _error(row.error, row.status)


def _chunks(row: _Row) -> Sequence[Chunk]:
    return [Chunk(chunk.start_offset, chunk.end_offset, chunk.embeddings, chunk.text) for chunk in row.chunks]


def _usage(headers: Mapping[str, str]) -> Usage | None:
    """The cost that headers tell; None where they tell none."""
    counts = {name: count for name in _USAGE if (count := _count(headers, TOKENS.format(name))) is not None}
    return Usage(**counts) if counts else None


def _count(headers: Mapping[str, str], name: str) -> int | None:
    told = headers.get(name, "")
    return int(told) if told.isascii() and told.isdigit() else None
