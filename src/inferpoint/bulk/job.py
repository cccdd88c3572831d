"""What a bulk job is to do, what it may rely on, and what has become of it: values without behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal

import msgspec

SHARD_ITEMS = 2048  # of a shard: what one worker claims
SHARDS = 4  # that a worker has open at once: while one is written, another one is read
UNCOMMITTED = 2048  # texts at most that a process has paid for and not committed, however many shards are open


class JobState(StrEnum):
    """What a job as a whole is doing."""

    RUNNING = "running"  # whoever works on it may claim shards
    PAUSED = "paused"  # somebody said so; nobody claims
    STOPPED = "stopped"  # more failed than may, or the endpoint cannot be asked; `reason` says which
    DONE = "done"
    CANCELLED = "cancelled"


class ShardState(StrEnum):
    """What a shard is doing; one that is leased belongs to an owner until a moment."""

    PENDING = "pending"
    LEASED = "leased"
    SUBMITTED = "submitted"  # a provider has it in a batch
    DONE = "done"


class FailureKind(StrEnum):
    """Why an item has no result. What is refused only for now (429, 5xx, lateness) is never a failure of an item."""

    TOO_LONG = "too_long"
    REFUSED = "refused"  # by the provider, in its words
    UNREADABLE = "unreadable"  # the source has no item there
    EMPTY = "empty"
    REJECTED = "rejected"  # by the sink


class Spec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a job is to do, as it is written down: no secret is in it, as places refer to the environment by `${NAME}`.

    `text` and `id` name fields of the source's records, dotted where they are nested; without `id` an item's number is
    its id. `keep` names fields that go along to the sink. With `chunk` each chunk of a text is a row. `limit` is how
    many items are done at most. `max_failed` is the share of items of which more may not fail. `server` is the address
    of the server that is asked; None asks an engine in the worker's own process. In mode `batch` a provider is asked
    every `poll` seconds whether it is done, and what is not back after `fallback` seconds is asked for as in `now`.
    `caller` is the name of who started the job through a server, which asks in that name.
    """

    endpoint: str
    source: str
    sink: str
    text: str = "text"
    id: str | None = None
    keep: tuple[str, ...] = ()
    chunk: bool = False
    mode: Literal["now", "batch"] = "now"
    limit: int | None = None
    on_error: Literal["skip", "stop"] = "skip"
    max_failed: float = 0.01
    server: str | None = None
    poll: float = 60.0
    fallback: float | None = None
    caller: str | None = None
    task_settings: Mapping[str, Any] = {}

    def most_failures(self, planned: int) -> int:
        """How many of so many items may fail."""
        return 0 if self.on_error == "stop" else int(self.max_failed * planned)


class Space(msgspec.Struct, frozen=True):
    """The space of an endpoint's vectors, which a sink holds one of: `model` is equal for those that compare.

    `element` is `float`, `byte` or `bit`, or `weights` for sparse vectors, or `text` for what a model writes.
    """

    model: str
    dimensions: int | None
    similarity: str | None
    element: str = "float"


class Pinned(msgspec.Struct, frozen=True):
    """What a job relies on: the endpoint's version and configuration as shown, its space, each object's fingerprint."""

    task_type: str
    service: str
    space: Space
    chunking: Mapping[str, Any] | None
    objects: Mapping[str, str]


class Shard(msgspec.Struct, frozen=True):
    """A stretch of one object of the source, of `items` items, the first of which is number `first_item` of the job.

    `begin` and `end` are the source's own: bytes or rows. `done` of its items are committed already, from the first on.
    `only` are the places in it of the items that it is about where it is not about all: those that failed before.
    `external` is what a provider calls the batch that has it.
    """

    number: int
    object: str
    begin: int
    end: int
    first_item: int
    items: int
    done: int = 0
    attempt: int = 0
    only: tuple[int, ...] | None = None
    external: Mapping[str, Any] | None = None

    @property
    def count(self) -> int:
        """How many items it is about."""
        return self.items if self.only is None else len(self.only)

    def numbers(self, begin: int, end: int) -> Sequence[int]:
        """The numbers in the job of the items from *begin* to before *end*."""
        if self.only is None:
            return range(self.first_item + begin, self.first_item + end)
        return [self.first_item + place for place in self.only[begin:end]]


class Failure(msgspec.Struct, frozen=True):
    """An item that has no result: its number in the job, its id, why, and in whose words."""

    item: int
    id: str
    kind: FailureKind
    message: str


class Counts(msgspec.Struct, frozen=True):
    """How far a job has come. `planned` items are `done`, `failed` or neither; `nano_usd` is None without a price."""

    planned: int = 0
    done: int = 0
    failed: int = 0
    rows: int = 0
    calls: int = 0
    tokens: int = 0
    nano_usd: int | None = None
    shards: int = 0
    shards_done: int = 0


class Job(msgspec.Struct, frozen=True):
    """A job as it is written down. Times are of the day, in seconds; `reason` says why it stopped."""

    name: str
    state: JobState
    spec: Spec
    pinned: Pinned
    created: float
    finished: float | None = None
    reason: str | None = None


class Paid(msgspec.Struct, frozen=True):
    """What a part cost, as far as it is known; `nano_usd` is None without a price."""

    calls: int = 0
    tokens: int = 0
    nano_usd: int | None = None
