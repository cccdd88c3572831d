"""The socket that the server listens on, and the line that says so."""

from __future__ import annotations

import socket

from inferpoint.config import Config
from inferpoint.errors import InferenceError, Kind
from inferpoint.telemetry.log import inform
from inferpoint.version import __version__


def listening(config: Config) -> socket.socket:
    """A socket that listens where *config* says; `INVALID` when that cannot be."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while attempting")[0]  # which names the address again
        raise InferenceError(Kind.INVALID, f"Cannot listen on {_at(config.host, config.port)}: {reason}") from None


def announce(config: Config, listener: socket.socket) -> None:
    """Say that connections are taken."""
    url = f"http://{_at(config.host, listener.getsockname()[1])}"
    inform(f"Inferpoint {__version__} is listening on {url}, with its data in {config.data_dir}", url=url)


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
