"""Where field cases run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from emulated_provider import Provider
from field_cases import InProcess, OverHttp, Place
from field_provider import ScriptedProvider
from real_processes import Inferpoint
from world import World

from inferpoint.local.models import import_model


@pytest.fixture(scope="session")
def over_http(tmp_path_factory: pytest.TempPathFactory, wheel: Any) -> Iterator[OverHttp]:
    """A server with the local model, and its provider, which answers as the case that runs says."""
    data, provider = tmp_path_factory.mktemp("field") / "data", ScriptedProvider()
    import_model(wheel, data / "models")
    with Provider(provider.on_http) as listening, Inferpoint(data) as server:
        yield OverHttp(server.url, provider, listening.url)


@pytest.fixture
def place(request: pytest.FixtureRequest, case: Any, make_world: Callable[..., World]) -> Place:
    """The server that *case* asks."""
    return request.getfixturevalue("over_http") if case.get("over") == "http" else InProcess(make_world)
