"""The composition root: the only file that joins storage, runtime, engine and faces."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvicorn
import uvloop

from inferpoint import __version__, services
from inferpoint.api import cohere, openai, operations
from inferpoint.api.anthropic import routes as anthropic
from inferpoint.api.elastic.form import PRODUCT
from inferpoint.api.elastic.routes import FACE
from inferpoint.api.server import Entrance, Server
from inferpoint.config import Config
from inferpoint.engine.endpoints import Endpoints
from inferpoint.engine.engine import Engine, Policy
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.http import is_loopback
from inferpoint.runtime.breaker import Breakers
from inferpoint.runtime.clock import Clock, SystemClock
from inferpoint.runtime.limiter import Limiter
from inferpoint.runtime.local.transport import LocalModels
from inferpoint.runtime.outbound import Outbound
from inferpoint.runtime.retries import Budget
from inferpoint.runtime.telemetry import Answered, Telemetry, access_log
from inferpoint.runtime.transport import HttpTransport
from inferpoint.storage import store, vault

LOCK = "inferpoint.lock"
MODELS = "models"
FACES = (FACE, openai.FACE, anthropic.FACE, cohere.FACE)
KEEP_ALIVE_SECONDS = 3600  # a client that reuses a connection as it closes sends again, and pays twice


@dataclass(frozen=True)
class Parts:
    """What a running engine is made of."""

    engine: Engine
    telemetry: Telemetry
    clock: Clock


@dataclass(frozen=True)
class Place:
    """Where an engine keeps what it must not forget: a folder of its own, or nowhere; and where its models are."""

    folder: Path | None
    models: Path


@contextlib.asynccontextmanager
async def assembled(
    place: Place, policy: Policy, environ: Mapping[str, str], log: Callable[[Answered], None]
) -> AsyncGenerator[Parts]:
    """An engine at *place*, which is its own until the end."""
    with contextlib.ExitStack() as stack:
        if place.folder is not None:
            stack.enter_context(locked(place.folder))
        kept = store.opened(place.folder)
        stack.callback(kept.close)
        endpoints = Endpoints(kept, await _vault(place.folder, environ, kept))
        await endpoints.load()
        clock = SystemClock()
        limiter = Limiter(clock)
        breakers, budget = Breakers(clock), Budget(clock)
        telemetry = Telemetry(limiter.waiting, breakers.states, budget.left, log)
        http, local = HttpTransport(__version__), LocalModels(place.models)
        stack.callback(local.close)
        try:
            transports = {"http": http, "https": http, "local": local}
            outbound = Outbound(transports, limiter, breakers, budget, clock, telemetry)
            yield Parts(Engine(endpoints, outbound, clock, policy), telemetry, clock)
        finally:
            await http.close()


async def _vault(folder: Path | None, environ: Mapping[str, str], kept: store.Store) -> vault.Vault:
    """What seals the secrets: with a key that lasts as long as they do."""
    if folder is None:
        return vault.Vault(os.urandom(vault.KEY_BYTES))
    sealed = any(row.secrets for row in await kept.all())
    return vault.Vault(vault.secret_key(folder, environ, sealed=sealed))


def origins(environ: Mapping[str, str]) -> dict[str, str]:
    """Where services were moved to, by the variables that their own SDKs read."""
    found = (services.find(name).origin for name in services.names())
    variables = {origin.variable for origin in found if origin is not None}
    moved = {name: environ[name].rstrip("/") for name in variables if environ.get(name)}
    for name, address in moved.items():
        if not address.startswith(("http://", "https://")):
            raise InferenceError(
                Kind.INVALID, f"The variable {name} is not an address that begins with http:// or https://"
            )
    return moved


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold *folder*, made when it is not there, against a second server; `CONFLICT` when there is one."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise InferenceError(Kind.INVALID, f"The data folder {folder} cannot be used: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InferenceError(Kind.CONFLICT, f"The data folder {folder} is in use by another process") from None
        yield


def serve(config: Config, environ: Mapping[str, str]) -> None:
    """Run the server until it is told to stop."""
    uvloop.run(_serve(config, environ))


async def _serve(config: Config, environ: Mapping[str, str]) -> None:
    listener = _listener(config)
    folder = Path(config.data_dir)
    place = Place(folder, folder / MODELS)
    policy = Policy(origins(environ), not config.skip_validation, config.max_chunk_size)
    async with assembled(place, policy, environ, access_log(config.log_format, sys.stderr)) as parts:
        entrance = Entrance(is_loopback(config.host) and not config.insecure, config.max_body_bytes)
        stopping = asyncio.Event()
        routes = operations.routes(parts.telemetry.exposition, stopping=stopping.is_set)
        application = Server(parts.engine, FACES, routes, entrance, parts.telemetry, parts.clock)
        server = _Uvicorn(
            uvicorn.Config(
                application,
                http="httptools",
                ws="none",
                headers=[PRODUCT],
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=config.shutdown_seconds,
            )
        )
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, server.stop, stopping)
        gc.freeze()  # what is there now stays: looking through it again and again costs a tenth of a request
        gc.set_threshold(10_000)
        _announce(config, listener)
        await server.serve(sockets=[listener])


class _Uvicorn(uvicorn.Server):
    """A server that ends by returning: uvicorn's own would raise the signal again and exit with its number."""

    def stop(self, stopping: asyncio.Event) -> None:
        stopping.set()
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _listener(config: Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        said = str(error.strerror or error).partition(" (while attempting")[0]  # which says the address again
        raise InferenceError(Kind.INVALID, f"Cannot listen on {_at(config.host, config.port)}: {said}") from None


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _announce(config: Config, listener: socket.socket) -> None:
    url = f"http://{_at(config.host, listener.getsockname()[1])}"
    said = f"Inferpoint {__version__} is listening on {url}, with its data in {config.data_dir}"
    if config.log_format == "json":
        said = msgspec.json.encode({"message": said, "url": url}).decode()
    print(said, file=sys.stderr, flush=True)
