"""An event loop in a thread of its own, and ways for code that does not await to wait for what runs in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from concurrent import futures
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from itertools import repeat
from typing import Any, TypeVar

from inferpoint.errors import InferenceError, Kind
from inferpoint.tasks import Tasks

T = TypeVar("T")


class Portal:
    """A thread with an event loop, for any number of threads that wait for work in it."""

    def __init__(self) -> None:
        self._submitting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks = Tasks()

    @property
    def is_open(self) -> bool:
        """Whether the thread takes work."""
        return self._loop is not None

    def start(self, inside: AbstractAsyncContextManager[Any]) -> None:
        """Start the thread, and enter *inside* in its loop; raises what entering raises."""
        if self._thread is not None:
            raise RuntimeError("This Inferpoint is open already")
        self._loop, self._ending = asyncio.new_event_loop(), asyncio.Event()
        entered, self._ended = Future[None](), Future[None]()
        run = partial(self._run, self._loop, self._serve(inside, entered))
        # A program that ends without closing does not wait for a daemon.
        self._thread = threading.Thread(target=run, name="inferpoint", daemon=True)
        self._thread.start()
        try:
            entered.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Give up the work in the loop, leave what was entered and end the thread; raises what leaving raises."""
        with self._submitting:
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.call_soon_threadsafe(self._ending.set)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._ended.result()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of *work*, run in the loop.

        A thread that is interrupted as it waits (Ctrl-C) cancels *work*, and goes on when that has ended. Closing the
        portal meanwhile is `CUT_OFF`; a portal without a loop is a `RuntimeError`.
        """
        outcome: Future[T] = Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(self._tasks.start(work))
            tasks[0].add_done_callback(partial(_report, outcome))

        def give_up() -> None:
            if tasks:
                tasks[0].cancel()
            else:  # interrupted before it was handed over
                work.close()
                outcome.cancel()

        try:
            if self._submit(begin):
                return outcome.result()
        except BaseException:
            if not outcome.done() and self._submit(give_up):
                futures.wait([outcome])
            raise
        work.close()
        raise RuntimeError(
            "Inferpoint is used inside `with inferpoint.connect(…) as ip:`, or between its open() and close()"
        )

    def iterate(self, pieces: AsyncGenerator[T, Any], sent: Iterable[Any] = repeat(None)) -> Generator[T]:
        """The items of *pieces* as they come; an iteration that is left early closes *pieces*.

        What is *sent* to them, one thing for each item, is read by whoever iterates and in that thread.
        """
        try:
            for thing in sent:
                yield self.wait(pieces.asend(thing))
        except StopAsyncIteration:
            return
        finally:
            self._close(pieces)

    def _close(self, pieces: AsyncGenerator[Any]) -> None:
        """End *pieces*, unless the loop has ended and they with it."""
        if threading.current_thread() is self._thread:  # garbage is collected anywhere, and the loop must not wait
            self._tasks.start(_aclose(pieces))
        elif self._loop is not None:
            self.wait(_aclose(pieces))

    def _submit(self, act: Callable[[], object]) -> bool:
        """Have *act* called in the loop; False when there is no loop, or it is about to end."""
        with self._submitting:
            if self._loop is None:
                return False
            self._loop.call_soon_threadsafe(act)
            return True

    def _run(self, loop: asyncio.AbstractEventLoop, serving: Coroutine[Any, Any, None]) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serving)
            self._ended.set_result(None)
        except BaseException as error:  # noqa: BLE001 - `stop` raises it
            self._ended.set_exception(error)

    async def _serve(self, inside: AbstractAsyncContextManager[Any], entered: Future[None]) -> None:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(inside)
            except BaseException as error:  # noqa: BLE001 - `start` raises it
                with self._submitting:
                    self._loop = None
                entered.set_exception(error)
                return
            entered.set_result(None)
            await self._ending.wait()
            await self._tasks.close()


def _report(outcome: Future[T], task: asyncio.Task[T]) -> None:
    """Hand the end of *task* to the thread that waits for *outcome*."""
    if task.cancelled():
        outcome.set_exception(InferenceError(Kind.CUT_OFF, "Inferpoint was closed before the answer came"))
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())


async def _aclose(pieces: AsyncGenerator[Any]) -> None:
    await pieces.aclose()
