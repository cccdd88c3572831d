"""The memory of responses: enough to go on from one, or to name a piece of it, for a while.

Kept in memory, within bounds, for the caller that asked and for nobody else. What is used least recently goes first.
Another process keeps its own: it does not know what this one does.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

from inferpoint.api.openai.errors import NotKeptError

MOST = 4096
MOST_BYTES = 64 * 1024 * 1024
MOST_SECONDS = 24 * 60 * 60


@dataclass(frozen=True)
class Stored:
    """A response: `body` as it was answered, and as JSON the items that led to it.

    `before` are those of the responses before it, `asked` its own; `output` are the model's, each with its id.
    """

    id: str
    body: bytes
    before: tuple[bytes, ...]
    asked: tuple[bytes, ...]
    output: tuple[tuple[str, bytes], ...]

    @property
    def input(self) -> tuple[bytes, ...]:
        """Every item that the response answers."""
        return (*self.before, *self.asked)

    @property
    def history(self) -> tuple[bytes, ...]:
        """Every item of the conversation up to and with this response."""
        return (*self.input, *(item for _, item in self.output))

    @cached_property
    def size(self) -> int:
        """Bytes it takes; items that it shares with those before are counted again, as they live as long as this."""
        return len(self.body) + sum(map(len, self.history))


class ResponseStore:
    """Responses by caller and id, at most so many, so large, and for so long after they were used."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES, most_seconds: int = MOST_SECONDS) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds
        self._kept: OrderedDict[tuple[str, str], tuple[Stored, int]] = OrderedDict()  # with the time of its last use
        self._owners: dict[tuple[str, str], tuple[str, str]] = {}  # the response that an item is of
        self._bytes = 0

    def of(self, caller: str, now: int) -> Kept:
        """The part that is kept for *caller* at the time *now*, in seconds."""
        return Kept(self, caller, now)

    def keep(self, caller: str, stored: Stored, now: int) -> None:
        """Remember *stored*, and forget what is old or too much."""
        key = (caller, stored.id)
        self._kept[key] = stored, now
        self._bytes += stored.size
        self._owners |= {(caller, name): key for name, _ in stored.output}
        self._forget(now)

    def find(self, caller: str, response_id: str, now: int) -> Stored | None:
        """The response called *response_id*, which is used now."""
        key = (caller, response_id)
        self._forget(now)
        if key not in self._kept:
            return None
        stored, _ = self._kept.pop(key)
        self._kept[key] = stored, now
        return stored

    def find_item(self, caller: str, item_id: str, now: int) -> bytes | None:
        """The model's item called *item_id*, whose response is used now."""
        owner = self._owners.get((caller, item_id))
        stored = None if owner is None else self.find(*owner, now)
        return None if stored is None else dict(stored.output)[item_id]

    def drop(self, caller: str, response_id: str) -> None:
        """Forget the response called *response_id*, and its items."""
        stored, _ = self._kept.pop((caller, response_id))
        self._bytes -= stored.size
        for name, _ in stored.output:
            del self._owners[caller, name]

    def _forget(self, now: int) -> None:
        while self._kept:
            (caller, name), (_, used) = next(iter(self._kept.items()))
            if len(self._kept) <= self._most and self._bytes <= self._most_bytes and now - used <= self._most_seconds:
                return
            self.drop(caller, name)


@dataclass(frozen=True)
class Kept:
    """A store as one caller sees it, with OpenAI's words for what is not in it."""

    store: ResponseStore
    caller: str
    now: int

    def previous(self, response_id: str) -> Stored:
        """The response to go on from."""
        if stored := self.store.find(self.caller, response_id, self.now):
            return stored
        problem = f"Previous response with id '{response_id}' not found."
        raise NotKeptError(problem, param="previous_response_id", code="previous_response_not_found")

    def response(self, response_id: str) -> Stored:
        """The response that is asked for by its address."""
        if stored := self.store.find(self.caller, response_id, self.now):
            return stored
        raise NotKeptError(f"Response with id '{response_id}' not found.")

    def item(self, item_id: str) -> bytes:
        """The item that an input refers to."""
        if item := self.store.find_item(self.caller, item_id, self.now):
            return item
        problem = f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false."
        raise NotKeptError(
            f"{problem} Try again with `store` set to true, or remove this item from your input.", param="input"
        )

    def keep(self, stored: Stored) -> None:
        """Remember *stored*."""
        self.store.keep(self.caller, stored, self.now)

    def drop(self, response_id: str) -> None:
        """Forget the response called *response_id*."""
        self.response(response_id)
        self.store.drop(self.caller, response_id)
