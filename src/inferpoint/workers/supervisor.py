"""Several workers: the process that was started keeps them running, and is the one limiter of them all.

It serves nothing itself and stays small. A worker that dies loses its places in the queues at once, and what it was
given stays charged, so that no provider's limit is ever exceeded; a supervisor that dies takes its workers along.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from inferpoint.clock import Clock, SystemClock
from inferpoint.config import Config
from inferpoint.errors import InferenceError, Kind
from inferpoint.outbound.caller_limits import lasting
from inferpoint.outbound.limiter import Limiter
from inferpoint.storage.folder import locked
from inferpoint.telemetry.log import warn
from inferpoint.workers.channel import Channel
from inferpoint.workers.inheritance import Inheritance
from inferpoint.workers.listening import announce, listening
from inferpoint.workers.messages import Ready, Stop, ToLimiter
from inferpoint.workers.server import LimiterServer

STEADY_SECONDS = 10.0  # a worker that lasted so long is replaced at once
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before one is replaced that did not
PATIENCE = 10.0  # seconds beyond those that requests have to finish, after which a worker is killed


def supervise(config: Config, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run as many workers as *config* says until told to stop; each is started with the *arguments* of `serve`."""
    clock = SystemClock()
    with (
        listening(config) as listener,
        locked(Path(config.data_dir)) as locks,
        tempfile.TemporaryDirectory(prefix="inferpoint-") as counters,
        lasting(clock, Path(config.data_dir), config.longest_pause_seconds) as limiter,
    ):

        async def start(number: int) -> Worker:
            here, there = socket.socketpair()
            with there:
                inheritance = Inheritance(number, listener.fileno(), there.fileno(), counters)
                process = await asyncio.create_subprocess_exec(
                    sys.executable,  # -P: no module is looked for in the folder that it is started in
                    *("-P", "-m", "inferpoint", "serve", *arguments),
                    env={**environ, **inheritance.variables()},
                    pass_fds=(listener.fileno(), there.fileno(), *locks),  # the folder is held until the last has ended
                    start_new_session=True,  # an interrupt from the keyboard is for the supervisor alone
                )
            return await Worker(process, limiter, clock.monotonic()).connected(here)

        uvloop.run(_Crew(config, listener, start, clock).run())


class Worker:
    """One process that answers requests, and the channel to it; *began* is in the clock's monotonic seconds."""

    def __init__(self, process: asyncio.subprocess.Process, limiter: Limiter, began: float) -> None:
        self.process = process
        self.began = began
        self.ready = asyncio.get_running_loop().create_future()
        self._channel: Channel[Ready | ToLimiter] = Channel(Ready | ToLimiter)
        self._limiter = LimiterServer(limiter, self._channel.send)

    async def connected(self, end: socket.socket) -> Worker:
        """This worker, with the channel open at *end*."""
        await self._channel.open(end, self._receive, self._ended)
        return self

    def stop(self, *, forced: bool) -> None:
        """Have the process stop, and finish what it has begun unless it is *forced*."""
        self._channel.send(Stop(forced))

    def kill(self) -> None:
        """End the process now."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def _receive(self, message: Ready | ToLimiter) -> None:
        if isinstance(message, Ready):
            self.ready.set_result(True)
        else:
            self._limiter.receive(message)

    def _ended(self) -> None:
        self._limiter.close()
        if not self.ready.done():
            self.ready.set_result(False)


class _Crew:
    """All workers, by their numbers."""

    def __init__(
        self, config: Config, listener: socket.socket, start: Callable[[int], Awaitable[Worker]], clock: Clock
    ) -> None:
        self._config = config
        self._listener = listener
        self._start = start
        self._clock = clock
        self._workers: dict[int, Worker] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start the workers, replace those that die, and return when all have ended as they were told to."""
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, self._stop)
        count = self._config.workers
        try:
            await self._ready(0)  # alone: it brings the store up to date and makes the secret key
            await asyncio.gather(*(self._ready(number) for number in range(1, count)))
            if not self._stopping.is_set():
                announce(self._config, self._listener)
            await asyncio.gather(*(self._keep(number) for number in range(count)))
        finally:
            if not self._stopping.is_set():
                self._stop()
            await asyncio.gather(*(worker.process.wait() for worker in self._workers.values()))

    async def _ready(self, number: int) -> None:
        """Have a worker take connections; `INTERNAL` when it has ended before, and has said why."""
        await self._begin(number)
        worker = self._workers.get(number)
        if worker is not None and not await worker.ready and not self._stopping.is_set():
            status = await worker.process.wait()
            raise InferenceError(Kind.INTERNAL, f"A worker ended with status {status} before it was ready")

    async def _begin(self, number: int) -> None:
        if self._stopping.is_set():
            return
        worker = self._workers[number] = await self._start(number)
        if self._stopping.is_set():
            worker.stop(forced=False)

    async def _keep(self, number: int) -> None:
        """Replace a worker when it ends, and whoever replaces it, until told to stop."""
        pause = 0.0
        while not self._stopping.is_set():
            worker = self._workers[number]
            status = await worker.process.wait()
            if self._stopping.is_set():
                return
            steady = self._clock.monotonic() - worker.began >= STEADY_SECONDS
            pause = 0.0 if steady else min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * pause))
            warn(f"A worker ended with status {status}; another takes its place")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            await self._begin(number)

    def _stop(self) -> None:
        """Have all finish what they have begun; told a second time, have them end without."""
        for worker in self._workers.values():
            worker.stop(forced=self._stopping.is_set())
        if not self._stopping.is_set():
            self._stopping.set()
            self._listener.close()
            seconds = self._config.drain_seconds + self._config.shutdown_seconds + PATIENCE
            self._clock.at(self._clock.monotonic() + seconds, self._kill)

    def _kill(self) -> None:
        for worker in self._workers.values():
            worker.kill()
