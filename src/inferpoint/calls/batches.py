"""The contract of the batches of one endpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from inferpoint.errors import InferenceError
from inferpoint.model.batches import BatchLimits, Ended, PlannedBatch, Waiting
from inferpoint.model.requests import InferenceRequest
from inferpoint.model.results import InferenceResult

Requests = Mapping[int, InferenceRequest]
Answer = InferenceResult | InferenceError


class EndpointBatches(ABC):
    """Many requests at once, each with a number, answered later and for less money.

    `price` is what a line costs, as a part of what its call would.
    """

    price: float
    limits: BatchLimits

    @abstractmethod
    async def plan(self, requests: Requests, name: str) -> PlannedBatch:
        """The batch that *requests* make, to be written down before it is handed in; nothing is sent.

        `INVALID` for more lines or inputs than one batch takes.
        """

    @abstractmethod
    async def submit(self, batch: PlannedBatch, requests: Requests) -> PlannedBatch:
        """Hand *batch* in, and tell its id; `RATE_LIMITED` where the provider takes no more batches now.

        `TOO_LARGE` for more bytes than one batch takes, `FateUnknownError` where it may have been made.
        """

    @abstractmethod
    async def adopt(self, batch: PlannedBatch, taken: frozenset[str] = frozenset()) -> PlannedBatch | None:
        """*batch* with its id, where it was made though nobody heard of it; those with an id of *taken* are others'.

        Where its provider keeps no names it is the first of its size that was made since it was planned.
        """

    @abstractmethod
    async def look(self, batch: PlannedBatch) -> Waiting | Ended:
        """How far *batch* has come."""

    @abstractmethod
    async def collect(self, batch: PlannedBatch, ended: Ended, requests: Requests) -> dict[int, Answer]:
        """The result of each of the *requests*, which are some of those of *batch*, or why there is none.

        Of embeddings each input has its vector or its error; an error that is about no input was met with several in a
        line, and any of them may be at fault. What the batch did not come to has an error like that of a call in vain.
        `UNREADABLE` where what was fetched is not all that the provider has, `CONFLICT` where it is of another batch;
        why the whole batch was refused is raised, and is `RATE_LIMITED` where the provider had too many.
        """

    @abstractmethod
    async def cancel(self, batch: PlannedBatch) -> None:
        """End *batch*, unless it has ended; what is done by then is paid, and can be collected once it has ended."""

    @abstractmethod
    async def discard(self, batch: PlannedBatch, ended: Ended) -> None:
        """Delete what is left of *batch*, whose results are kept elsewhere; what is gone already is no error."""
