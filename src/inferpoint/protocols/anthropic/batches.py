"""Anthropic's Message Batches. https://docs.anthropic.com/en/api/creating-message-batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from typing_extensions import override

from inferpoint.model.batches import BatchLimits, Ended, Submitted, Waiting
from inferpoint.model.http import Call, Reply, parse
from inferpoint.protocols import error_bodies
from inferpoint.protocols.batches import At, Batches, Line, Listed, Page, unanswered

_PAGE = 100


class _Counts(msgspec.Struct):
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


class _Batch(msgspec.Struct):
    id: str
    processing_status: str
    created_at: datetime
    request_counts: _Counts = msgspec.field(default_factory=_Counts)


class _Page(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False
    last_id: str | None = None


class _Type(msgspec.Struct):
    type: str | None = None


class _Error(msgspec.Struct):
    error: _Type = msgspec.field(default_factory=_Type)


class _Result(msgspec.Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"{}")


class _Answer(msgspec.Struct):
    custom_id: str
    result: _Result


class MessageBatches(Batches[Any]):
    """The batches of messages, which are posted to *address* one by one.

    A batch has no name at Anthropic: one that was made and not heard of is told by when it was, and by its size.
    """

    limits = BatchLimits(100_000, 256_000_000)

    def __init__(self, address: Callable[[Any, str], str], headers: dict[str, str]) -> None:
        self._messages = address
        self._headers = headers

    @override
    def written(self, line: Line, /) -> bytes:
        return msgspec.json.encode({"custom_id": line.id, "params": msgspec.Raw(line.call.body)})

    @override
    def create(self, _name: str, lines: Sequence[bytes], _file: str, first: Call, at: At[Any], /) -> Call:
        return Call(self._address(at), b'{"requests":[' + b",".join(lines) + b"]}", first.headers)

    @override
    def created(self, reply: Reply, /) -> str:
        return _batch(reply).id

    @override
    def ask(self, batch: Submitted, at: At[Any], /) -> Call:
        return Call(self._of(batch, at), headers=self._headers, method="GET")

    @override
    def state(self, reply: Reply, /) -> Waiting | Ended:
        batch = _batch(reply)
        counts = batch.request_counts
        if batch.processing_status == "ended":
            return Ended(("results",), _lines(counts))
        failed = counts.errored + counts.canceled + counts.expired
        return Waiting(counts.succeeded, failed, _lines(counts))

    @override
    def fetch(self, place: str, batch: Submitted, at: At[Any], /) -> Call:
        return Call(f"{self._of(batch, at)}/{place}", headers=self._headers, method="GET")

    @override
    def answer(self, line: bytes, /) -> tuple[str, Reply]:
        answer = parse(line, _Answer, of="Anthropic message batch")
        result = answer.result
        match result.type:
            case "succeeded":
                return answer.custom_id, Reply(200, bytes(result.message))
            case "errored":
                error = bytes(result.error)
                status = error_bodies.named(parse(error, _Error, of="error").error.type)
                return answer.custom_id, Reply(status, error)
            case other:
                words = f"The request was {other} before it was answered"
                return answer.custom_id, unanswered({"type": "error", "error": {"type": other, "message": words}})

    @override
    def cancel(self, batch: Submitted, at: At[Any], /) -> Call:
        return Call(f"{self._of(batch, at)}/cancel", headers=self._headers)

    @override
    def list(self, _name: str, after: str | None, at: At[Any], /) -> Call:
        more = "" if after is None else f"&after_id={quote(after, safe='')}"
        return Call(f"{self._address(at)}?limit={_PAGE}{more}", headers=self._headers, method="GET")

    @override
    def listed(self, reply: Reply, /) -> Page:
        page = parse(reply.body, _Page, of="Anthropic list of message batches")
        batches = [Listed(one.id, one.created_at.timestamp(), lines=_lines(one.request_counts)) for one in page.data]
        return Page(batches, page.last_id if page.has_more else None)

    @override
    def discard(self, batch: Submitted, _ended: Ended, at: At[Any], /) -> Sequence[Call]:
        return [Call(self._of(batch, at), headers=self._headers, method="DELETE")]

    def _address(self, at: At[Any]) -> str:
        return f"{self._messages(at.settings, at.origin)}/batches"

    def _of(self, batch: Submitted, at: At[Any]) -> str:
        return f"{self._address(at)}/{quote(batch.id, safe='')}"


def _batch(reply: Reply) -> _Batch:
    return parse(reply.body, _Batch, of="Anthropic message batch")


def _lines(counts: _Counts) -> int:
    return sum(msgspec.structs.astuple(counts))
