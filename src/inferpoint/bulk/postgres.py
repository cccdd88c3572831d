"""PostgreSQL by psycopg: connections that are used again, and its errors in our words."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Mapping
from typing import Any

from inferpoint.bulk.addresses import Address
from inferpoint.errors import InferenceError, Kind
from inferpoint.extras import extra

PARAMETERS = ("host", "sslmode", "sslrootcert", "options")
# Classes of SQLSTATE, and some states of their own.
_KINDS = {
    "08": Kind.CUT_OFF,
    "28": Kind.UNAUTHENTICATED,
    "3D": Kind.NOT_FOUND,
    "40": Kind.CUT_OFF,  # a deadlock, or a transaction that must be tried again
    "42501": Kind.FORBIDDEN,
    "42": Kind.INVALID,
    "53": Kind.OVERLOADED,  # no room on the disk, in memory, for connections
    "57": Kind.CUT_OFF,  # the server is stopping or starting
}


class Connections:
    """Connections to the database of `postgresql://user:${PASSWORD}@host:port/name`, one for each thread at work.

    What the address does not say is taken from the variables that libpq reads, such as `PGPASSWORD`, and from the file
    of passwords. `host` is also a parameter, for the folder of a socket.
    """

    def __init__(self, place: Address) -> None:
        self._psycopg = extra("psycopg", of="postgres")
        host, _, port = place.host.partition(":")
        told = {"host": host, "port": port, "user": place.user, "password": place.password}
        told |= {
            "dbname": place.path.strip("/"),
            **{name: place.query.get(name) for name in PARAMETERS if name in place.query},
        }
        self._told: Mapping[str, Any] = {name: value for name, value in told.items() if value}
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def transaction(self) -> Generator[Any]:
        """A connection in a transaction, which holds when this is left without an error, and else never was."""
        with self._worded():
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None or connection.closed:
                connection = self._psycopg.connect(
                    **self._told, autocommit=True, connect_timeout=10, application_name="inferpoint"
                )
            try:
                with connection.transaction():
                    yield connection
            except BaseException:
                connection.close()
                raise
            with self._lock:
                self._idle.append(connection)

    def close(self) -> None:
        """Let go of all that nobody uses."""
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    @contextlib.contextmanager
    def _worded(self) -> Generator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            state = error.sqlstate or "08"
            kind = _KINDS.get(state) or _KINDS.get(state[:2], Kind.INTERNAL)
            raise InferenceError(kind, f"PostgreSQL: {str(error).partition(chr(10))[0]}") from None
