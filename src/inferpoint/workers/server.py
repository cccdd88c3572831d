"""The supervisor's end of the limiter that all workers share: one server for each worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from inferpoint.model.quota import Cost
from inferpoint.outbound.limiter import Limiter
from inferpoint.outbound.ticket import Permit, Refusal
from inferpoint.workers import messages
from inferpoint.workers.messages import FromLimiter, ToLimiter


class LimiterServer:
    """Does at the limiter what one worker asks, and tells it what came of it by *send*."""

    def __init__(self, limiter: Limiter, send: Callable[[FromLimiter], None]) -> None:
        self._limiter = limiter
        self._send = send
        self._waiting: dict[int, asyncio.Task[None]] = {}
        self._permits: dict[int, Permit] = {}

    def receive(self, message: ToLimiter) -> None:
        """Do what *message* asks of the limiter."""
        match message:
            case messages.Wanted(number):
                self._begin(number, partial(self._permit, message))
            case messages.Ahead(ticket, calls):
                self._send(messages.Leased(ticket.group, self._limiter.lease(ticket, calls)))
            case messages.Checked(number):
                self._begin(number, partial(self._check, message))
            case messages.Watched(number):
                self._begin(number, partial(self._watch, number))
            case messages.Left(number):
                self._leave(number)
            case messages.Settled(number, cost):
                self._settle(number, cost)
            case messages.Done(number):
                self._permits.pop(number, None)
            case messages.Paused() | messages.Released() | messages.Learnt():
                self._note(message)

    def close(self) -> None:
        """The worker is gone: its places are given up, and what it was given stays charged, for it may have called."""
        for task in self._waiting.values():
            task.cancel()
        self._permits.clear()

    def _begin(self, number: int, answer: Callable[[], Awaitable[FromLimiter]]) -> None:
        task = self._waiting[number] = asyncio.get_running_loop().create_task(self._answer(answer))
        task.add_done_callback(lambda _: self._waiting.pop(number))

    async def _answer(self, answer: Callable[[], Awaitable[FromLimiter]]) -> None:
        self._send(await answer())

    async def _permit(self, wanted: messages.Wanted) -> FromLimiter:
        # What the call really takes along is settled by the worker once it has its turn.
        permit = await self._limiter.permit(wanted.ticket, lambda: wanted.cost)
        if isinstance(permit, Refusal):
            return messages.Refused(wanted.number, permit)
        self._permits[wanted.number] = permit
        return messages.Granted(wanted.number, permit.waited)

    async def _check(self, checked: messages.Checked) -> FromLimiter:
        refusal = await self._limiter.check_deadline(checked.ticket, checked.calls)
        return messages.Granted(checked.number) if refusal is None else messages.Refused(checked.number, refusal)

    async def _watch(self, number: int) -> FromLimiter:
        return messages.Reported(number, await self._limiter.groups())

    def _note(self, message: messages.Paused | messages.Released | messages.Learnt) -> None:
        match message:
            case messages.Paused(group, seconds, because):
                self._limiter.pause(group, seconds, because)
            case messages.Released(group):
                self._limiter.release(group)
            case messages.Learnt(group, allowance):
                self._limiter.learn(group, allowance)

    def _settle(self, number: int, cost: Cost) -> None:
        if permit := self._permits.get(number):
            permit.settle(cost)

    def _leave(self, number: int) -> None:
        if permit := self._permits.pop(number, None):
            permit.release()
        elif waiting := self._waiting.get(number):
            waiting.cancel()
