"""Promises of how a provider's complaints are read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from inferpoint.errors import Upstream
from inferpoint.model.http import Reply
from inferpoint.protocols.service import Failures
from inferpoint.testing.conversations import RecordedTask
from inferpoint.testing.files import RecordedRefusal
from inferpoint.testing.promises.checks import must, nothing_but_our_error, same
from inferpoint.testing.strange import NOT_ANSWERS, STRANGE

NAMES = (
    "error", "message", "type", "code", "param", "detail", "error_type", "errors", "Message", "__type", "details",
)  # fmt: skip


def any_complaint_is_read_or_is_an_error(recorded: RecordedTask) -> None:
    """An error body may be anything; what reads it raises nothing but an `InferenceError`."""
    bodies = [msgspec.json.encode({name: strange}) for name in NAMES for strange in STRANGE]
    bodies += [
        msgspec.json.encode({outer: {name: strange}})
        for outer in ("error", "detail", "message")
        for name in NAMES
        for strange in STRANGE
    ]
    for body in (*NOT_ANSWERS, *bodies):
        _read(recorded, Reply(500, body))


def a_complaint_may_be_nested_deeply(recorded: RecordedTask) -> None:
    """However deep an error body is, it does not overflow what reads it."""
    for name in NAMES:
        for depth in (10, 100, 400, 900, 5000):
            _read(recorded, Reply(500, f'{{"{name}":'.encode() + b"[" * depth + b'"x"' + b"]" * depth + b"}"))


def _read(recorded: RecordedTask, reply: Reply) -> None:
    with nothing_but_our_error(reply.body):
        message: Any = recorded.task.failures.complaint(reply).message
        must(isinstance(message, str), f"the message of {reply.body[:200]!r} is {message!r}")


def a_complaint_is_found_where_the_provider_puts_it(refused: tuple[Failures, RecordedRefusal]) -> None:
    """The message, type, code and parameter of a provider's error body are found."""
    failures, refusal = refused
    upstream = asdict(failures.complaint(Reply(refusal.status, msgspec.json.encode(refusal.body))))
    same("the complaint", upstream, {**asdict(Upstream(refusal.status)), **refusal.said})
