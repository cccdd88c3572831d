"""What the HTTP client does on its own, which is nothing."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Callable

import pytest
from emulated_provider import Asked, Provider

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import Call, Reply
from inferpoint.outbound.http.transport import HttpTransport
from inferpoint.outbound.transport import UnreachableError


def sent(call: Call) -> Reply:
    async def send() -> Reply:
        transport = HttpTransport("1.2")
        try:
            return await (await transport.send(call)).read()
        finally:
            await transport.close()

    return asyncio.run(send())


def test_an_address_that_is_not_reached_is_told_from_a_call_that_is_not_answered(
    provider: Callable[..., Provider],
) -> None:
    """Nobody can call the one; of the other it is not known who else is answered."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(UnreachableError) as unreached:
        sent(Call(f"http://127.0.0.1:{port}/x"))
    assert unreached.value.kind is Kind.CUT_OFF
    with pytest.raises(InferenceError) as unanswered:
        sent(Call(f"{provider(lambda asked: asked.hang_up()).url}/x", b"{}"))
    assert (unanswered.value.kind, isinstance(unanswered.value, UnreachableError)) == (Kind.CUT_OFF, False)


def test_a_reply_says_that_it_is_a_neighbours(provider: Callable[..., Provider]) -> None:
    """Who answers at an address that is not global may be no provider; compressed or not."""
    assert sent(Call(f"{provider(lambda asked: asked.answer('ok')).url}/x")).neighbour
    packed = provider(lambda asked: asked.answer(gzip.compress(b"ok"), headers={"Content-Encoding": "gzip"}))
    reply = sent(Call(f"{packed.url}/x"))
    assert (reply.body, reply.neighbour) == (b"ok", True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirection_is_followed(provider: Callable[..., Provider], status: int) -> None:
    """A key that was meant for one address is never sent to another."""
    other = provider(lambda asked: asked.answer("stolen"))

    def redirect(asked: Asked) -> None:
        asked.begin(status, {"Location": f"{other.url}/x", "Content-Length": "0"})

    reply = sent(Call(f"{provider(redirect).url}/x", b"{}", {"authorization": "Bearer key"}))
    assert (reply.status, reply.headers["location"]) == (status, f"{other.url}/x")
    assert other.asked.empty()


def test_who_calls_is_said_and_nothing_else_is_added(provider: Callable[..., Provider]) -> None:
    """Beside a call's own headers there are those that HTTP needs, our name, and that no encoding is wanted."""
    answering = provider(lambda asked: asked.answer("ok"))
    sent(Call(f"{answering.url}/x", b"{}", {"content-type": "application/json"}))
    headers = {name.lower(): value for name, value in answering.next().headers.items()}
    assert headers.pop("host") in answering.url
    assert headers == {
        "content-type": "application/json",
        "content-length": "2",
        "accept-encoding": "identity",
        "user-agent": "inferpoint/1.2",
    }
