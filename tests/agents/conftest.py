"""A server whose services are one scripted provider, and a function that sets an agent to work through it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from counterparts import Elsewhere, Relay, ScriptedProvider
from raw_http import ask
from real_agents import SERVICES, Agent, Run
from real_processes import Inferpoint, environ, moved_to, run

SETTINGS = {
    "amazonbedrock": {
        "access_key": "AKIDEXAMPLE",
        "secret_key": "secret-example",
        "region": "us-east-1",
        "provider": "anthropic",
        "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    },
    "anthropic": {"api_key": "sk-test", "model_id": "claude-sonnet-4-5"},
    "openai": {"api_key": "sk-test", "model_id": "gpt-5"},
}
HASTE = {"requests_per_minute": 60_000}
OPTIONS = {"anthropic": {"max_tokens": 4096}}


@pytest.fixture(scope="session")
def scripted() -> Iterator[ScriptedProvider]:
    """The provider of all services."""
    with ScriptedProvider() as running:
        yield running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, scripted: ScriptedProvider) -> Iterator[Inferpoint]:
    """The server, with an endpoint for each service that is called as the service is."""
    env = {**moved_to(scripted.url), "OPENAI_BASE_URL": f"{scripted.url}/v1"}
    with Inferpoint(tmp_path_factory.mktemp("server") / "data", env=env) as running:
        for service in SERVICES:
            config = {"service": service, "service_settings": {**SETTINGS[service], "rate_limit": HASTE}}
            config |= {"task_settings": OPTIONS[service]} if service in OPTIONS else {}
            made = ask(running.url, "PUT", f"/_inference/chat_completion/{service}", config)
            assert made.status == 200, made.body
        yield running


@pytest.fixture
def work(scripted: ScriptedProvider, tmp_path: Path) -> Iterator[Callable[[Agent, str, str], Run]]:
    """A function that says what came of an agent that asks for a service's endpoint at an address."""
    with ExitStack() as stack:
        elsewhere = stack.enter_context(Elsewhere())
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), elsewhere.url)
        env = environ(tmp_path, {**proxies, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})
        files, record = [tmp_path / "first.txt", tmp_path / "second.txt"], tmp_path / "exchanges.txt"
        for file, text in zip(files, ("21 degrees\n", "3 degrees\n"), strict=True):
            file.write_text(text, "utf-8")

        def of(agent: Agent, service: str, url: str) -> Run:
            scripted.turns.clear()
            relay = stack.enter_context(Relay(url))
            given = {"url": relay.url, "model": service, "files": [str(file) for file in files]}
            done = run(agent.command(given), env)
            assert done.returncode == 0, done.stderr
            told = json.loads(done.stdout.splitlines()[-1])
            record.write_text("\n\n".join(f"{each.body}\n{each}" for each in relay.exchanges), "utf-8")
            return Run(agent, service, told, list(scripted.turns), relay.exchanges, elsewhere.addresses, record)

        yield of
