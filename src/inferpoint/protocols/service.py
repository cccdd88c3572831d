"""The contract a provider fills in: declarations and pure functions, nothing that waits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from inferpoint.errors import InferenceError, Kind, Upstream
from inferpoint.model.endpoint import Element, TaskType
from inferpoint.model.http import Call, Event, Reply
from inferpoint.model.quota import Allowance
from inferpoint.model.requests import InferenceRequest, InputType, Medium
from inferpoint.model.results import Delta, InferenceResult
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.framing import Framing
from inferpoint.protocols.oversize import Oversize, by_status
from inferpoint.protocols.sse import ServerSentEvents

if TYPE_CHECKING:  # its values stand on those of this file
    from inferpoint.protocols.batches import Batches

S = TypeVar("S")
O = TypeVar("O")  # noqa: E741 - S and O are the contract's own letters: settings and options
A = TypeVar("A")
S_contra = TypeVar("S_contra", contravariant=True)

CONTRACT = 2


@settings
class NoOptions:
    """The options of a task that takes no task settings."""


@settings
class RateLimit:
    """How fast a provider may be called; Elasticsearch knows only `requests_per_minute`."""

    requests_per_minute: int | None = setting(
        "The most requests a minute to send to the provider.", default=None, label="Rate Limit", at_least=1, wide=True
    )
    tokens_per_minute: int | None = setting(
        "The most tokens a minute to send to the provider.", default=None, at_least=1, wide=True
    )
    burst: int = setting("How many requests may go at once after a rest.", default=1, at_least=1)


def rate_limit() -> Any:
    """The declaration of the setting `rate_limit`, which every service with a quota has."""
    return setting("How fast to call the provider.", default=None, updatable=True)


class Moment(msgspec.Struct, frozen=True):
    """The world as signing needs it: the time, and the grant's token where there is one, which no repr shows."""

    time: datetime
    token: str = ""

    def __repr__(self) -> str:
        return f"Moment({self.time})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The time alone, which `rich` shows in place of all members."""
        return [("time", self.time)]


@dataclass(frozen=True)
class Limits:
    """The most that one call takes: inputs, tokens over all of them, bytes of body. None is no limit."""

    inputs: int | None = None
    tokens: int | None = None
    bytes: int | None = None


class Reader(Protocol):
    """Turns one stream's events into deltas; new for every stream, so it may remember."""

    def feed(self, event: Event, /) -> Sequence[Delta]:
        """The deltas that *event* tells."""
        ...

    def end(self) -> Sequence[Delta]:
        """The deltas that the body's end completes; raises `CUT_OFF` unless a finish was seen."""
        ...


@dataclass(frozen=True)
class Grant(Generic[S]):
    """A token to fetch before a call can be signed; fetched once for all who wait, and kept for its lifetime.

    `ask` makes the call for the token at an address, or None for settings that need none. That is `origin`'s, or empty
    where the settings alone say it. `read` gives the token and its lifetime in seconds. `complaint` reads an error body
    of the address that gives tokens; it may raise an `InferenceError`, and then the error goes without.
    """

    ask: Callable[[S, datetime, str], Call | None]
    read: Callable[[Reply], tuple[str, float]]
    complaint: Callable[[Reply], Upstream]
    origin: Origin[S] | None = None


@dataclass(frozen=True)
class Origin(Generic[S]):
    """Where a service is, and the environment variable that moves it (the one its own SDK reads)."""

    address: Callable[[S], str]
    variable: str

    def of(self, settings: S, environ: Mapping[str, str]) -> str:
        """The address for *settings*, moved by *environ*; `INTERNAL` when the variable holds no HTTP address."""
        moved = environ.get(self.variable, "").rstrip("/")
        if not moved:
            return self.address(settings)
        if not moved.startswith(("http://", "https://")):
            problem = f"The variable {self.variable} is not an address that begins with http:// or https://"
            raise InferenceError(Kind.INTERNAL, problem)
        return moved


def unlimited(_settings: Any) -> Limits:
    """No limit on what one call holds: the default of `Rates.limits`."""
    return Limits()


def floats(_settings: Any) -> Element:
    """Vectors of floats: the default of `Task.element`."""
    return Element.FLOAT


def no_media(_settings: Any) -> frozenset[Medium]:
    """Texts alone: the default of `Task.media`."""
    return frozenset()


def no_hints(_settings: Any, _origin: str) -> frozenset[str]:
    """No hint has a place on the wire: the default of `Task.hints`."""
    return frozenset()


def no_check(_settings: Any, _options: Any) -> Sequence[str]:
    """Nothing contradicts and nothing to warn of: the default of `Task.check`."""
    return ()


def no_allowance(_headers: Mapping[str, str], _now: datetime) -> Allowance:
    """Nothing of the provider's limits: the default of `Service.quota`, for replies whose headers tell none."""
    return Allowance()


def never_final(_upstream: Upstream) -> bool:
    """Every quota comes back by waiting: the default of `Failures.exhausted`."""
    return False


@dataclass(frozen=True, kw_only=True)
class Rates(Generic[S_contra]):
    """How fast a task's calls may go out, and how much one of them may hold.

    Calls of equal `group` and equal rate limits share one queue; with `mixed` the limits may differ. `default` is in
    requests a minute, for endpoints that set none; None is no limit.
    """

    group: Callable[[S_contra], Hashable]
    default: int | None = None
    mixed: bool = False
    limits: Callable[[S_contra], Limits] = unlimited


@dataclass(frozen=True, kw_only=True)
class Failures:
    """The meaning of a provider's refusals.

    `complaint` reads an error body; it may raise an `InferenceError`, and then the body's first words stand for it.
    `phrases` say what a status means, with `{url}` and the reply's headers to fill in. `exhausted` tells a quota that
    no waiting brings back, so that another try is in vain. `oversize` tells whether fewer inputs in one call would
    help.
    """

    complaint: Callable[[Reply], Upstream]
    phrases: Mapping[int, str] = field(default_factory=dict[int, str])
    exhausted: Callable[[Upstream], bool] = never_final
    oversize: Callable[[Upstream], Oversize | None] = by_status


@dataclass(frozen=True, kw_only=True)
class Question(Generic[S, O, A]):
    """How a provider is asked for something about a request that it is not to answer: the call, and what it replies."""

    encode: Callable[[InferenceRequest, S, O, str], Call]
    decode: Callable[[Reply], A]


@dataclass(frozen=True, kw_only=True)
class Task(Generic[S, O]):
    """How one service does one task: what it is, how fast it goes (`rates`), and what its refusals mean (`failures`).

    `label` names the task in errors ("OpenAI embeddings"). `check` raises when settings and options, each right by
    itself, contradict each other, and returns a sentence for each thing that is taken but not wise. `encode` makes the
    call, `decode` reads the whole reply, `reader` a streamed one; a task without a reader does not stream. `with_model`
    gives the settings with the model that a chat asks for in place of theirs: for the queue, and for the reader.
    `takes_tokens` says that `encode` takes inputs that are tokens already; otherwise they are made texts again.
    `media` are the kinds of inputs beside texts that an `embedding` with these settings takes.
    A completion that takes `several` inputs takes them as turns of one conversation. `input_types` are those on the
    wire beyond `search` and `ingest`, which every embedding takes. `hints` are the names of those that `encode` sends
    on for an endpoint with these settings at this origin; the others never reach it.
    `unasked` are members that `encode` adds of its own accord, and leaves out where the request's `left_out` names
    them: a server that refuses one by its name is asked without it from then on. `independent` says that the score of a
    document does not depend on those beside it, so that a ranking may be cut into several calls.
    `similarity` is how vectors compare; only dense embeddings have one, and of those `element` is what their numbers
    are. `fixed` are settings that nobody sets, shown with those that are.
    `count` asks for the tokens of a prompt, where a provider counts them; `lengths` how long each text is, as a part of
    what the model takes, where it can tell: chunks of more than 1 are cut again.
    `batches` is how the provider takes many requests at once, for less money and later, where it does.
    """

    label: str
    settings: type[S]
    options: type[O]
    check: Callable[[S, O], Sequence[str]] = no_check
    encode: Callable[[InferenceRequest, S, O, str], Call]
    decode: Callable[[Reply, InferenceRequest, S, O], InferenceResult]
    reader: Callable[[S], Reader] | None = None
    count: Question[S, O, int] | None = None
    lengths: Question[S, O, Sequence[float]] | None = None
    batches: Batches[S] | None = None
    framing: Callable[[], Framing] = ServerSentEvents
    with_model: Callable[[S, str], S] | None = None
    takes_tokens: bool = False
    media: Callable[[S], frozenset[Medium]] = no_media
    several: bool = False
    input_types: frozenset[InputType] = frozenset()
    hints: Callable[[S, str], frozenset[str]] = no_hints
    unasked: frozenset[str] = frozenset()
    independent: bool = False
    similarity: Callable[[S], str] | None = None
    element: Callable[[S], Element] = floats
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rates: Rates[S]
    failures: Failures


@dataclass(frozen=True, kw_only=True)
class Service:
    """One provider: what it can do, how its calls are signed, where it is.

    `sign` adds headers and changes nothing else. `quota` reads what a reply's headers, in lower case, tell of the
    provider's limits; it never fails. `told` picks those of an answer that whoever asked is told, under the names that
    they have for callers. `contract` is the version of this file's promises that the service was written for.
    """

    name: str
    title: str
    tasks: Mapping[TaskType, Task[Any, Any]]
    sign: Callable[[Call, Any, Moment], Call]
    quota: Callable[[Mapping[str, str], datetime], Allowance] = no_allowance
    told: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None
    grant: Grant[Any] | None = None
    origin: Origin[Any] | None = None
    contract: int = CONTRACT
