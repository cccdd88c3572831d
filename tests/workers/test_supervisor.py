"""What the supervisor does with workers that do not do as they are told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

from clock import FakeClock, on_a_loop, settle

from inferpoint.config import Config
from inferpoint.outbound.limiter import Limiter
from inferpoint.workers import supervisor
from inferpoint.workers.supervisor import Worker

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


async def deaf(clock: FakeClock) -> tuple[Worker, socket.socket]:
    """A worker that takes no notice of anything, and the other end of its channel."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DEAF, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    here, there = socket.socketpair()
    worker = await Worker(process, Limiter(clock), clock.monotonic()).connected(here)
    worker.ready.set_result(True)
    return worker, there


@on_a_loop
async def test_a_worker_that_does_not_stop_is_killed() -> None:
    """Once the time to drain and to finish is over, and some patience too, and not before; then all has ended."""
    clock, started, ends = FakeClock(), list[Worker](), list[socket.socket]()

    async def start(_number: int) -> Worker:
        worker, end = await deaf(clock)
        ends.append(end)
        started.append(worker)
        return worker

    with socket.create_server(("127.0.0.1", 0)) as listener:
        crew = supervisor._Crew(Config(workers=2, drain_seconds=5, shutdown_seconds=7), listener, start, clock)
        running = asyncio.ensure_future(crew.run())
        while len(started) < 2:  # noqa: ASYNC110 - processes start in their own time
            await asyncio.sleep(0.01)
        await settle()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.01)
        await clock.advance(5 + 7 + supervisor.PATIENCE - 0.1)
        assert [worker.process.returncode for worker in started] == [None, None]
        await clock.advance(0.2)
        await asyncio.wait_for(running, 60)
    assert [worker.process.returncode for worker in started] == [-signal.SIGKILL] * 2
    started[0].kill()  # one that is gone is not killed again
    for end in ends:
        end.close()
