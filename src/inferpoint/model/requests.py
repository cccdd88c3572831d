"""Requests for an inference, the same for every face and every service."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from inferpoint.errors import Subject, invalid
from inferpoint.model.caller_limits import CallerLimits
from inferpoint.model.chat import Conversation, said
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.privileges import EVERY_PRIVILEGE, MONITOR
from inferpoint.model.scope import Scope


class InputType(StrEnum):
    """The purpose of an embedding. `SEARCH` and `INGEST` also choose the lane."""

    INGEST = "ingest"
    SEARCH = "search"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"


def purpose(name: str) -> InputType | None:
    """The input type called *name*, whatever its case; `unspecified` is none."""
    word = name.strip().lower()
    if word == "unspecified":
        return None
    try:
        return InputType(word)
    except ValueError:
        raise invalid(f"Unrecognized input_type [{name}]", subject=Subject.ARGUMENT) from None


class Caller(msgspec.Struct, frozen=True):
    """The sender of a request: a name, its privileges, its share when a queue is long, and what it may use.

    Of a key the name is its public id, by which its use is counted; without `limits` nothing is. `scope` is of the
    endpoints that it is held to, None where it is held to none. `address` is where it came from, where that is
    written down.
    """

    name: str
    privileges: frozenset[str] = frozenset({MONITOR})
    share: float = 1.0
    limits: CallerLimits | None = None
    scope: Scope | None = None
    address: str = ""


ANONYMOUS = Caller("anonymous", EVERY_PRIVILEGE)  # whoever asks a server that has no keys
INTERNAL = Caller("inferpoint", EVERY_PRIVILEGE)  # the server itself, and the program that the library is part of

Texts = tuple[str, ...]


class Tokens(msgspec.Struct, frozen=True):
    """Inputs that the caller has cut into tokens itself, in the numbering of OpenAI's embedding models."""

    inputs: tuple[tuple[int, ...], ...]


class Medium(StrEnum):
    """A kind of input that is no text."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    PDF = "pdf"


class Media(msgspec.Struct, frozen=True):
    """An input that is no text, as a data URI."""

    medium: Medium
    uri: str


class Contents(msgspec.Struct, frozen=True):
    """Inputs of which some are no texts."""

    inputs: tuple[str | Media, ...]


class Documents(msgspec.Struct, frozen=True):
    """The input of a rerank: documents to put in order by how well they answer a query."""

    query: str
    texts: Texts
    return_documents: bool | None = None
    top_n: int | None = None


Input = Texts | Tokens | Contents | Documents | Conversation


def of_inputs(inputs: Iterable[str | Media]) -> Texts | Contents:
    """*inputs* as those of a request: texts alone, where they are nothing else."""
    whole = tuple(inputs)
    texts = tuple(content for content in whole if isinstance(content, str))
    return texts if len(texts) == len(whole) else Contents(whole)


class Chunking(msgspec.Struct, frozen=True):
    """How the inputs are to be cut into chunks.

    `settings` are chunking settings not yet checked; None are the endpoint's. With `fold` no input has more than 512
    chunks.
    """

    settings: Mapping[str, Any] | None = None
    return_text: bool = False
    fold: bool = True


class RequestStats(msgspec.Struct):
    """The cost of a request on its way to the provider and back, counted while it goes.

    `calls` were made in `attempts`. `queued` and `upstream` are the longest times of any call, in seconds: waiting, for
    its turns and between its attempts; and at the provider. `known` of the `asked` inputs were in the cache, None where
    there is none. `dropped` are the hints that the provider has no place for, `told` the headers of its replies that
    are handed on. `endpoint` is the id of the one that was asked, once it is known.
    """

    calls: int = 0
    attempts: int = 0
    queued: float = 0.0
    upstream: float = 0.0
    known: int | None = None
    asked: int = 0
    dropped: frozenset[str] = frozenset()
    told: Mapping[str, str] = {}
    endpoint: str = ""

    def begun(self) -> bool:
        """Whether a provider was asked."""
        return self.attempts > 0

    def add(self, other: RequestStats) -> None:
        """Take in what happened to a part of the request."""
        self.calls += other.calls
        self.attempts += other.attempts
        self.queued = max(self.queued, other.queued)
        self.upstream = max(self.upstream, other.upstream)
        if other.known is not None:
            self.known = (self.known or 0) + other.known
        self.asked += other.asked
        self.dropped |= other.dropped
        self.told = {**self.told, **other.told}


class InferenceRequest(msgspec.Struct, frozen=True):
    """One inference, whichever face asks for it.

    `options` are task settings for this request only, not yet checked. With `chunking` each input is cut into chunks.
    `params` are fields of a face with no place elsewhere, `hints` those of them that a provider may leave aside.
    `timeout` is in seconds; None is what is usual for the task. `patience` is for how many of them its calls may wait
    for their turn, or between attempts. `deadline` follows from both when the walk begins. With
    `partial` an input that cannot be embedded has an error of its own, and the others their embeddings. With `packed`
    dense vectors may come as base64 of little-endian 32-bit floats, which they do where the provider can write them so.
    In `stats` the walk counts what happened. `left_out` names members that our encoders add of their own accord, and
    that the endpoint's server refuses.
    """

    input: Input
    input_type: InputType | None = None
    options: Mapping[str, Any] = {}
    params: Mapping[str, Any] = {}
    hints: Mapping[str, Any] = {}
    chunking: Chunking | None = None
    stream: bool = False
    partial: bool = False
    packed: bool = False
    timeout: float | None = None
    patience: float = math.inf
    deadline: Deadline = NEVER
    caller: Caller = ANONYMOUS
    request_id: str = ""
    left_out: frozenset[str] = frozenset()
    stats: RequestStats = msgspec.field(default_factory=RequestStats)

    @property
    def texts(self) -> Texts:
        """The texts of an embedding or completion request."""
        assert isinstance(self.input, tuple)
        return self.input

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The inputs of an embedding request, each of which has a vector: texts, texts as tokens, or media."""
        assert isinstance(self.input, tuple | Tokens | Contents)
        return self.input if isinstance(self.input, tuple) else self.input.inputs

    @property
    def documents(self) -> Documents:
        """The query and documents of a rerank request."""
        assert isinstance(self.input, Documents)
        return self.input

    @property
    def conversation(self) -> Conversation:
        """The conversation of a chat; each text of a completion is a user's turn."""
        return self.input if type(self.input) is Conversation else said(*self.texts)

    @property
    def count(self) -> int:
        """How many results there must be, where each input has its own."""
        match self.input:
            case tuple():
                return len(self.input)
            case Tokens(inputs) | Contents(inputs):
                return len(inputs)
            case _:
                return 1
