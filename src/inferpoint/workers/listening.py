"""The socket that the server listens on, how it is secured, and the line that says so."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from inferpoint.config import Config
from inferpoint.configuration.listening import UNIX
from inferpoint.errors import InferenceError, Kind
from inferpoint.inbound.tls import Certificates
from inferpoint.telemetry.log import inform
from inferpoint.version import __version__

BACKLOG = 2048


def listening(config: Config) -> socket.socket:
    """A socket that listens where *config* says; `INVALID` when that cannot be."""
    try:
        if config.listen is not None:
            return _private(config.listen.removeprefix(UNIX))
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        return socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while attempting")[0]  # which names the address again
        place = config.listen or _at(config.host, config.port)
        raise InferenceError(Kind.INVALID, f"Cannot listen on {place}: {reason}") from None


def certificates(config: Config) -> Certificates | None:
    """What HTTPS is served by, where it is; `INVALID` when a file is none of what it should be."""
    files = config.certificate_files
    return None if files is None else Certificates(files)


def announce(config: Config, listener: socket.socket) -> None:
    """Say that connections are taken."""
    scheme = "https" if config.tls_cert else "http"
    url = config.listen or f"{scheme}://{_at(config.host, listener.getsockname()[1])}{'/'.join(('', *config.prefix))}"
    inform(f"Inferpoint {__version__} is listening on {url}, with its data in {config.data_dir}", url=url)


def _private(path: str) -> socket.socket:
    """A socket at *path*, which is this user's alone from its first moment; one that a dead server left is replaced."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        _remove_left(path)
        mask = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(mask)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_left(path: str) -> None:
    """Remove the socket at *path* unless somebody listens on it, or it is none."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
