"""What is slow, too much at once, or gone: how connections end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from clock import settle
from echoing import LARGE, Echo, server
from in_process import Caller, Told

from inferpoint.inbound.limits import ConnectionLimits
from inferpoint.inbound.server import HttpServer

HOST = b"Host: localhost\r\n"
GET = b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n"
NEVER = b"GET /never HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n"


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


def at(limits: ConnectionLimits | None = None) -> tuple[HttpServer, Echo]:
    echoing = Echo()
    return server(echoing, limits), echoing


async def later(serving: HttpServer, seconds: float) -> None:
    """Let time pass, and everything be done that is due."""
    await settle()
    serving.tell(serving.now + seconds)
    await settle()


def test_a_head_that_does_not_come_is_a_408() -> None:
    """Ten seconds after its first byte, however many came meanwhile; without a byte a connection is only idle."""

    async def main() -> None:
        serving, _ = at()
        slow, idle = Caller(serving), Caller(serving)
        slow.say(b"GET / HTTP/1.1\r\n")
        await later(serving, 9)
        slow.say(b"A: b\r\n")
        await later(serving, 0.9)
        assert not slow.closed
        await later(serving, 0.1)
        assert (Told(slow.told).status, slow.closed, idle.closed) == (408, True, False)
        await later(serving, 3590)
        assert (idle.closed, idle.told) == (True, b"")

    run(main)


def test_a_body_that_does_not_move_fails_whoever_reads_it() -> None:
    """A body of which too little came within ten seconds is an error, and one that moves may take its time."""

    async def main() -> None:
        serving, echoing = at()
        steady, slow = Caller(serving), Caller(serving)
        for caller in (steady, slow):
            caller.say(POST)
        for _ in range(20):
            await later(serving, 5)
            steady.say(b"a" * 5000)
            if not slow.closed:
                slow.say(b"a" * 2000)
        assert (Told(slow.told).status, slow.closed, echoing.answered) == (408, True, 0)
        assert not steady.closed
        steady.leave()
        await steady.answered()

    run(main)


def test_a_body_that_nobody_reads_is_not_slow() -> None:
    """Whoever is kept waiting by the server is not late; reading goes on when the body is taken."""

    async def main() -> None:
        serving, _ = at()
        caller = Caller(serving)
        caller.say(POST.replace(b"/a", b"/never"))
        caller.say(b"a" * 70_000)
        assert not caller.reads
        for _ in range(5):
            await later(serving, 10)
        assert not caller.closed
        caller.leave()
        await caller.answered()

    run(main)


@pytest.mark.parametrize("path", [b"/large", b"/pieces"])
def test_an_answer_that_nobody_reads_is_given_up(path: bytes) -> None:
    """An answer that is read may take its time; when too little was read for ten seconds the caller is gone."""

    async def main() -> None:
        def hear(caller: Caller) -> None:
            if caller.unread == 0:
                caller.unread = LARGE
                caller.connection.pause_writing()

        serving, echoing = at()
        caller = Caller(serving, hear)
        caller.say(GET.replace(b"/a", path))
        await settle()
        for _ in range(10):
            caller.unread -= 6000
            await later(serving, 10)
        assert not caller.closed
        await later(serving, 10)
        await later(serving, 10)
        await caller.answered()
        assert caller.closed
        assert echoing.left == (path == b"/pieces")

    run(main)


def test_the_longest_idle_goes_first() -> None:
    """Beyond the most connections the one that was idle the longest is closed, and one in work never."""

    async def main() -> None:
        serving, _ = at(ConnectionLimits(connections=3))
        busy, first, second = Caller(serving), Caller(serving), Caller(serving)
        busy.say(NEVER)
        first.say(GET)
        await first.answered()  # which makes the second the one that was idle longer
        third = Caller(serving)
        assert (busy.closed, first.closed, second.closed, third.closed) == (False, False, True, False)
        for caller in (first, third):
            caller.say(NEVER)
        refused = Caller(serving)
        await settle()
        assert (Told(refused.told).status, Told(refused.told).headers["retry-after"]) == (503, "1")
        assert refused.closed
        for caller in (busy, first, third):
            caller.leave()
            await caller.answered()

    run(main)


def test_a_full_house_says_so_at_once() -> None:
    """Beyond the most requests in work another is a 503 with `Retry-After`; what watches the server is answered."""

    async def main() -> None:
        serving, _ = at(ConnectionLimits(requests=1))
        busy, refused, watching, idle = (Caller(serving) for _ in range(4))
        busy.say(NEVER)
        refused.say(GET)
        watching.say(GET.replace(b"/a", b"/exempt"))
        await watching.answered()
        assert (Told(refused.told).status, Told(refused.told).headers["retry-after"]) == (503, "1")
        assert Told(watching.told).status == 200
        busy.leave()
        await busy.answered()
        idle.say(GET)
        await idle.answered()
        assert Told(idle.told).status == 200

    run(main)


@pytest.mark.parametrize("data", [NEVER, POST, GET.replace(b"/a", b"/large")])
def test_a_caller_that_leaves_ends_its_request(data: bytes) -> None:
    """Before its body has come, while it is answered, or while it does not read: the task is cancelled at once."""

    async def main() -> None:
        serving, _ = at()
        caller = Caller(serving, lambda caller: caller.connection.pause_writing())
        caller.say(data)
        await settle()
        caller.leave()
        await settle()
        assert caller.connection.task is None

    run(main)


def test_a_request_leaves_nothing_to_the_collector() -> None:
    """No object of a request is in a cycle: what it held is free once it was answered."""

    async def main() -> None:
        serving, _ = at()
        caller = Caller(serving)
        for _ in range(2):  # what is made once is made
            caller.say(GET)
            await caller.answered()
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for _ in range(20):
                caller.say(GET)
                await caller.answered()
            gc.collect()
            assert len(gc.garbage) < 20
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
        caller.leave()

    run(main)


def test_what_is_written_cannot_begin_another_head() -> None:
    """Line breaks in the values of an answer's headers are no line breaks any more."""

    class Breaking(Echo):
        async def __call__(self, exchange: Any) -> None:
            await exchange.answer(200, {"a": "b\r\nSet-Cookie: c", "d": "e\0\nf"}, b"")

    async def main() -> None:
        caller = Caller(server(Breaking()))
        caller.say(GET)
        await caller.answered()
        headers = Told(caller.told).headers
        assert (headers["a"], headers["d"]) == ("b  Set-Cookie: c", "e  f")
        assert b"\nSet-Cookie" not in caller.told

    run(main)


def test_an_application_that_fails_breaks_the_connection_off(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that was not written to its end is not taken for whole."""

    class Failing(Echo):
        async def __call__(self, exchange: Any) -> None:
            exchange.begin(200, {})
            await exchange.send(b"a")
            raise ValueError("no")

    async def main() -> None:
        caller = Caller(server(Failing()))
        caller.say(GET)
        await caller.answered()
        assert (caller.told.endswith(b"1\r\na\r\n"), caller.closed) == (True, True)

    run(main)
    assert "A request was not answered" in caplog.text
