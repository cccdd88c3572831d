"""The contract a provider fills in: declarations and pure functions, nothing that waits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from inferpoint.errors import Upstream
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import Call, Event, Reply
from inferpoint.model.inference import Delta, InferenceRequest, InferenceResult, InputType
from inferpoint.model.quota import Allowance
from inferpoint.model.settings import setting, settings
from inferpoint.protocols.oversize import Oversize, oversize
from inferpoint.protocols.sse import ServerSentEvents

S = TypeVar("S")
O = TypeVar("O")  # noqa: E741 - S and O are the contract's own letters: settings and options

CONTRACT = 1
SIMILARITIES = ("cosine", "dot_product", "l2_norm")


@settings
class NoOptions:
    """For tasks that take no task settings."""


@settings
class RateLimit:
    """How fast a provider may be called. Elasticsearch knows the requests alone."""

    requests_per_minute: int | None = setting(
        "The most requests a minute to send to the provider.",
        default=None,
        label="Rate Limit",
        at_least=1,
        wide=True,
    )
    tokens_per_minute: int | None = setting(
        "The most tokens a minute to send to the provider.", default=None, at_least=1, wide=True
    )
    burst: int = setting("How many requests may go at once after a rest.", default=1, at_least=1)


def rate_limit() -> Any:
    """The setting that every service with a quota has."""
    return setting("How fast to call the provider.", default=None, updatable=True)


@dataclass(frozen=True)
class Moment:
    """What signing needs of the world: the time, and the grant's token if there is one."""

    time: datetime
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Limits:
    """What one call takes at the most: inputs, tokens over all of them, bytes of body. None is no limit."""

    inputs: int | None = None
    tokens: int | None = None
    bytes: int | None = None


class Framing(Protocol):
    """Cuts a body into events however its bytes arrive; new for every stream."""

    def feed(self, data: bytes, /) -> Sequence[Event]:
        """The events that *data* completes."""
        ...

    def end(self) -> Sequence[Event]:
        """What is left when the body ends."""
        ...


class Reader(Protocol):
    """Turns one stream's events into deltas; new for every stream, so it may remember."""

    def feed(self, event: Event, /) -> Sequence[Delta]:
        """What *event* says."""
        ...

    def end(self) -> Sequence[Delta]:
        """Called when the body ends; raises `CUT_OFF` unless a finish was seen."""
        ...


@dataclass(frozen=True)
class Grant(Generic[S]):
    """A token to fetch before a call can be signed; fetched once for all who wait, and kept for its lifetime.

    `ask` is None for settings that need no token. `read` gives the token and its lifetime in seconds. `complaint`
    finds what an error body of whoever gives tokens says; it may fail, and then the error goes without.
    """

    ask: Callable[[S, datetime], Call | None]
    read: Callable[[Reply], tuple[str, float]]
    complaint: Callable[[Reply], Upstream]


@dataclass(frozen=True)
class Origin(Generic[S]):
    """Where a service is, and the environment variable that moves it (the one its own SDK reads)."""

    address: Callable[[S], str]
    variable: str


def unlimited(_settings: Any) -> Limits:
    """No limit on a call."""
    return Limits()


def fitting(_settings: Any, _options: Any) -> None:
    """For tasks whose settings and options never contradict each other."""


def unremarkable(_settings: Any, _options: Any) -> Sequence[str]:
    """For tasks with nothing to warn of."""
    return ()


def untold(_headers: Mapping[str, str], _now: datetime) -> Allowance:
    """For providers whose replies do not tell of their limits."""
    return Allowance()


def never(_said: Upstream) -> bool:
    """For providers whose quotas come back by themselves."""
    return False


@dataclass(frozen=True, kw_only=True)
class Task(Generic[S, O]):
    """How one service does one task.

    `label` names it in errors ("OpenAI embeddings"). `check` raises when settings and options, each right by itself,
    contradict each other; `warnings` says what is taken but not wise. `encode` makes the call, `decode` reads the whole
    reply, `reader` a streamed one; without a reader the task does not stream. `with_model` is the settings with the
    model that a chat asks for in place of theirs: of its queue, and for who reads the answer. `default_rate` is in
    requests a minute; without one it is not limited. Calls of equal `rate_group` and equal limits share one queue, with
    `mixed_rates` those of other limits too. `similarity` is how its vectors compare. `input_types` are those that its
    wire carries, beyond `search` and `ingest`, which every embedding takes. `phrases` say what a provider's status
    means, with `{url}` and the reply's headers to fill in. `retried` are the statuses that are worth another try.
    `encode_tokens` makes the call of inputs that are tokens already; without it they are made texts again. `fixed` are
    settings that nobody sets, shown with those that are.
    """

    label: str
    settings: type[S]
    options: type[O]
    check: Callable[[S, O], None] = fitting
    warnings: Callable[[S, O], Sequence[str]] = unremarkable
    encode: Callable[[InferenceRequest, S, O, str], Call]
    decode: Callable[[Reply, InferenceRequest, S, O], InferenceResult]
    reader: Callable[[S], Reader] | None = None
    with_model: Callable[[S, str], S] | None = None
    framing: Callable[[], Framing] = ServerSentEvents
    limits: Callable[[S], Limits] = unlimited
    default_rate: Callable[[S], int] | None = None
    rate_group: Callable[[S], Hashable]
    mixed_rates: bool = False
    similarity: Callable[[S], str] | None = None
    input_types: frozenset[InputType] = frozenset()
    phrases: Mapping[int, str] = field(default_factory=dict[int, str])
    retried: frozenset[int] = frozenset({429})
    encode_tokens: Callable[[InferenceRequest, S, O, str], Call] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class Service:
    """One provider: what it can do, how its calls are signed, how it complains.

    `sign` adds headers and changes nothing else. `complaint` finds what an error body says; it may fail, and then the
    error goes without. `quota` reads what a reply's headers, in lower case, tell of the provider's limits; it never
    fails. `exhausted` says whether a refusal is of a quota that no waiting brings back, so that another try is in vain;
    `oversize` whether fewer inputs in one call would help. `contract` is the version of this file's promises that the
    service was written for.
    """

    name: str
    title: str
    tasks: Mapping[TaskType, Task[Any, Any]]
    sign: Callable[[Call, Any, Moment], Call]
    complaint: Callable[[Reply], Upstream]
    quota: Callable[[Mapping[str, str], datetime], Allowance] = untold
    exhausted: Callable[[Upstream], bool] = never
    oversize: Callable[[Upstream], Oversize | None] = oversize
    grant: Grant[Any] | None = None
    origin: Origin[Any] | None = None
    contract: int = CONTRACT
