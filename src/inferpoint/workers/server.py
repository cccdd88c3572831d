"""The supervisor's side of the limiter that all workers share: one desk for each worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from inferpoint.errors import InferenceError
from inferpoint.outbound.limiter import Leave, Queues
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


class Desk:
    """Does at the limiter what one worker asks, and tells it what came of it by *send*."""

    def __init__(self, limiter: Queues, send: Callable[[FromLimiter], None]) -> None:
        self._limiter = limiter
        self._send = send
        self._waiting: dict[int, asyncio.Task[None]] = {}
        self._turns: dict[int, Leave] = {}

    def receive(self, message: ToLimiter) -> None:
        """Do what *message* says."""
        match message:
            case Wanted(number):
                self._begin(number, partial(self._turn, message))
            case Weighed(number):
                self._begin(number, partial(self._weigh, message))
            case Watched(number):
                self._begin(number, partial(self._watch, number))
            case Left(number):
                self._leave(number)
            case Settled(number, tokens):
                self._settle(number, tokens)
            case Done(number):
                self._turns.pop(number, None)
            case Paused(group, seconds):
                self._limiter.pause(group, seconds)
            case Learnt(group, allowance):
                self._limiter.learn(group, allowance)

    def close(self) -> None:
        """The worker is gone: its places are given up, and what it was given stays charged, for it may have called."""
        for task in self._waiting.values():
            task.cancel()
        self._turns.clear()

    def _begin(self, number: int, answer: Callable[[], Awaitable[FromLimiter]]) -> None:
        task = self._waiting[number] = asyncio.get_running_loop().create_task(self._answer(number, answer))
        task.add_done_callback(lambda _: self._waiting.pop(number))

    async def _answer(self, number: int, answer: Callable[[], Awaitable[FromLimiter]]) -> None:
        try:
            self._send(await answer())
        except InferenceError as error:
            self._send(Refused(number, error.kind, error.problems, error.retry_after, error.whose_limit))

    async def _turn(self, wanted: Wanted) -> Granted:
        turn = await self._limiter.turn(wanted.place, lambda: wanted.tokens, first=wanted.first)
        self._turns[wanted.number] = turn
        return Granted(wanted.number, turn.waited)

    async def _weigh(self, weighed: Weighed) -> Granted:
        await self._limiter.refuse_if_hopeless(weighed.place, weighed.calls)
        return Granted(weighed.number)

    async def _watch(self, number: int) -> Reported:
        return Reported(number, await self._limiter.groups())

    def _settle(self, number: int, tokens: int) -> None:
        if turn := self._turns.get(number):
            turn.settle(tokens)

    def _leave(self, number: int) -> None:
        if turn := self._turns.pop(number, None):
            turn.give_back()
        elif waiting := self._waiting.get(number):
            waiting.cancel()
