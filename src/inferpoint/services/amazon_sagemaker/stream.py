"""What containers stream, inside the parts in which Amazon streams it.

The API openai has server-sent events, which AWS cuts anywhere; the API elastic has one JSON in each part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from inferpoint.errors import Upstream
from inferpoint.model.http import Event, Reply
from inferpoint.model.results import Delta, Finished, Started, Text
from inferpoint.protocols import aws
from inferpoint.protocols.openai.failures import complaint, stands_for
from inferpoint.protocols.openai.stream import Chunks
from inferpoint.protocols.readers import StreamReader, broken
from inferpoint.protocols.service import Reader
from inferpoint.protocols.sse import ServerSentEvents
from inferpoint.services.amazon_sagemaker.account import OPENAI, Account

CHATS, COMPLETIONS = "Amazon SageMaker chat completions", "Amazon SageMaker completions"
_STATUSES = {"ModelStreamError": 424}


def of_chat(account: Account) -> Reader:
    """The reader of a chat's stream."""
    return Cut(Chunks(CHATS)) if account.api == OPENAI else Whole(Chunks(CHATS))


def of_completion(account: Account) -> Reader:
    """The reader of a completion's stream."""
    return Cut(Chunks(COMPLETIONS)) if account.api == OPENAI else Whole(Deltas(COMPLETIONS))


class Whole(Reader):
    """The reader of parts that are an event of *inner* each."""

    def __init__(self, inner: Reader) -> None:
        self._inner = inner

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        if exception := aws.exception(event):
            kind, words = exception
            raise broken(Upstream(_STATUSES.get(kind, 500), words, kind))
        return self._read(event.data) if event.name == "PayloadPart" else ()

    @override
    def end(self) -> Sequence[Delta]:
        return self._inner.end()

    def _read(self, data: bytes) -> Sequence[Delta]:
        return self._inner.feed(Event(data))


class Cut(Whole):
    """The reader of parts that are the bytes of server-sent events for *inner*, cut wherever AWS cuts them."""

    def __init__(self, inner: Reader) -> None:
        super().__init__(inner)
        self._events = ServerSentEvents()

    @override
    def end(self) -> Sequence[Delta]:
        rest = [delta for event in self._events.end() for delta in self._inner.feed(event)]
        return [*rest, *self._inner.end()]

    @override
    def _read(self, data: bytes) -> Sequence[Delta]:
        return [delta for event in self._events.feed(data) for delta in self._inner.feed(event)]


class _Delta(msgspec.Struct):
    delta: str


class _Piece(msgspec.Struct):
    completion: list[_Delta] | _Delta | None = None
    error: Any = None


class Deltas(StreamReader):
    """The reader of a completion's pieces in Elasticsearch's own form, whose end is that of the body."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._started = False

    @override
    def feed(self, event: Event) -> Sequence[Delta]:
        piece = self._parsed(event, _Piece)
        if piece.error:
            raise broken(stands_for(complaint(Reply(500, event.data))))
        pieces = piece.completion if isinstance(piece.completion, list) else [piece.completion]
        texts = [Text(one.delta) for one in pieces if one and one.delta]
        started = [] if self._started else [Started("", "")]
        self._started = self._finished = True
        return [*started, *texts]

    @override
    def end(self) -> Sequence[Delta]:
        return [*super().end(), Finished(0, "stop")]
