"""Batches in OpenAI's form. https://platform.openai.com/docs/api-reference/batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from typing_extensions import override

from inferpoint.errors import Upstream, invalid
from inferpoint.model.batches import BatchLimits, Ended, Submitted, Waiting
from inferpoint.model.http import Call, Reply, json_call, parse
from inferpoint.protocols import error_bodies
from inferpoint.protocols.batches import At, Batches, Line, Listed, Page

JOB = "inferpoint_job"  # the member of a batch's metadata that holds its name
FULL = "token_limit_exceeded"  # as many tokens are enqueued as an organization may have
_GOES_ON = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
# Lines are JSON texts without line breaks, so no part of them can be taken for this.
_BOUNDARY = "inferpoint-lines-of-a-batch"
_PAGE = 100


class _File(msgspec.Struct):
    id: str


class _Counts(msgspec.Struct):
    total: int = 0
    completed: int = 0
    failed: int = 0


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None
    param: str | None = None


class _Errors(msgspec.Struct):
    data: list[_Error] = []


class _Batch(msgspec.Struct):
    id: str
    status: str
    created_at: float = 0.0
    input_file_id: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: _Errors | None = None
    request_counts: _Counts | None = None
    metadata: dict[str, str] | None = None


class _Page(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw


class _Answer(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


class OpenAIBatches(Batches[Any]):
    """The batches of the calls whose addresses end with *path*, such as `/embeddings`."""

    def __init__(self, path: str) -> None:
        self._path = path
        # https://platform.openai.com/docs/guides/batch: so many inputs over all requests of embeddings
        self.limits = BatchLimits(50_000, 200_000_000, inputs=50_000)

    @override
    def check(self, at: At[Any], /) -> None:
        self._address(at)

    @override
    def written(self, line: Line, /) -> bytes:
        head = {"custom_id": line.id, "method": "POST", "url": f"/v1{self._path}", "body": msgspec.Raw(line.call.body)}
        return msgspec.json.encode(head)

    @override
    def upload(self, name: str, lines: Sequence[bytes], at: At[Any], /) -> Call:
        head = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}.jsonl"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        )
        body = b"".join((head.encode(), *(line + b"\n" for line in lines), f"\r\n--{_BOUNDARY}--\r\n".encode()))
        headers = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
        return Call(f"{self._address(at)}/files", body, headers)

    @override
    def uploaded(self, reply: Reply, /) -> str:
        return parse(reply.body, _File, of="OpenAI file").id

    @override
    def create(self, name: str, _lines: Sequence[bytes], file: str, first: Call, at: At[Any], /) -> Call:
        body = {
            "input_file_id": file,
            "endpoint": f"/v1{self._path}",
            "completion_window": "24h",
            "metadata": {JOB: name},
        }
        return json_call(f"{self._address(at)}/batches", body).with_headers(first.headers)

    @override
    def created(self, reply: Reply, /) -> str:
        return _batch(reply).id

    @override
    def ask(self, batch: Submitted, at: At[Any], /) -> Call:
        return Call(self._of(batch, at), method="GET")

    @override
    def state(self, reply: Reply, /) -> Waiting | Ended:
        """The state; one that is `completed` without an output file has all its answers in the error file."""
        batch = _batch(reply)
        counts = batch.request_counts or _Counts()
        if batch.status in _GOES_ON:
            return Waiting(counts.completed, counts.failed, counts.total)
        if batch.status == "failed":
            return Ended(refusal=_refusal(batch), sent=batch.input_file_id)
        files = (batch.output_file_id, batch.error_file_id)
        return Ended(tuple(file for file in files if file), counts.completed + counts.failed, sent=batch.input_file_id)

    @override
    def fetch(self, place: str, _batch: Submitted, at: At[Any], /) -> Call:
        return Call(f"{self._file(place, at)}/content", method="GET")

    @override
    def answer(self, line: bytes, /) -> tuple[str, Reply]:
        """A line without a response was not come to, or is one that OpenAI failed at: its error has the code."""
        answer = parse(line, _Answer, of="OpenAI batch")
        if answer.response is not None:
            return answer.custom_id, Reply(answer.response.status_code, bytes(answer.response.body))
        error = answer.error or _Error()
        status = error_bodies.named(error.code)
        return answer.custom_id, Reply(status, msgspec.json.encode({"error": error}))

    @override
    def cancel(self, batch: Submitted, at: At[Any], /) -> Call:
        return Call(f"{self._of(batch, at)}/cancel")

    @override
    def list(self, _name: str, after: str | None, at: At[Any], /) -> Call:
        more = "" if after is None else f"&after={quote(after, safe='')}"
        return Call(f"{self._address(at)}/batches?limit={_PAGE}{more}", method="GET")

    @override
    def listed(self, reply: Reply, /) -> Page:
        page = parse(reply.body, _Page, of="OpenAI list of batches")
        batches = [Listed(one.id, one.created_at, (one.metadata or {}).get(JOB)) for one in page.data]
        return Page(batches, batches[-1].id if page.has_more and batches else None)

    @override
    def discard(self, _batch: Submitted, ended: Ended, at: At[Any], /) -> Sequence[Call]:
        files = [file for file in (ended.sent, *ended.results) if file]
        return [Call(self._file(file, at), method="DELETE") for file in files]

    @override
    def is_full(self, upstream: Upstream, /) -> bool:
        return FULL in (upstream.code, upstream.type) or super().is_full(upstream)

    def _of(self, batch: Submitted, at: At[Any]) -> str:
        return f"{self._address(at)}/batches/{quote(batch.id, safe='')}"

    def _file(self, file: str, at: At[Any]) -> str:
        return f"{self._address(at)}/files/{quote(file, safe='')}"

    def _address(self, at: At[Any]) -> str:
        """Where batches are: beside what they are batches of."""
        url: str = at.settings.url or f"{at.origin}{self._path}"
        if not url.endswith(self._path):
            raise invalid(f"Batches need a [url] that ends with [{self._path}]")
        return url.removesuffix(self._path)


def _batch(reply: Reply) -> _Batch:
    return parse(reply.body, _Batch, of="OpenAI batch")


def _refusal(batch: _Batch) -> Upstream:
    """Why a batch failed as a whole; a queue that is full is no fault of it."""
    errors = [] if batch.errors is None else batch.errors.data
    codes = [error.code for error in errors]
    words = "; ".join(error.message for error in errors if error.message)
    if FULL in codes:
        return Upstream(429, words, code=FULL)
    return Upstream(400, words, code=next(iter(codes), None))
