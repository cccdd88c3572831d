"""The memory of responses: enough to go on from one, or to name a piece of it, for a while.

Kept within bounds, for the caller that asked and for nobody else. What is used least recently goes first.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import msgspec

from inferpoint.api.openai.errors import NotKeptError
from inferpoint.storage.recent import Bounds, RecentEntries

_LOG = logging.getLogger(__name__)

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

    @property
    def size(self) -> int:
        """Bytes it takes; items that it shares with those before are counted again, as they live as long as this."""
        return len(self.body) + sum(map(len, self.history))


class ResponseStore:
    """Responses by caller and id, at most so many, so large, and for so long after they were used.

    Kept in memory or, with a *path*, in a file that the processes of one server share.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        most_seconds: int = MOST_SECONDS,
    ) -> None:
        self._recent = RecentEntries(Bounds(most, most_bytes, most_seconds), path)

    def of(self, caller: str, now: int) -> Kept:
        """The part that is kept for *caller* at the time *now*, in seconds."""
        return Kept(self, caller, now)

    def keep(self, caller: str, stored: Stored, now: int) -> None:
        """Remember *stored*, and forget what is old or too much; an answer is not lost with its memory."""
        items = [name for name, _ in stored.output]
        try:
            self._recent.keep(caller, stored.id, msgspec.msgpack.encode(stored), stored.size, items, now)
        except sqlite3.Error as error:
            _LOG.warning("A response was not kept: %s", error)

    def find(self, caller: str, response_id: str, now: int) -> Stored | None:
        """The response called *response_id*, which is used now."""
        value = self._recent.find(caller, response_id, now)
        return None if value is None else msgspec.msgpack.decode(value, type=Stored)

    def find_item(self, caller: str, item_id: str, now: int) -> bytes | None:
        """The model's item called *item_id*, whose response is used now."""
        owner = self._recent.whole(caller, item_id)
        stored = None if owner is None else self.find(caller, owner, now)
        return None if stored is None else dict(stored.output)[item_id]

    def drop(self, caller: str, response_id: str) -> None:
        """Forget the response called *response_id*, and its items."""
        self._recent.drop(caller, response_id)


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
