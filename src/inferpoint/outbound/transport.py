"""The contract of what sends a call: a reply that begins, and is read whole or in pieces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from typing_extensions import override

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply

LARGEST_REPLY = 100 * 1024 * 1024


class Arriving(ABC):
    """A reply whose body has not been read; the names of its `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    neighbour: bool = False

    @abstractmethod
    async def read(self) -> Reply:
        """The whole reply; `CUT_OFF` when the body ends early, `UNREADABLE` beyond 100 MiB."""

    @abstractmethod
    def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, to be closed when it is left early; `CUT_OFF` when it ends early."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection, which ends unless the whole body was read."""


class UnreachableError(InferenceError):
    """`CUT_OFF`, as there is no connection to the address: nobody's calls come there, whatever they ask for."""

    def __init__(self, problem: str) -> None:
        super().__init__(Kind.CUT_OFF, problem)

    @override
    def of_input(self, index: int | None, *problems: str) -> UnreachableError:
        told = UnreachableError("; ".join(problems or self.problems))
        told.index = index
        return told


class Transport(Protocol):
    """Sends a call. The only thing that waits for a provider."""

    @abstractmethod
    async def send(self, call: Call, /) -> Arriving:
        """The reply, once its headers are there.

        `UnreachableError` where there is no connection, `CUT_OFF` where one ends before, `INVALID` for an address that
        is none or may not be called.
        """


class Whole(Arriving):
    """A *reply* that is all there, so that nobody waits for its body."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.status = reply.status
        self.headers = reply.headers
        self.neighbour = reply.neighbour

    @override
    async def read(self) -> Reply:
        return self.reply

    @override
    async def pieces(self) -> AsyncGenerator[bytes, None]:
        yield self.reply.body

    @override
    def close(self) -> None:
        pass
