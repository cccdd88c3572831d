"""An exact cache of bytes by bytes: the most recently used in memory, and more of them in a file where there is one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from inferpoint.storage.cache_file import CacheFile

ENTRY_BYTES = 200  # what Python takes for an entry beside the bytes of its key and its value: measured, 170 to 230


class Cache:
    """Values by keys that may be forgotten; every value that is found is whole and as it was kept.

    `memory_bytes` and the file's own limit may each be 0. `entries` and `bytes` are what is in memory now. What
    must not be found again, as errors, must not be kept: any value is a value here.
    """

    def __init__(self, memory_bytes: int, file: CacheFile | None = None) -> None:
        self._limit = memory_bytes
        self._file = file
        self._values: OrderedDict[bytes, bytes] = OrderedDict()  # the least recently used first
        self.bytes = 0

    @property
    def entries(self) -> int:
        """How many values are in memory."""
        return len(self._values)

    async def find(self, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """The values of those *keys* that are known; without a file nothing is waited for."""
        values: dict[bytes, bytes] = {}
        for key in keys:
            if (value := self._values.get(key)) is not None:
                self._values.move_to_end(key)
                values[key] = value
        if self._file is not None:
            self._file.touch(values)
            if missing := [key for key in keys if key not in values]:
                for key, value in (await self._file.find(missing)).items():
                    self._remember(key, value)
                    values[key] = value
        return values

    def keep(self, items: Mapping[bytes, bytes]) -> None:
        """Keep *items* as far as there is room, in place of what was used least recently; returns at once."""
        for key, value in items.items():
            self._remember(key, value)
        if self._file is not None:
            self._file.keep(items)

    async def close(self) -> None:
        """Finish what is being written; afterwards only memory is left."""
        if self._file is not None:
            await self._file.close()

    def _remember(self, key: bytes, value: bytes) -> None:
        before = self._values.pop(key, None)
        if before is not None:
            self.bytes -= _size(key, before)
        size = _size(key, value)
        if size > self._limit:
            return
        self._values[key] = value
        self.bytes += size
        while self.bytes > self._limit:
            self.bytes -= _size(*self._values.popitem(last=False))


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES
