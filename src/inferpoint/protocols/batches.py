"""The contract of a provider's batches: many requests handed in at once, answered within a day, for less money.

A batch is made of what `Task.encode` writes, and its answers are read by `Task.decode` and `Failures.complaint`: only
how a batch is handed in, asked for and fetched is said here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.batches import BatchLimits, Ended, Submitted, Waiting
from inferpoint.model.http import Call, Reply
from inferpoint.protocols.service import Moment, Origin

S = TypeVar("S")

_UNANSWERED = 504  # the status of what a provider did not come to: another try may succeed


class At(msgspec.Struct, Generic[S], frozen=True):
    """The account of an endpoint's `settings`, the address of its service, and that of its `files`, where it has one.

    `origin` is that of the batches, where they have one of their own.
    """

    settings: S
    origin: str
    files: str = ""


class Line(msgspec.Struct, frozen=True):
    """One request of a batch: an id of `[A-Za-z0-9_-]`, and the call that `Task.encode` made of it."""

    id: str
    call: Call


class Listed(msgspec.Struct, frozen=True):
    """A batch as its provider lists it: when it was made, in seconds of the day, and what tells whose it is."""

    id: str
    created: float
    name: str | None = None
    lines: int | None = None


class Page(msgspec.Struct, frozen=True):
    """Batches, the newest first, and by what the next page is asked for; None where there is none."""

    batches: Sequence[Listed]
    after: str | None = None


class Batches(ABC, Generic[S]):
    """How a provider takes batches of one task: pure functions from values to calls, and from replies to values.

    `origin` and `files` are where batches and their files are, when not at the service's own address. `repeatable` says
    that creating a batch again by its name makes no other. `price` is what a line costs, as a part of what its call
    would.
    """

    limits: BatchLimits
    origin: Origin[Any] | None = None
    files: Origin[Any] | None = None
    repeatable = False
    price = 0.5

    def sign(self, call: Call, settings: S, moment: Moment, /) -> Call | None:
        """The *call* with its signature; None where calls are signed as the service's others."""
        del call, settings, moment

    def check(self, _at: At[S], /) -> None:
        """`INVALID` where settings that batches need are missing."""
        return

    @abstractmethod
    def written(self, line: Line, /) -> bytes:
        """The *line* as JSON, without a newline."""

    def upload(self, _name: str, _lines: Sequence[bytes], _at: At[S], /) -> Call | None:
        """The call that uploads the lines as a file; None where they go along with the batch. May be made twice."""
        return None

    def uploaded(self, _reply: Reply, /) -> str:
        """The id of the file that was uploaded."""
        return ""

    @abstractmethod
    def create(self, name: str, lines: Sequence[bytes], file: str, first: Call, at: At[S], /) -> Call:
        """The call that makes a batch of the uploaded *file*, or of the *lines*; *first* is the call of one of them."""

    @abstractmethod
    def created(self, reply: Reply, /) -> str:
        """The id of the batch that was made."""

    @abstractmethod
    def ask(self, batch: Submitted, at: At[S], /) -> Call:
        """The call that asks for the state of *batch*."""

    @abstractmethod
    def state(self, reply: Reply, /) -> Waiting | Ended:
        """The state that `ask` was told."""

    @abstractmethod
    def fetch(self, place: str, batch: Submitted, at: At[S], /) -> Call:
        """The call for the answers at *place*, one of `Ended.results`: lines, in any order."""

    @abstractmethod
    def answer(self, line: bytes, /) -> tuple[str, Reply]:
        """The id of a line of answers, and the reply as the call of the line would have had it."""

    @abstractmethod
    def cancel(self, batch: Submitted, at: At[S], /) -> Call:
        """The call that ends *batch*; what is done by then is paid, and can be fetched."""

    @abstractmethod
    def list(self, name: str, after: str | None, at: At[S], /) -> Call:
        """The call for a page of batches among which that called *name* is, if it was made."""

    @abstractmethod
    def listed(self, reply: Reply, /) -> Page:
        """The batches of a page."""

    @abstractmethod
    def discard(self, batch: Submitted, ended: Ended, at: At[S], /) -> Sequence[Call]:
        """The calls that delete what is left of *batch* once its answers are kept elsewhere."""

    def is_full(self, upstream: Upstream, /) -> bool:
        """Whether a refusal means that the provider holds as many batches as it takes, and will take more later."""
        return upstream.status == 429


def unanswered(body: dict[str, Any]) -> Reply:
    """The reply in place of one that a provider did not come to give, with an error *body* of its own form."""
    return Reply(_UNANSWERED, msgspec.json.encode(body))


def same_form(calls: Sequence[Call]) -> Call:
    """One of *calls*, which all go to one address with the same headers; `INVALID` where they do not."""
    first = calls[0]
    if any((call.url, call.headers) != (first.url, first.headers) for call in calls):
        raise InferenceError(Kind.INVALID, "The requests of a batch must be of one model, with the same headers")
    return first
