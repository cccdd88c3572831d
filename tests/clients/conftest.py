"""A server whose services are stand-ins that others wrote, and an endpoint on it of every service that chats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from emulated_provider import Provider
from raw_http import ask
from real_clients import Client
from real_processes import ROOT, Aimock, Inferpoint, environ, moved_to, run
from stand_ins import StandIn

TABLES = "lib/python*/site-packages/litellm/litellm_core_utils/tokenizers"  # what LangChain cuts texts into tokens by
HASTE = {"rate_limit": {"requests_per_minute": 60_000}}
AMAZON = {
    "access_key": "AKIDEXAMPLE",
    "secret_key": "secret-example",
    "region": "us-east-1",
    "provider": "anthropic",
    "model": "us.anthropic.claude-3-haiku-20240307-v1:0",
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, aimock: Aimock, ministack: StandIn) -> Iterator[Inferpoint]:
    """The server that all clients ask."""
    env = {
        **moved_to(aimock.url),
        "OPENAI_BASE_URL": f"{aimock.url}/v1",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": ministack.url,
    }
    with Inferpoint(tmp_path_factory.mktemp("server") / "data", env=env) as running:
        yield running


def made(server: Inferpoint, task: str, service: str, settings: dict[str, Any], **options: Any) -> str:
    """A new endpoint."""
    inference_id = f"{task}-{service}"
    config = {"service": service, "service_settings": {**HASTE, **settings}, "task_settings": options}
    answered = ask(server.url, "PUT", f"/_inference/{task}/{inference_id}", config)
    assert answered.status == 200, answered.body
    return inference_id


@pytest.fixture(scope="session")
def asked(server: Inferpoint, aimock: Aimock, embedder: Provider) -> dict[str, dict[str, str]]:
    """For every service of chats that an emulator speaks: what its clients' scripts are given."""
    chats: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "openai": ({"api_key": "sk-test", "model_id": "gpt-4o-mini"}, {}),
        "anthropic": ({"api_key": "sk-test", "model_id": "claude-sonnet-4-5"}, {"max_tokens": 1024}),
        "amazonbedrock": (AMAZON, {}),
        "groq": ({"api_key": "gsk-test", "model_id": "llama-3.3-70b-versatile"}, {}),
        "hugging_face": ({"api_key": "hf-test", "url": f"{aimock.url}/v1/chat/completions"}, {}),
    }
    embeddings: dict[str, dict[str, Any]] = {
        "openai": {"api_key": "sk-test", "model_id": "text-embedding-3-small"},
        "hugging_face": {"api_key": "hf-test", "url": embedder.url},
    }
    found: dict[str, dict[str, str]] = {}
    for name, (settings, options) in chats.items():
        found[name] = {
            "url": server.url,
            "chat": made(server, "chat_completion", name, settings, **options),
            "embedding": made(server, "text_embedding", name, embeddings[name]) if name in embeddings else "",
        }
    return found


@pytest.fixture(scope="session")
def results(asked: dict[str, dict[str, str]], home: Path) -> Callable[[Client], dict[str, dict[str, Any]]]:
    """A function that says what came of a client's script, by service; each script runs once."""
    kept: dict[str, dict[str, dict[str, Any]]] = {}
    tables = next(ROOT.glob(f".venvs/clients-frameworks/{TABLES}"))
    env = environ(home, {"TIKTOKEN_CACHE_DIR": str(tables), "HAYSTACK_TELEMETRY_ENABLED": "False"})

    def of(client: Client) -> dict[str, dict[str, Any]]:
        if client.name not in kept:
            done = run(client.command(json.dumps(asked)), env)
            assert done.returncode == 0, done.stderr
            kept[client.name] = json.loads(done.stdout.splitlines()[-1])
        return kept[client.name]

    return of
