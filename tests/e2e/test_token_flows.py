"""Tokens by HTTP: a stand-in of Microsoft Entra, or of IBM Cloud's IAM, and of the provider that takes its tokens."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest

import inferpoint
from inferpoint import InferenceError

WAITERS = 8
AZURE = {
    "client_id": "app", "client_secret": "s3cret", "tenant_id": "a tenant", "scopes": ["https://x.test/.default"],
    "resource_name": "r", "deployment_id": "d", "api_version": "2024-02-01",
}  # fmt: skip
WATSONX = {"api_key": "s3cret", "api_version": "2024-05-02", "project_id": "p", "model_id": "m"}
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}
# Of each service: its settings, the variables that move it, where it asks for a token and with which form, how a wrong
# secret is refused, and what is told of that.
FLOWS: Mapping[str, tuple[Any, ...]] = {
    "azureopenai": (
        AZURE, ("AZURE_AUTHORITY_HOST", "AZURE_OPENAI_ENDPOINT"), "/a%20tenant/oauth2/v2.0/token",
        {
            "grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret",
            "scope": "https://x.test/.default",
        },
        (401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}),
        "AADSTS7000215: Invalid client secret provided.",
    ),
    "watsonxai": (
        WATSONX, ("WATSONX_AI_AUTH_URL", None), "/identity/token",
        {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": "s3cret"},
        (400, {"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found."}),
        "Provided API key could not be found.",
    ),
}  # fmt: skip


class Provider(ThreadingHTTPServer):
    """Gives a token when everybody waits for it, and takes the newest alone."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.refusal: tuple[int, Any] | None = None
        self.asked, self.all_wait = threading.Event(), threading.Event()
        self.granted: list[tuple[str, dict[str, str]]] = []
        self.authorized: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        if "token" not in self.path:
            self.server.authorized.append(self.headers["authorization"])
            newest = self.headers["authorization"] == f"Bearer token-{len(self.server.granted)}"
            self._answer(200 if newest else 401, ANSWER if newest else {"error": {"message": "expired"}})
            return
        assert self.headers["content-type"] == "application/x-www-form-urlencoded"
        self.server.granted.append((self.path, dict(parse_qsl(body))))
        self.server.asked.set()
        assert self.server.all_wait.wait(30)
        granted = {"access_token": f"token-{len(self.server.granted)}", "token_type": "Bearer", "expires_in": 3600}
        self._answer(*(self.server.refusal or (200, granted)))

    def _answer(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@pytest.fixture
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """The stand-in of the test's service, to which its variables move it."""
    variables = FLOWS[request.param][1]
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for variable in filter(None, variables):
            monkeypatch.setenv(variable, server.url)
        yield server
        server.shutdown()
        thread.join()


async def asked(service: str, provider: Provider) -> list[Any]:
    """What becomes of requests that all need the first token."""
    settings = FLOWS[service][0]
    if FLOWS[service][1][1] is None:
        settings = {**settings, "url": provider.url}
    async with inferpoint.Inferpoint(validate=False) as engine:
        await engine.put("e", task_type="completion", service=service, service_settings=settings)
        tasks = [asyncio.ensure_future(engine.complete("e", "Hello")) for _ in range(WAITERS)]
        await asyncio.to_thread(provider.asked.wait, 30)
        provider.all_wait.set()
        first = await asyncio.gather(*tasks, return_exceptions=True)
        return [*first, *await asyncio.gather(engine.complete("e", "Hello"), return_exceptions=True)]


@pytest.mark.parametrize(("provider", "service"), [(name, name) for name in FLOWS], indirect=["provider"])
def test_one_token_is_fetched_for_all_who_wait(provider: Provider, service: str) -> None:
    """At the address and with the form that its maker documents; every call carries it, those that come later too."""
    answers = asyncio.run(asked(service, provider))
    assert [answer for answer in answers if isinstance(answer, BaseException)] == []
    _, _, path, form, *_ = FLOWS[service]
    assert provider.granted == [(path, form)]
    assert provider.authorized == ["Bearer token-1"] * (WAITERS + 1)


@pytest.mark.parametrize(("provider", "service"), [(name, name) for name in FLOWS], indirect=["provider"])
def test_all_who_wait_are_told_why_there_is_no_token(provider: Provider, service: str) -> None:
    """One refusal for all of them, in the words of who refused; whoever comes later asks again, and no call is made."""
    *_, provider.refusal, words = FLOWS[service]
    answers = asyncio.run(asked(service, provider))
    assert all(isinstance(answer, InferenceError) for answer in answers)
    assert all(words in str(answer) and "s3cret" not in str(answer) for answer in answers)
    assert (len(provider.granted), provider.authorized) == (2, [])
