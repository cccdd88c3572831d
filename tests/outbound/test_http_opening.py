"""How connections are opened: to the address that was checked, in bounded time, and none is left by who gives up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
from raw_calls import OK, both, eventually, provided, sent
from raw_provider import Line, RawProvider
from torture import files

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call
from inferpoint.outbound.http import opening
from inferpoint.outbound.http.transport import HttpTransport


async def patient(line: Line) -> None:
    while await line.request():
        await line.say(OK)


async def silent(line: Line) -> None:
    await line.left()


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """A function that makes names stand for addresses, for each lookup the next; the names that were looked up."""

    def resolve(*answers: list[str] | OSError | UnicodeError) -> list[str]:
        asked: list[str] = []
        left = list(answers)

        def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            answer = left.pop(0) if len(left) > 1 else left[0]
            if not isinstance(answer, list):
                raise answer
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in answer]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return resolve


def test_the_address_that_was_checked_is_called(resolved: Callable[..., list[str]]) -> None:
    """A name is looked up once for a connection: one that would mean another address a moment later does not."""
    asked = resolved(["127.0.0.1"], ["169.254.169.254"])

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            url = f"http://model.example:{provider.port}/x"
            bodies = [(await sent(transport, Call(url, headers={"authorization": str(n)}))).body for n in range(5)]
            assert bodies == [b"ok"] * 5
            assert len(provider.lines) == 5
            assert asked == ["model.example"]

    asyncio.run(main())


def test_names_are_looked_up_once_for_all_who_ask(resolved: Callable[..., list[str]]) -> None:
    """Many calls that begin at once ask the resolver once; who of them leaves takes nothing from the others."""
    asked = resolved(["127.0.0.1"])

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            url = f"http://model.example:{provider.port}/x"
            tasks = [asyncio.create_task(sent(transport, Call(url))) for _ in range(20)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            replies = await asyncio.gather(*tasks[1:])
            assert {reply.body for reply in replies} == {b"ok"}
            assert asked == ["model.example"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["169.254.169.254", "fe80::1"], r"The address \[http://model.example/x\] may not be called"),
        (socket.gaierror(-2, "no"), r"Invalid host \[http://model.example/x\], please check that the URL is correct."),
        (UnicodeError("label too long"), r"Invalid host \[http://model.example/x\]"),
    ],
)
def test_a_name_that_leads_nowhere_is_told(resolved: Callable[..., list[str]], answer: Any, words: str) -> None:
    """A name whose addresses may not be called, or that is none, is the caller's error; it may be one no more later."""
    resolved(answer, answer, ["127.0.0.1"])

    async def main() -> None:
        transport = HttpTransport("0")
        for _ in range(2):
            with pytest.raises(InferenceError, match=words) as caught:
                await transport.send(Call("http://model.example/x?key=secret"))
            assert caught.value.kind is Kind.INVALID
        await transport.close()

    asyncio.run(main())


def test_another_address_of_a_name_is_tried(
    resolved: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that refuses is passed over, one that does not answer costs a bounded time, one that is forbidden none."""
    monkeypatch.setattr(opening, "_NEXT_SECONDS", 0.05)
    resolved(["169.254.169.254", "127.0.0.9", "127.0.0.1"])

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            assert (await sent(transport, Call(f"http://model.example:{provider.port}/x"))).body == b"ok"

    asyncio.run(main())


def test_nobody_listening_is_told() -> None:
    """The words are the system's, the address ours without its query."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"

    async def main() -> None:
        transport = HttpTransport("0")
        with pytest.raises(InferenceError) as caught:
            await transport.send(Call(f"{url}?key=secret"))
        assert caught.value.kind is Kind.CUT_OFF
        assert str(caught.value) == f"Could not reach [{url}]: connection refused"
        await transport.close()

    both(main)


def test_a_handshake_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing under TLS is no server, and its connection is closed."""
    monkeypatch.setattr(opening, "CONNECT_SECONDS", 0.05)

    async def main() -> None:
        async with provided(silent) as (provider, transport):
            with pytest.raises(InferenceError, match="no connection in time"):
                await transport.send(Call(f"https://127.0.0.1:{provider.port}/x"))
            await eventually(lambda: provider.open == 0)

    both(main)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("proxied", [False, True])
def test_whoever_gives_up_while_connecting_leaves_nothing(
    scheme: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is cancelled at any moment of its opening has no connection afterwards, on neither side."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    async def main() -> None:
        async with RawProvider(silent) as provider:
            if proxied:
                monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{provider.port}")
            host = "model.example" if proxied else "127.0.0.1"
            transport = HttpTransport("0")
            before = files()
            for turns in range(40):
                task = asyncio.create_task(transport.send(Call(f"{scheme}://{host}:{provider.port}/x", b"{}")))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await eventually(lambda: provider.open == 0)
            assert len(transport._pool) == 0
            await eventually(lambda: files() <= before)
            await transport.close()

    both(main)


def test_a_client_that_is_closed_while_it_connects_has_no_connection() -> None:
    """What opens after the end is closed at once."""

    async def main() -> None:
        async with provided(patient) as (provider, transport):
            task = asyncio.create_task(sent(transport, Call(f"{provider.url}/x")))
            await asyncio.sleep(0)
            await transport.close()
            with pytest.raises(InferenceError):
                await task
            await eventually(lambda: provider.open == 0)

    both(main)


@pytest.mark.parametrize(
    "url", ["http://", "http:///x", "https://:80/x", "http://h:99999/", "http://h:x/", "http://[::1/", "http://h/a b", "ftp://h/"]
)  # fmt: skip
def test_what_is_no_address_is_told(url: str) -> None:
    """An address that cannot be one is refused before anything is looked up."""

    async def main() -> None:
        with pytest.raises(InferenceError, match="Invalid url") as caught:
            await HttpTransport("0").send(Call(f"{url}?key=secret"))
        assert caught.value.kind is Kind.INVALID
        assert "secret" not in str(caught.value)

    asyncio.run(main())
