"""A service played without a network: what it would send, and what it makes of a reply."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from world import elasticsearchs

from inferpoint.api.elastic.errors import envelope
from inferpoint.calls import provider_errors
from inferpoint.endpoints.document import parse
from inferpoint.endpoints.resolved import Resolved
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Reply
from inferpoint.model.requests import InferenceRequest, InputType
from inferpoint.model.results import Delta, InferenceResult
from inferpoint.protocols.service import Moment

EIGHT = datetime(2026, 11, 20, 8, tzinfo=UTC)


def endpoint(kind: TaskType, service: str, settings: Mapping[str, Any], options: Mapping[str, Any] = {}) -> Resolved:
    """The endpoint `e` with these settings."""
    config = {"service": service, "service_settings": settings, "task_settings": options}
    return parse("e", kind, config, largest_chunk=300)


def refused(kind: TaskType, config: Mapping[str, Any]) -> tuple[int, str, str] | None:
    """Status, type and Elasticsearch's part of the reason why a configuration is refused; None where it is not."""
    try:
        parse("e", kind, config, largest_chunk=300)
    except InferenceError as error:
        status, name, reason = told(error)
        return status, name, elasticsearchs(reason)
    return None


def told(error: InferenceError) -> tuple[int, str, str]:
    """Status, type and reason, as Elasticsearch's clients are told them."""
    said = envelope(error)
    return said["status"], said["error"]["type"], said["error"]["reason"]


def asked(
    resolved: Resolved,
    *texts: str,
    input_type: InputType | None = None,
    stream: bool = False,
    origin: str | None = None,
) -> Call:
    """The signed call for *texts*."""
    service = resolved.service
    assert service.origin is not None
    place = service.origin.address(resolved.endpoint.settings) if origin is None else origin
    request = InferenceRequest(texts, input_type, stream=stream)
    call = resolved.task.encode(request, resolved.endpoint.settings, resolved.endpoint.options, place)
    return service.sign(call, resolved.endpoint.settings, Moment(EIGHT))


def answered(resolved: Resolved, reply: Reply, *texts: str) -> InferenceResult:
    """What a whole reply says."""
    request = InferenceRequest(texts or ("hi",))
    return resolved.task.decode(reply, request, resolved.endpoint.settings, resolved.endpoint.options)


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A reply of JSON, or of bytes as they are."""
    return Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers or {})


def streamed(resolved: Resolved, pieces: Iterable[bytes]) -> tuple[list[Delta], InferenceError | None]:
    """What a streamed body says, and the error that it ends with, if it does."""
    assert resolved.task.reader is not None
    framing, reader = resolved.task.framing(), resolved.task.reader(resolved.endpoint.settings)
    found: list[Delta] = []
    try:
        for piece in pieces:
            for event in framing.feed(piece):
                found += reader.feed(event)
        for event in framing.end():
            found += reader.feed(event)
        found += reader.end()
    except InferenceError as error:
        return found, error
    return found, None


def complained(resolved: Resolved, refusing: Reply) -> InferenceError:
    """The error that a reply other than 2xx stands for."""
    return provider_errors.from_reply(resolved, resolved.secrets, asked(resolved, "hi"), refusing, EIGHT)
