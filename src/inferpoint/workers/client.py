"""A worker's side of the limiter that all workers share: it asks the supervisor, who has the queues."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.quota import Allowance, GroupReport
from inferpoint.outbound.limiter import Place
from inferpoint.workers.messages import (
    Done,
    FromLimiter,
    Granted,
    Learnt,
    Left,
    Paused,
    Refused,
    Reported,
    Settled,
    ToLimiter,
    Wanted,
    Watched,
    Weighed,
)

A = TypeVar("A", Granted, Reported)


class SharedTurn:
    """The leave to make one call now, after having `waited` so many seconds."""

    def __init__(self, number: int, waited: float, send: Callable[[ToLimiter], None]) -> None:
        self._number = number
        self._send = send
        self.waited = waited

    def settle(self, tokens: int) -> None:
        """Say how many tokens the call costs, as far as is known now; the last word holds."""
        self._send(Settled(self._number, tokens))

    def give_back(self) -> None:
        """Nothing was sent."""
        self._send(Left(self._number))

    def __del__(self) -> None:
        self._send(Done(self._number))


class SharedLimiter:
    """What `Limiter` is, for one of several processes. *send* is how it asks, `receive` how it is answered."""

    def __init__(self, send: Callable[[ToLimiter], None]) -> None:
        self._send = send
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[FromLimiter]] = {}
        self._lost = False

    async def turn(self, place: Place, tokens: Callable[[], int], *, first: bool = False) -> SharedTurn:
        """Wait for the turn of *place*; what *tokens* says when it comes is charged, what it says before an estimate.

        Raises what the limiter does, and `OVERLOADED` when the supervisor is gone.
        """
        estimate = tokens()
        number = next(self._numbers)
        granted = await self._answer(number, Wanted(number, place, estimate, first), Granted)
        turn = SharedTurn(number, granted.waited, self._send)
        if (cost := tokens()) != estimate:
            turn.settle(cost)
        return turn

    async def refuse_if_hopeless(self, place: Place, calls: int) -> None:
        """Raise what `turn` would for the last of so many calls, so that none of them is made in vain."""
        number = next(self._numbers)
        await self._answer(number, Weighed(number, place, calls), Granted)

    def pause(self, group: str, seconds: float) -> None:
        """Let nobody of *group* go for so many seconds: its provider said so."""
        self._send(Paused(group, seconds))

    def learn(self, group: str, allowance: Allowance) -> None:
        """Take note of what the provider tells of its limits."""
        self._send(Learnt(group, allowance))

    async def groups(self) -> Sequence[GroupReport]:
        """How every group stands, over all workers."""
        number = next(self._numbers)
        return (await self._answer(number, Watched(number), Reported)).groups

    def receive(self, answer: FromLimiter) -> None:
        """An answer has come; whoever has left meanwhile has said so."""
        asked = self._asked.get(answer.number)
        if asked is not None and not asked.done():
            asked.set_result(answer)

    def lose(self) -> None:
        """The supervisor is gone: nobody has a turn any more."""
        self._lost = True
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(_stopping())

    async def _answer(self, number: int, question: ToLimiter, kind: type[A]) -> A:
        if self._lost:
            raise _stopping()
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send(question)
        try:
            answer = await asked
        except asyncio.CancelledError:
            self._send(Left(number))
            raise
        finally:
            del self._asked[number]
        if isinstance(answer, Refused):
            raise InferenceError(
                answer.kind, *answer.problems, retry_after=answer.retry_after, whose_limit=answer.whose_limit
            )
        assert isinstance(answer, kind)
        return answer


def _stopping() -> InferenceError:
    return InferenceError(Kind.OVERLOADED, "The server is being stopped")
