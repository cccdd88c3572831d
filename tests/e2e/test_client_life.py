"""An endpoint's life through each official client; what must hold in it is written in each client's language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from emulated_provider import Provider
from official_clients import CLIENTS, Client
from real_processes import Aimock, Inferpoint, environ, run

_SCRIPTS = Path(__file__).parent / "clients"
_PARTS = {
    "python": re.findall(r"^def (\w+)\(\):", (_SCRIPTS / "life.py").read_text(), re.MULTILINE),
    "javascript": re.findall(r"^  async (\w+)\(\) {", (_SCRIPTS / "life.mjs").read_text(), re.MULTILINE),
}
_CASES = [(client, part) for client in CLIENTS for part in _PARTS[client.language]]


@pytest.fixture(scope="session")
def life(
    server: Inferpoint, embedder: Provider, aimock: Aimock, home: Path
) -> Callable[[Client], dict[str, str | None]]:
    """A function that says for each part of the life what went wrong; each client lives it once."""

    @cache
    def lived(client: Client) -> dict[str, str | None]:
        prefix = client.name.replace(" ", "-") + "-"
        done = run(client.command("life", server.url, prefix, embedder.url, aimock.url), environ(home))
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr
        return json.loads(done.stdout)

    return lived


@pytest.mark.parametrize(("client", "part"), _CASES, ids=[f"{client.name}, {part}" for client, part in _CASES])
def test_an_endpoint_lives(life: Callable[[Client], dict[str, str | None]], client: Client, part: str) -> None:
    """What the unmodified client is promised by its own documentation holds for an endpoint of ours."""
    problem = life(client)[part]
    assert problem is None, problem
