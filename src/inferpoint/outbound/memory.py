"""A bound to what requests and replies hold together, so that many of them cannot fill the machine."""

from __future__ import annotations

import asyncio
import math
from threading import Lock
from typing import Self

from inferpoint.errors import InferenceError, Kind

_RETRY_SECONDS = 1.0


class Memory:
    """The bytes that may be held, at *most* so many, and those that are `held`. Threads may share it.

    Replies hold no more than half of it: however much providers answer, there is room for requests. One reply may have
    no more than so many *containers*, objects and lists, each of which takes a hundred bytes once it is built.
    """

    def __init__(self, most: float, containers: float = math.inf) -> None:
        self.most = most
        self.containers = containers
        self.held = 0
        self.of_replies = 0
        self.lock = Lock()
        self.freed = asyncio.Event()
        self.reading: list[ReplyShare] = []  # replies, in the order in which they began

    def share(self) -> Share:
        """The part of one request or reply, which holds nothing yet."""
        return Share(self)

    def reply(self) -> ReplyShare:
        """The part of a reply, as a context in which it is read."""
        return ReplyShare(self)


class Share:
    """What one request or reply holds of the *memory*, until it is closed."""

    _is_reply = False

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._held = 0
        self._closed = False

    def take(self, size: int) -> None:
        """Hold *size* bytes more; `OVERLOADED` without room for them, `TOO_LARGE` where there never is."""
        if self._holds(size):
            return
        most = self._memory.most
        if self._held + size > most:
            raise InferenceError(Kind.TOO_LARGE, f"The request needs more than the [{most}] bytes of all requests")
        problem = f"All requests together hold [{self._memory.held}] of [{most}] bytes: there is no room for another"
        raise InferenceError(Kind.OVERLOADED, problem, retry_after=_RETRY_SECONDS)

    def close(self) -> None:
        """Give back all of it, in the event loop."""
        with self._memory.lock:
            self._closed = True
            self._memory.held -= self._held
            self._memory.of_replies -= self._held * self._is_reply
            self._held = 0
        self._memory.freed.set()

    def _holds(self, size: int, *, anyhow: bool = False) -> bool:
        memory = self._memory
        with memory.lock:
            crowded = self._is_reply and memory.of_replies + size > memory.most // 2
            if self._closed or ((crowded or memory.held + size > memory.most) and not anyhow):
                return False
            memory.held += size
            memory.of_replies += size * self._is_reply
            self._held += size
            return True


class ReplyShare(Share):
    """What a reply holds while it is read: a context manager."""

    _is_reply = True

    def __enter__(self) -> Self:
        self._memory.reading.append(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self._memory.reading.remove(self)
        self.close()

    async def wait_for(self, size: int) -> None:
        """Hold *size* bytes more, once there is room for them.

        What a provider was paid for is not refused; the reply that began first goes on without room, so that those who
        wait for each other come to an end.
        """
        while not self._holds(size, anyhow=self._memory.reading[0] is self):
            self._memory.freed.clear()
            await self._memory.freed.wait()
