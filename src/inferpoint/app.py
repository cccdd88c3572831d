"""The composition root: the only file that joins storage, the ways out, the engine and the faces."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from inferpoint import services
from inferpoint.api import operations
from inferpoint.api.anthropic import routes as anthropic
from inferpoint.api.bodies import Bodies
from inferpoint.api.cohere import routes as cohere
from inferpoint.api.elastic.form import PRODUCT
from inferpoint.api.elastic.routes import FACE
from inferpoint.api.face import Face
from inferpoint.api.openai import routes as openai
from inferpoint.api.openai.responses.store import ResponseStore
from inferpoint.api.server import Entrance, Server
from inferpoint.clock import Clock, SystemClock
from inferpoint.config import Config
from inferpoint.configuration.starting import apply_at_start
from inferpoint.endpoints.caches import Caches
from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.lifecycle import Lifecycle
from inferpoint.engine.engine import Engine, Policy
from inferpoint.engine.report import groups
from inferpoint.inbound.server import HttpServer
from inferpoint.local.transport import LocalModels
from inferpoint.model.cache import CacheSettings
from inferpoint.outbound.breakers import Breakers
from inferpoint.outbound.http.body import MOST_CONTAINERS
from inferpoint.outbound.http.transport import HttpTransport
from inferpoint.outbound.limiter import Limiter
from inferpoint.outbound.memory import Memory
from inferpoint.outbound.outbound import Outbound
from inferpoint.outbound.retries import Budgets
from inferpoint.storage import store, vault
from inferpoint.storage.changes import Changes
from inferpoint.storage.folder import locked
from inferpoint.telemetry.events import Answered
from inferpoint.telemetry.metrics import SharedCounters
from inferpoint.telemetry.telemetry import Telemetry
from inferpoint.version import __version__
from inferpoint.workers.channel import Channel
from inferpoint.workers.client import LimiterClient
from inferpoint.workers.inheritance import Inheritance, inherited
from inferpoint.workers.listening import announce, certificates, listening
from inferpoint.workers.messages import FromLimiter, Ready, Stop

Write = Callable[[Answered], None]

MODELS = "models"
RESPONSES = "responses.sqlite"
STOPPING = (signal.SIGTERM, signal.SIGINT)


def faces(responses: Path | None = None) -> tuple[Face, ...]:
    """Every face of one server; the first has the paths that are nobody's.

    What they remember between requests is in *responses*, a file that workers share, or in memory.
    """
    return FACE, openai.face(ResponseStore(responses)), anthropic.FACE, cohere.FACE


@dataclass(frozen=True)
class Parts:
    """The parts of a running engine that faces and the library use."""

    engine: Engine
    telemetry: Telemetry
    clock: Clock
    http: HttpTransport
    memory: Memory


@dataclass(frozen=True)
class Home:
    """Where an engine keeps what it must not forget: a folder of its own, or nowhere; and where its models are."""

    folder: Path | None
    models: Path


@dataclass(frozen=True)
class Shared:
    """The limiter, the counters and the file of responses that a worker has in common with others."""

    limiter: LimiterClient
    counters: SharedCounters
    responses: Path


@contextlib.asynccontextmanager
async def assembled(
    home: Home,
    policy: Policy,
    environ: Mapping[str, str],
    log: Write,
    cache: CacheSettings | None = None,
    shared: Shared | None = None,
) -> AsyncGenerator[Parts]:
    """An engine at *home*, which is its own until the end; *cache* is for endpoints that have none of their own.

    With something *shared* the home is the supervisor's, and so are the queues and the counters.
    """
    async with contextlib.AsyncExitStack() as stack:
        if home.folder is not None and shared is None:
            stack.enter_context(locked(home.folder))
        kept = store.opened(home.folder)
        stack.callback(kept.close)
        changes = Changes(home.folder) if home.folder is not None and shared is not None else None
        endpoints = Endpoints(kept, await _vault(home.folder, environ, kept), changes)
        await endpoints.load()
        clock = SystemClock()
        limiter = Limiter(clock, policy.longest_pause) if shared is None else shared.limiter
        breakers, budgets = Breakers(clock), Budgets(clock)
        counters = None if shared is None else shared.counters
        telemetry = Telemetry(lambda: groups(limiter, endpoints.all()), breakers.states, budgets.least, log, counters)
        caches = Caches(endpoints, home.folder, cache, telemetry.caches)
        stack.push_async_callback(caches.close)
        caches.remove_leftovers()
        memory = Memory(policy.limits.held_bytes, MOST_CONTAINERS)
        http, local = HttpTransport(__version__, memory), LocalModels(home.models)
        stack.push_async_callback(http.close)
        stack.callback(local.close)
        transports = {"http": http, "https": http, "local": local}
        outbound = Outbound(transports, limiter, breakers, budgets, clock, telemetry.calls)
        engine = Engine(endpoints, caches, outbound, telemetry, clock, policy)
        stack.push_async_callback(engine.close)
        yield Parts(engine, telemetry, clock, http, memory)


async def _vault(folder: Path | None, environ: Mapping[str, str], kept: store.Store) -> vault.Vault:
    """The vault that seals the secrets, with a key that lasts as long as they do."""
    if folder is None:
        return vault.Vault(os.urandom(vault.KEY_BYTES))
    sealed = any(row.secrets for row in await kept.all())
    return vault.Vault(vault.secret_key(folder, environ, sealed=sealed))


def serve(config: Config, environ: Mapping[str, str], log: Write, endpoints: Sequence[Mapping[str, Any]] = ()) -> None:
    """Run the server until it is told to stop: all of it, or one of several workers where there is a supervisor.

    The server starts with the *endpoints* of its configuration file, which the first of several workers makes.
    """
    services.check_brought()
    inheritance = inherited(environ)
    if inheritance is None:
        uvloop.run(_alone(config, environ, log, endpoints))
    else:
        first = endpoints if inheritance.number == 0 else ()
        uvloop.run(_among_others(config, environ, log, inheritance, first))


async def _alone(
    config: Config, environ: Mapping[str, str], log: Write, endpoints: Sequence[Mapping[str, Any]]
) -> None:
    listener, secured = listening(config), certificates(config)
    async with _server(config, environ, log, listener) as (server, lifecycle):
        for name in STOPPING:
            asyncio.get_running_loop().add_signal_handler(name, server.stop)
        await apply_at_start(lifecycle, endpoints)
        announce(config, listener)
        await server.serve(listener, secured)


async def _among_others(
    config: Config,
    environ: Mapping[str, str],
    log: Write,
    inheritance: Inheritance,
    endpoints: Sequence[Mapping[str, Any]],
) -> None:
    channel: Channel[FromLimiter | Stop] = Channel(FromLimiter | Stop)
    limiter = LimiterClient(channel.send, SystemClock(), config.longest_pause_seconds)
    counters = SharedCounters(inheritance.counters, inheritance.number)
    shared = Shared(limiter, counters, Path(inheritance.counters) / RESPONSES)
    listener, secured = socket.socket(fileno=inheritance.listener), certificates(config)
    async with _server(config, environ, log, listener, shared) as (server, lifecycle):

        def received(message: FromLimiter | Stop) -> None:
            if isinstance(message, Stop):
                server.stop(forced=message.forced)
            else:
                limiter.receive(message)

        def orphaned() -> None:
            limiter.lose()
            server.stop(forced=False)

        for name in STOPPING:
            asyncio.get_running_loop().add_signal_handler(name, partial(server.stop, forced=False))
        await channel.open(socket.socket(fileno=inheritance.channel), received, orphaned)
        await apply_at_start(lifecycle, endpoints)
        channel.send(Ready())
        try:
            await server.serve(listener, secured)
        finally:
            channel.close()


@contextlib.asynccontextmanager
async def _server(
    config: Config, environ: Mapping[str, str], log: Write, listener: socket.socket, shared: Shared | None = None
) -> AsyncGenerator[tuple[HttpServer, Lifecycle]]:
    """All faces on one engine, ready to serve what comes to *listener*, which the engine itself never calls."""
    folder = Path(config.data_dir)
    home = Home(folder, folder / MODELS)
    policy = Policy(
        dict(environ),
        not config.skip_validation,
        config.max_chunk_size,
        config.refuse_hints,
        config.longest_pause_seconds,
        config.limits,
        config.longest_timeout_seconds,
    )
    async with contextlib.AsyncExitStack() as stack:
        parts = await stack.enter_async_context(assembled(home, policy, environ, log, config.cache, shared))
        if listener.family != socket.AF_UNIX:
            parts.http.avoid(*listener.getsockname()[:2])
        bodies = Bodies(config.limits, parts.memory)
        stack.callback(bodies.close)
        entrance = Entrance(
            config.origins(insecure=config.insecure), bodies, config.prefix, config.max_requests_per_key
        )
        routes = operations.routes(parts.telemetry.exposition, stopping=lambda: server.draining)
        all_faces = faces(shared and shared.responses)
        application = Server(parts.engine, all_faces, routes, entrance, parts.telemetry, parts.clock)
        exempt = operations.under(config.prefix)
        server = HttpServer(application, config.connection_limits, [PRODUCT], exempt, config.proxies)
        gc.freeze()  # what is there now stays: looking through it again and again costs a tenth of a request
        sys.setswitchinterval(0.0005)  # a thread that cuts or reads lets the event loop go on sooner
        gc.set_threshold(10_000)
        yield server, parts.engine.lifecycle
