"""The supervisor's end of the limiter that all workers share: one server for each worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from inferpoint.outbound.limiter import Limiter
from inferpoint.outbound.ticket import Permit, Refusal
from inferpoint.workers import messages
from inferpoint.workers.messages import FromLimiter, Question, ToLimiter


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
            case messages.Left(number):
                self._leave(number)
            case messages.Settled() | messages.Failed() | messages.Done():
                self._note(message)
            case messages.Ahead(ticket, calls):
                self._send(messages.Leased(ticket.group, self._limiter.lease(ticket, calls)))
            case messages.Paused(group, seconds, because):
                self._limiter.pause(group, seconds, because)
            case messages.Released(group):
                self._limiter.release(group)
            case messages.Learnt(group, allowance):
                self._limiter.learn(group, allowance)
            case question:
                task = self._waiting[question.number] = asyncio.get_running_loop().create_task(self._answer(question))
                task.add_done_callback(lambda _: self._waiting.pop(question.number))

    def close(self) -> None:
        """The worker is gone: its places are given up, and what it was given stays charged, for it may have called."""
        for task in self._waiting.values():
            task.cancel()
        for number in list(self._permits):
            self._note(messages.Done(number))

    async def _answer(self, question: Question) -> None:
        number = question.number
        match question:
            case messages.Wanted():
                answer = await self._permit(question)
            case messages.Admitted():
                answer = _granted(number, await self._limiter.admit(question.ticket))
            case messages.Checked():
                answer = _granted(number, await self._limiter.check_deadline(question.ticket, question.calls))
            case messages.Weighed():
                answer = _granted(number, await self._limiter.check_affordable(question.ticket, question.cost))
            case messages.Watched():
                answer = messages.Reported(number, await self._limiter.groups())
            case messages.Counted():
                answer = messages.ReportedCallers(number, await self._limiter.callers(question.asking))
        self._send(answer)

    async def _permit(self, wanted: messages.Wanted) -> FromLimiter:
        # What the call really takes along is settled by the worker once it has its turn.
        permit = await self._limiter.permit(wanted.ticket, lambda: wanted.cost)
        if isinstance(permit, Refusal):
            return messages.Refused(wanted.number, permit)
        self._permits[wanted.number] = permit
        return messages.Granted(wanted.number, permit.waited)

    def _note(self, message: messages.Settled | messages.Failed | messages.Done) -> None:
        """Do to a permit what became of its call."""
        permit = self._permits.get(message.number)
        match message:
            case _ if permit is None:
                pass
            case messages.Settled():
                permit.settle(message.cost)
            case messages.Failed():
                permit.failed()
            case messages.Done(number):
                del self._permits[number]
                permit.sent()
                permit.release()

    def _leave(self, number: int) -> None:
        if permit := self._permits.pop(number, None):
            permit.release()
        elif waiting := self._waiting.get(number):
            waiting.cancel()


def _granted(number: int, refusal: Refusal | None) -> FromLimiter:
    return messages.Granted(number) if refusal is None else messages.Refused(number, refusal)
