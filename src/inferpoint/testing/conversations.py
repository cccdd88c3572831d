"""What was said with a provider, kept in a file: what is asked, the call, the reply, and what it means.

The file of a task is called `<task type>.json` and is a `File`, written as JSON::

    {
      "conversations": [
        {
          "origin": "Acme's API reference, example of Embed (docs.acme.example/embed)",
          "settings": {"api_key": "sk-canary-0123456789", "model_id": "acme-1"},
          "options": {},
          "input": ["a", "b"],
          "call": {
            "method": "POST",
            "url": "https://api.acme.example/v1/embed",
            "headers": {"content-type": "application/json", "authorization": "Bearer sk-canary-0123456789"},
            "body": {"model": "acme-1", "texts": ["a", "b"]}
          },
          "reply": {"headers": {"content-type": "application/json"}, "body": {"vectors": [[0.5, 1], [1, 0]]}},
          "result": {"embeddings": [[0.5, 1], [1, 0]], "usage": null}
        }
      ],
      "refusals": [
        {
          "origin": "Acme's API reference, Errors",
          "status": 401,
          "body": {"error": "no such key"},
          "said": {"message": "no such key", "type": null, "code": null, "param": null}
        }
      ],
      "many": {"inputs": ["texts"], "reply": {"vectors": []}, "rows": ["vectors"], "row": "<vector>"}
    }
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from inferpoint.batching.pool import rows
from inferpoint.errors import InferenceError
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply
from inferpoint.model.inference import Documents, Embeddings, InferenceRequest, InferenceResult, SparseEmbeddings
from inferpoint.model.settings import read
from inferpoint.protocols.openai import messages
from inferpoint.protocols.service import Service, Task

_OURS = ("model", "temperature", "top_p", "reasoning_effort")
_READ = ("messages", "tools", "tool_choice", "stop", "max_completion_tokens")


class Leaving(msgspec.Struct, frozen=True):
    """A call exactly as it must leave, signed at noon (UTC) on the 20th of November 2026; `body` is its JSON."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any


class Came(msgspec.Struct, frozen=True):
    """A reply as it came: JSON in `body`, or bytes in the file named `file` beside this one."""

    headers: dict[str, str] = {}
    status: int = 200
    body: Any = None
    file: str | None = None


class Conversation(msgspec.Struct, frozen=True):
    """One request and its reply.

    What is asked stands in `input` (texts), in `query` and `documents`, or in `conversation`, the members of a request
    in OpenAI's form. `result` is what a whole reply means, with `usage`: `embeddings` or sparse `weights` (and `cut`),
    `ranked` documents (index, score, text), or `choices` (`text`, `reason`, and where there are any `tool_calls` and
    `reasoning`) with `id` and `model`. A conversation with `stream` has `deltas` instead, each a list of its type's
    name and its values. `origin_address` is for a service that was moved.
    """

    origin: str
    settings: dict[str, Any]
    call: Leaving
    reply: Came
    input: list[str] = []
    query: str | None = None
    documents: list[str] = []
    conversation: dict[str, Any] | None = None
    options: dict[str, Any] = {}
    result: dict[str, Any] | None = None
    stream: bool = False
    deltas: list[list[Any]] | None = None
    origin_address: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """An error as the provider answers it, and what is `said`: its message, type, code and param."""

    origin: str
    status: int
    body: Any
    said: dict[str, str | None]


class Many(msgspec.Struct, frozen=True):
    """How the provider answers any number of texts, so that their order can be seen.

    The texts are at the path `inputs` of the call's body; the rows go to the path `rows` of `reply`. Each is like
    `row`, with `"<vector>"`, `"<number>"` and `"<index>"` filled in. Rows that carry an index come in any order:
    `by_index`.
    """

    inputs: list[str | int]
    reply: Any
    row: Any
    rows: list[str | int] = []
    by_index: bool = False


class File(msgspec.Struct, frozen=True):
    """What is known of one task. An embedding task also has `many`; other members are yours."""

    conversations: list[Conversation]
    refusals: list[Refusal]
    many: Many | None = None


@dataclass(frozen=True)
class Asked:
    """One task of a service, with the folder in which its conversations are."""

    service: Service
    kind: TaskType
    folder: Path

    @property
    def task(self) -> Task[Any, Any]:
        """The task itself."""
        return self.service.tasks[self.kind]

    def file(self) -> File:
        """What is known of the task; an `AssertionError` says what is wrong with its file."""
        path = self.folder / f"{self.kind.value}.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=File)
        except FileNotFoundError:
            raise AssertionError(f"The task has no conversations: there is no file {path.name}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AssertionError(f"{path.name} is not a file of conversations: {error}") from None

    def said(self) -> list[Said]:
        """The conversations."""
        return [Said(self, each) for each in self.file().conversations]


@dataclass(frozen=True)
class Found:
    """What a file holds, conversations ready to be had."""

    said: Sequence[Said]
    refusals: Sequence[Refusal]


def conversations(asked: Asked) -> Found | None:
    """What the task's file holds; None when it cannot be read."""
    try:
        return Found(asked.said(), asked.file().refusals)
    except AssertionError:
        return None


@dataclass(frozen=True)
class Said:
    """One conversation, to be had again: encoded, signed, decoded, streamed."""

    asked: Asked
    given: Conversation

    @property
    def service(self) -> Service:
        """The provider."""
        return self.asked.service

    @property
    def task(self) -> Task[Any, Any]:
        """What it does here."""
        return self.asked.task

    @property
    def kind(self) -> TaskType:
        """The task's type."""
        return self.asked.kind

    @property
    def streams(self) -> bool:
        """Whether the reply comes in pieces."""
        return self.given.stream

    @property
    def settings(self) -> Any:
        """The endpoint's settings, made anew."""
        return _read(self.task.settings, self.given.settings)

    @property
    def options(self) -> Any:
        """The endpoint's options, made anew."""
        return _read(self.task.options, self.given.options)

    @property
    def request(self) -> InferenceRequest:
        """What is asked, made anew."""
        if self.given.conversation is not None:
            return asking(self.given.conversation, stream=self.given.stream)
        if self.given.query is not None:
            return InferenceRequest(Documents(self.given.query, tuple(self.given.documents)))
        return InferenceRequest(tuple(self.given.input), stream=self.given.stream)

    @property
    def origin(self) -> str:
        """Where the service is."""
        if self.given.origin_address is not None or self.service.origin is None:
            return self.given.origin_address or ""
        return self.service.origin.address(self.settings)

    @cached_property
    def body(self) -> bytes:
        """The reply's bytes."""
        if self.given.reply.file is not None:
            return (self.asked.folder / self.given.reply.file).read_bytes()
        return msgspec.json.encode(self.given.reply.body)

    def encoded(self) -> Call:
        """The call, not yet signed."""
        return self.task.encode(self.request, self.settings, self.options, self.origin)

    def decoded(self, body: bytes, headers: Mapping[str, str] | None = None) -> InferenceResult:
        """The result as the engine takes it from a reply: decoded, and with a row for every input."""
        reply = Reply(self.given.reply.status, body, self.given.reply.headers if headers is None else headers)
        found = self.task.decode(reply, self.request, self.settings, self.options)
        if isinstance(found, Embeddings | SparseEmbeddings):
            rows(found, self.request.count)
        return found

    def streamed(self, pieces: Sequence[bytes]) -> list[Any]:
        """The deltas of a stream that comes in *pieces*; an error is the last of them."""
        framing = self.task.framing()

        def events(feed: Callable[[Event], None]) -> None:
            for piece in pieces:
                for event in framing.feed(piece):
                    feed(event)
            for event in framing.end():
                feed(event)

        return self._deltas(events)

    def read(self, events: Sequence[Event]) -> list[Any]:
        """The deltas of a stream of *events*; an error is the last of them."""

        def each(feed: Callable[[Event], None]) -> None:
            for event in events:
                feed(event)

        return self._deltas(each)

    def events(self) -> list[Event]:
        """The events of the recorded stream."""
        framing = self.task.framing()
        return [*framing.feed(self.body), *framing.end()]

    def _deltas(self, events: Callable[[Callable[[Event], None]], None]) -> list[Any]:
        if self.task.reader is None:
            raise AssertionError("A conversation is streamed, and the task has no reader")
        reader = self.task.reader(self.settings)
        found: list[Any] = []
        try:
            events(lambda event: found.extend(reader.feed(event)))
            found.extend(reader.end())
        except InferenceError as error:
            found.append(error)
        return found


def asking(body: Mapping[str, Any], *, stream: bool = False) -> InferenceRequest:
    """The request that a body of OpenAI's is; what has no place of ours is in its params."""
    talk = messages.read(body["messages"], body.get("tools"), body.get("tool_choice"))
    talk = replace(
        talk,
        stop=tuple(body.get("stop", ())),
        max_tokens=body.get("max_completion_tokens"),
        **{name: body[name] for name in _OURS if name in body},
    )
    params = {name: value for name, value in body.items() if name not in _OURS + _READ}
    return InferenceRequest(talk, params=params, stream=stream)


def _read(cls: type[Any], given: Mapping[str, Any]) -> Any:
    problems: list[str] = []
    record = read(cls, given, scope="settings", problems=problems)
    if problems:
        raise AssertionError(f"A conversation's settings are not right: {'; '.join(problems)}")
    return record
