"""What the log says of requests that fail, and the warnings to whoever runs the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from in_process import CLIENT, Application
from world import SECRET, Arrived, World, json_reply

from inferpoint.api import operations
from inferpoint.model.http import Reply

Faces = Callable[..., Application]

CHAT, CLAUDE = "chat", "claude"
SAID = [{"role": "user", "content": "Hi"}]
BEGUN = b'data: {"id": "1", "choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'
BROKEN = b'data: {"error": {"message": "it broke"}}\n\n'
CHATS = [
    (f"/_inference/chat_completion/{CHAT}/_stream", {"messages": SAID}),
    ("/v1/chat/completions", {"model": CHAT, "messages": SAID, "stream": True}),
    ("/v1/messages", {"model": CHAT, "messages": SAID, "stream": True, "max_tokens": 9}),
    ("/v1/responses", {"model": CHAT, "input": "Hi", "stream": True}),
]


def refusing(status: int, **headers: str) -> Callable[[Any], Reply]:
    return lambda _: json_reply({"error": {"message": f"No, {SECRET}"}}, status, **headers)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(("path", "body"), CHATS)
def test_a_stream_that_breaks_says_why(faces: Faces, path: str, body: dict[str, Any]) -> None:
    """Whatever the face: the caller was told under a status of 200, and the log knows it too."""
    ask = faces(lambda _: Arrived(200, [BEGUN, BROKEN], {"content-type": "text/event-stream"}))
    told = ask("POST", path, body)
    (logged,) = ask.world.log
    assert (told.status, told.body.count(b"it broke") > 0) == (200, True)
    assert (logged.status, logged.kind, logged.endpoint, logged.attempts) == (200, "internal", CHAT, 1)
    assert (logged.level, "it broke" in logged.reason) == ("error", True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": "a", "model": "vectors"}),
        ("/_inference/vectors", {"input": "a"}),
        ("/v2/embed", {"texts": ["a"], "model": "vectors", "input_type": "search_query"}),
    ],
)
def test_a_refusal_of_a_provider_says_why(faces: Faces, path: str, body: dict[str, Any]) -> None:
    """Kind, words without the key, the endpoint, how often the provider was asked, and the client's address."""
    ask = faces(refusing(503))
    ask("POST", path, body)
    (logged,) = ask.world.log
    assert (logged.level, logged.kind, logged.endpoint, logged.attempts) == ("error", "overloaded", "vectors", 3)
    assert (logged.client, SECRET in logged.reason, "No, " in logged.reason) == (CLIENT, False, True)


def test_what_watches_the_server_matters_least(make_world: Callable[..., World]) -> None:
    """Probes and scrapes come every few seconds, and are logged only where everything is."""

    async def exposition() -> bytes:
        return b""

    ask = Application(make_world(), extra=operations.routes(exposition, stopping=lambda: True))
    for path in ("/livez", "/readyz", "/metrics", "/"):
        ask("GET", path)
    assert [logged.level for logged in ask.world.log] == ["debug", "debug", "debug", "info"]


def test_a_key_that_is_refused_is_one_warning(faces: Faces, caplog: pytest.LogCaptureFixture) -> None:
    """However many requests meet it; another endpoint's is another."""
    ask = faces(refusing(401))
    for _ in range(3):
        for model in (CHAT, CLAUDE):
            ask("POST", "/v1/chat/completions", {"model": model, "messages": SAID})
    assert warnings(caplog) == [
        f"The service [{service}] refuses the key of the endpoint [{endpoint}] with status [401]"
        for service, endpoint in (("openai", CHAT), ("anthropic", CLAUDE))
    ]


def test_a_breaker_that_opens_is_one_warning(faces: Faces, caplog: pytest.LogCaptureFixture) -> None:
    """It names the address; and when its provider answers again that is a line too."""
    ask = faces(refusing(500))
    for _ in range(10):
        ask("POST", "/v1/chat/completions", {"model": CHAT, "messages": SAID})
    (warning,) = warnings(caplog)
    assert "https://api.openai.com" in warning


def test_a_group_that_pauses_is_one_warning(faces: Faces, caplog: pytest.LogCaptureFixture) -> None:
    """As long as its provider goes on asking to wait, whoever is told it."""
    ask = faces(refusing(429, **{"retry-after": "2"}))
    for _ in range(3):
        ask("POST", "/v1/chat/completions", {"model": CHAT, "messages": SAID})
    (warning,) = warnings(caplog)
    assert warning.startswith("The service [openai] asks to wait: its rate group [")
    assert warning.endswith("] pauses for 2.0 s")
