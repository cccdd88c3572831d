"""Recorded conversations, to be had again: encoded, signed, decoded, streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from inferpoint.batching.pool import rows
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply
from inferpoint.model.requests import Documents, InferenceRequest, Media, Medium, of_inputs
from inferpoint.model.results import Embeddings, InferenceResult, SparseEmbeddings
from inferpoint.model.settings import read
from inferpoint.protocols.openai import messages
from inferpoint.protocols.openai.hints import NAMES
from inferpoint.protocols.service import Moment, Service, Task
from inferpoint.testing.files import File, Recording, load

_HINTS = ("user", *NAMES)
NOON = Moment(datetime(2026, 11, 20, 12, tzinfo=UTC))
_OURS = ("model", "temperature", "top_p", "reasoning_effort")
_READ = ("messages", "tools", "tool_choice", "stop", "max_completion_tokens")


@dataclass(frozen=True)
class RecordedTask:
    """One task of a service, with the folder in which its conversations are."""

    service: Service
    kind: TaskType
    folder: Path

    @property
    def task(self) -> Task[Any, Any]:
        """The declaration of the task."""
        return self.service.tasks[self.kind]

    @property
    def shown_by(self) -> TaskType:
        """The task type whose file it is: its own or, where that is missing, one that is the same task."""
        same = [kind for kind, task in self.service.tasks.items() if task is self.task]
        return next((kind for kind in (self.kind, *same) if self._path(kind).exists()), self.kind)

    @property
    def path(self) -> Path:
        """Where the conversations are, or should be."""
        return self._path(self.shown_by)

    def _path(self, kind: TaskType) -> Path:
        return self.folder / f"{kind.value}.json"

    def file(self) -> File:
        """The contents of the file; an `AssertionError` says what is wrong with it."""
        return load(self.path)

    def exchanges(self) -> list[Exchange]:
        """The conversations; an `AssertionError` says what is wrong with their file."""
        return [Exchange(self, recording) for recording in self.file().conversations]

    @property
    def readable(self) -> bool:
        """Whether the file can be read; a promise of its own says what is wrong with one that cannot."""
        try:
            self.file()
        except AssertionError:
            return False
        return True


@dataclass(frozen=True)
class Exchange:
    """One recorded conversation of a task; settings, options and request are made anew whenever they are read."""

    of: RecordedTask
    recording: Recording

    @property
    def task(self) -> Task[Any, Any]:
        """The declaration of the task."""
        return self.of.task

    @property
    def settings(self) -> Any:
        """The endpoint's settings."""
        return _read(self.task.settings, self.recording.settings)

    @property
    def options(self) -> Any:
        """The endpoint's options."""
        return _read(self.task.options, self.recording.options)

    @property
    def request(self) -> InferenceRequest:
        """The request, of whichever kind the recording is."""
        recording = self.recording
        if recording.conversation is not None:
            return asking(recording.conversation, stream=recording.stream)
        if recording.query is not None:
            return InferenceRequest(Documents(recording.query, tuple(recording.documents)))
        inputs = of_inputs(content if isinstance(content, str) else _media(content) for content in recording.input)
        return InferenceRequest(inputs, stream=recording.stream, packed=recording.packed)

    @property
    def origin(self) -> str:
        """The address of the service."""
        origin = self.of.service.origin
        if self.recording.origin_address is not None or origin is None:
            return self.recording.origin_address or ""
        return origin.address(self.settings)

    @cached_property
    def body(self) -> bytes:
        """The reply's bytes."""
        if self.recording.reply.file is not None:
            return (self.of.folder / self.recording.reply.file).read_bytes()
        return msgspec.json.encode(self.recording.reply.body)

    def encoded(self, request: InferenceRequest | None = None) -> Call:
        """The call of the recorded request, or of another *request*, not yet signed."""
        return self.task.encode(request or self.request, self.settings, self.options, self.origin)

    def signed(self, call: Call) -> Call:
        """*call* as it leaves at the time at which recordings are signed."""
        return self.of.service.sign(call, self.settings, NOON)

    def decoded(
        self, body: bytes, headers: Mapping[str, str] | None = None, request: InferenceRequest | None = None
    ) -> InferenceResult:
        """The result as the engine takes it from a reply to the request: decoded, and with a row for every input."""
        asked = request or self.request
        reply = Reply(self.recording.reply.status, body, self.recording.reply.headers if headers is None else headers)
        result = self.task.decode(reply, asked, self.settings, self.options)
        if isinstance(result, Embeddings | SparseEmbeddings):
            rows(result, asked.count)
        return result

    def streamed(self, pieces: Iterable[bytes]) -> list[Any]:
        """The deltas of a stream that comes in *pieces*; an error is the last of them."""
        return self.read(self.events(pieces))

    def events(self, pieces: Iterable[bytes]) -> Iterator[Event]:
        """The events of a stream that comes in *pieces*, as the framing cuts them."""
        framing = self.task.framing()
        for piece in pieces:
            yield from framing.feed(piece)
        yield from framing.end()

    def read(self, events: Iterable[Event]) -> list[Any]:
        """The deltas of a stream of *events*; an error is the last of them."""
        if self.task.reader is None:
            raise AssertionError("A conversation is streamed, and the task has no reader")
        reader = self.task.reader(self.settings)
        deltas: list[Any] = []
        try:
            for event in events:
                deltas.extend(reader.feed(event))
            deltas.extend(reader.end())
        except InferenceError as error:
            deltas.append(error)
        return deltas


def _media(content: Mapping[Medium, str]) -> Media:
    ((medium, uri),) = content.items()
    return Media(medium, uri)


def asking(body: Mapping[str, Any], *, stream: bool = False) -> InferenceRequest:
    """The request that a body in OpenAI's form is; members that have no place of ours are in its `params`."""
    conversation = messages.read(body["messages"], body.get("tools"), body.get("tool_choice"))
    conversation = replace(
        conversation,
        stop=tuple(body.get("stop", ())),
        max_tokens=body.get("max_completion_tokens"),
        **{name: body[name] for name in _OURS if name in body},
    )
    params = {name: value for name, value in body.items() if name not in _OURS + _READ + _HINTS}
    hints = {name: body[name] for name in _HINTS if name in body}
    return InferenceRequest(conversation, params=params, hints=hints, stream=stream)


def _read(cls: type[Any], values: Mapping[str, Any]) -> Any:
    problems: list[str] = []
    record = read(cls, values, scope="settings", problems=problems)
    if problems:
        raise AssertionError(f"A conversation's settings are not right: {'; '.join(problems)}")
    return record
