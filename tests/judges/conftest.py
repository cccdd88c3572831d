"""Providers' stand-ins that others wrote, each a process from an environment of its own, and servers moved to them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from raw_http import Answered, ask
from real_processes import Inferpoint
from stand_ins import StandIn

_COUNT = itertools.count(1)
HASTE = {"rate_limit": {"requests_per_minute": 60_000}}


@pytest.fixture(scope="session")
def mock_ai_api(home: Path) -> Iterator[StandIn]:
    """mock-ai-api's Anthropic, without the parent process that leaves its children behind."""
    command = ("mock-ai-api/bin/python", "-m", "uvicorn", "app.anthropic_app:app", "--host=127.0.0.1", "--port=0")
    with StandIn(command, home) as running:
        yield running


@pytest.fixture(scope="session")
def moto(home: Path) -> Iterator[StandIn]:
    """moto, which checks every signature after the four calls that make a user."""
    env = {"INITIAL_NO_AUTH_ACTION_COUNT": "4"}
    with StandIn(("moto/bin/moto_server", "-H", "127.0.0.1", "-p", "0"), home, env) as running:
        yield running


@pytest.fixture(scope="session")
def keys(moto: StandIn) -> dict[str, str]:
    """The keys of a user who may do everything."""
    client = botocore.session.Session().create_client(
        "iam",
        "us-east-1",
        endpoint_url=moto.url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="anything",
        config=Config(retries={"max_attempts": 0}),
    )
    client.create_user(UserName="inferpoint")
    key = client.create_access_key(UserName="inferpoint")["AccessKey"]
    allowed = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    client.put_user_policy(UserName="inferpoint", PolicyName="all", PolicyDocument=allowed)
    client.list_users()
    client.close()
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}


@pytest.fixture(scope="session")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Inferpoint]]:
    """A function that starts a server whose services the given variables move."""
    running: list[Inferpoint] = []

    def start(**env: str) -> Inferpoint:
        running.append(Inferpoint(tmp_path_factory.mktemp("server") / "data", env=env).__enter__())
        return running[-1]

    yield start
    for each in running:
        each.kill()


@pytest.fixture
def create() -> Callable[..., str]:
    """A function that makes an endpoint that no other test uses, validated by a real call unless it is not to be."""

    def make(
        server: Inferpoint,
        task: str,
        service: str,
        settings: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
        *,
        validated: bool = True,
    ) -> str:
        inference_id = f"judged-{next(_COUNT)}"
        config = {"service": service, "service_settings": {**HASTE, **settings}, "task_settings": options or {}}
        query = "" if validated else "?skip_validation=true"
        made = ask(server.url, "PUT", f"/_inference/{task}/{inference_id}{query}", config)
        assert made.status == 200, made.body
        return inference_id

    return make


@pytest.fixture
def infer() -> Callable[..., Answered]:
    """A function that asks an endpoint, whole or streamed."""

    def post(server: Inferpoint, inference_id: str, given: Any, *, stream: bool = False, **more: Any) -> Answered:
        path = f"/_inference/{inference_id}" + ("/_stream" if stream else "")
        return ask(server.url, "POST", path, {"input": given, **more})

    return post
