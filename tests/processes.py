"""Fixtures of programs in processes of their own, which e2e, judges and clients share: one of each for all tests."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulated_provider import Asked, Provider, vectors
from raw_http import ask
from real_processes import Aimock
from stand_ins import StandIn

_COUNT = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _default_port() -> Iterator[None]:
    """The server's default port, taken by these tests or by another server while they run: none may need it."""
    with socket.socket() as taken:
        with contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", 9210))
        yield


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home for programs."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def aimock(home: Path) -> Iterator[Aimock]:
    """aimock: OpenAI, Anthropic, a server of Hugging Face's, and what answers behind ministack."""
    with Aimock(home) as running:
        yield running


@pytest.fixture(scope="session")
def ministack(home: Path, aimock: Aimock) -> Iterator[StandIn]:
    """ministack: Bedrock's Converse and ConverseStream."""
    env = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": "0", "MINISTACK_BEDROCK_PROXY_URL": aimock.url}
    with StandIn(("ministack/bin/ministack",), home, env) as running:
        yield running


@pytest.fixture(scope="session")
def moto_s3(home: Path) -> Iterator[StandIn]:
    """An S3 by moto, which asks for keys and does not check them."""
    with StandIn(("moto/bin/moto_server", "-H", "127.0.0.1", "-p", "0"), home) as running:
        yield running


@pytest.fixture
def bucket(moto_s3: StandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """A function that makes a bucket and gives its URL; the environment leads to moto, as it would to any cloud."""
    variables = {
        "AWS_ENDPOINT_URL": moto_s3.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    def made() -> str:
        name = f"documents-{next(_COUNT)}"
        assert ask(moto_s3.url, "PUT", f"/{name}").status == 200
        return f"s3://{name}"

    return made


@pytest.fixture(scope="session")
def embedder() -> Iterator[Provider]:
    """A stand-in for Text Embeddings Inference."""
    with Provider(vectors) as running:
        yield running


@pytest.fixture
def provider() -> Iterator[Callable[[Callable[[Asked], None]], Provider]]:
    """A function that starts a provider for this test, given how it answers."""
    running: list[Provider] = []

    def start(act: Callable[[Asked], None]) -> Provider:
        running.append(Provider(act).__enter__())
        return running[-1]

    yield start
    for each in running:
        each.__exit__(None, None, None)
