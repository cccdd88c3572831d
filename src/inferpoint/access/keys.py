"""All keys in memory, as they are in the store: no request reads the database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

import msgspec

from inferpoint.access.key import ApiKey, from_document, to_document
from inferpoint.clock import Clock, Timer
from inferpoint.errors import InferenceError
from inferpoint.model.requests import Caller
from inferpoint.storage.changes import Changes
from inferpoint.storage.keys import KeyStore, StoredKey, being_changed
from inferpoint.storage.store import Store
from inferpoint.tasks import Tasks

_LOG = logging.getLogger(__name__)

LOOK_SECONDS = 0.2  # between two looks at what other processes wrote, for requests that run meanwhile


class Keys:
    """All keys, in memory as in the store: a write is there first, and in memory when it is durable.

    With *changes* other processes write to the same store, and `refresh` sees what they wrote. `watchers` are called
    when a key has changed or has expired. `by_id` has what each key opens.
    """

    def __init__(self, store: KeyStore, clock: Clock, changes: Changes | None = None) -> None:
        self.watchers: list[Callable[[], None]] = []
        self._store = store
        self._clock = clock
        self._changes = changes
        self._seen: int | None = None  # the mark of the newest write that is in memory
        self._versions: dict[str, str] = {}
        self._keys: dict[str, tuple[ApiKey, Caller]] = {}
        self._writing = asyncio.Lock()
        self._expiry: Timer | None = None

    def __len__(self) -> int:
        """How many keys were ever made, valid or not, and those that cannot be read among them."""
        return len(self._versions)

    def __iter__(self) -> Iterator[ApiKey]:
        """Every key, by the time at which it was made."""
        return iter(sorted((key for key, _ in self._keys.values()), key=lambda key: (key.creation, key.id)))

    def get(self, key_id: str) -> tuple[ApiKey, Caller] | None:
        """The key of that id, and the caller that has it."""
        return self._keys.get(key_id)

    @property
    def is_stale(self) -> bool:
        """Whether another process has written."""
        return self._changes is not None and self._changes.mark() != self._seen

    async def load(self) -> None:
        """Read the store; a key that cannot be read opens nothing."""
        if self._changes is not None:
            self._changes.tell()  # whose place this process takes may have been killed between a write and telling
        async with self._writing:
            await self._load()

    async def refresh(self) -> None:
        """Read what other processes wrote since the last look, if anything."""
        async with self._writing:
            if self.is_stale:
                await self._load()

    async def watch(self) -> None:
        """See what other processes write also while nobody asks, until cancelled."""
        while self._changes is not None:
            await self._clock.sleep(LOOK_SECONDS)
            if self.is_stale:
                with contextlib.suppress(InferenceError):  # a store that cannot be read is told to who asks
                    await self.refresh()

    async def put(self, changes: Sequence[tuple[ApiKey, ApiKey | None]]) -> None:
        """Keep keys, each as it is now and as it was, all of them; `CONFLICT` when one was changed meanwhile.

        Whoever leaves while that is written does not keep it from being written and known.
        """
        await asyncio.shield(asyncio.get_running_loop().create_task(self._put(changes)))

    def close(self) -> None:
        """Wait for no expiration any more."""
        if self._expiry is not None:
            self._expiry.cancel()

    async def _put(self, changes: Sequence[tuple[ApiKey, ApiKey | None]]) -> None:
        async with self._writing:
            for key, before in changes:
                if self._keys.get(key.id, (None,))[0] != before:
                    raise being_changed(key.id)
            rows = [StoredKey(key.id, secrets.token_hex(16), to_document(key)) for key, _ in changes]
            try:
                await self._store.put([(row, self._versions.get(row.id)) for row in rows])
            except InferenceError:
                await self._load()
                raise
            for row in rows:
                self._keep(row)
            if self._changes is not None:
                self._changes.tell()
            self._changed()

    async def _load(self) -> None:
        mark = None if self._changes is None else self._changes.mark()  # before: what is written from now on is seen
        changed = await self._store.changed(self._versions)
        for key_id in changed.gone:
            del self._versions[key_id]
            self._keys.pop(key_id, None)
        for row in changed.rows:
            self._keep(row)
        self._seen = mark
        if changed.rows or changed.gone:
            self._changed()

    def _keep(self, row: StoredKey) -> None:
        self._versions[row.id] = row.version
        self._keys.pop(row.id, None)
        try:
            key = from_document(row.document or {})
            self._keys[row.id] = key, key.caller()
        except (msgspec.ValidationError, InferenceError) as error:
            _LOG.warning("The API key [%s] opens nothing, as it cannot be read: %s", row.id, error)

    def _changed(self) -> None:
        """Tell whoever watches, now and when the next key expires."""
        self.close()
        now = self._clock.now().timestamp()
        if ends := [key.ends for key, _ in self._keys.values() if key.expiration is not None and key.is_valid(now)]:
            self._expiry = self._clock.at(self._clock.monotonic() + min(ends) - now, self._changed)
        for watcher in self.watchers:
            watcher()


@contextlib.asynccontextmanager
async def kept_keys(store: Store, clock: Clock, changes: Changes | None) -> AsyncGenerator[Keys]:
    """The keys in *store*, which are looked at again and again where other processes write them, with *changes*."""
    keys, tasks = Keys(KeyStore(store), clock, changes), Tasks()
    await keys.load()
    tasks.start(keys.watch())
    try:
        yield keys
    finally:
        keys.close()
        await tasks.close()
