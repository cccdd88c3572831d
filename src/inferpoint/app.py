"""The composition root: the only file that joins storage, the ways out, the engine and the faces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from inferpoint import garbage, services
from inferpoint.access.callers import Callers
from inferpoint.access.first_start import begin
from inferpoint.access.keys import Keys, kept_keys
from inferpoint.access.management import Management
from inferpoint.api import operations
from inferpoint.api.anthropic import routes as anthropic
from inferpoint.api.bodies import Bodies
from inferpoint.api.cohere import routes as cohere
from inferpoint.api.elastic.form import PRODUCT
from inferpoint.api.elastic.jobs import JobRoutes
from inferpoint.api.elastic.routes import FACE
from inferpoint.api.elastic.security import Security
from inferpoint.api.face import Face
from inferpoint.api.openai import routes as openai
from inferpoint.api.openai.responses.store import ResponseStore
from inferpoint.api.openapi import routes as openapi
from inferpoint.api.server import Entrance, Server
from inferpoint.clock import Clock, SystemClock
from inferpoint.config import Config, File
from inferpoint.configuration.places import Place
from inferpoint.configuration.starting import apply_at_start
from inferpoint.endpoints.caches import Caches
from inferpoint.endpoints.directory import Endpoints
from inferpoint.endpoints.lifecycle import Lifecycle
from inferpoint.engine.engine import Engine, Policy
from inferpoint.engine.report import groups
from inferpoint.inbound.server import HttpServer
from inferpoint.local.transport import LocalModels
from inferpoint.model.cache import CacheSettings
from inferpoint.model.requests import ANONYMOUS
from inferpoint.outbound.breakers import Breakers
from inferpoint.outbound.caller_limits import lasting
from inferpoint.outbound.http.body import MOST_CONTAINERS
from inferpoint.outbound.http.transport import HttpTransport
from inferpoint.outbound.memory import Memory
from inferpoint.outbound.outbound import Outbound
from inferpoint.outbound.retries import Budgets
from inferpoint.storage import audit, credentials, store
from inferpoint.storage.changes import KEY_CHANGES, Changes
from inferpoint.storage.folder import locked
from inferpoint.storage.key_ring import KEY_BYTES, key_ring
from inferpoint.storage.vault import Vault
from inferpoint.telemetry.events import Answered
from inferpoint.telemetry.metrics import SharedCounters
from inferpoint.telemetry.telemetry import Telemetry
from inferpoint.version import __version__
from inferpoint.workers.channel import Channel
from inferpoint.workers.client import LimiterClient
from inferpoint.workers.inheritance import Inheritance, inherited
from inferpoint.workers.listening import announce, certificates, listening
from inferpoint.workers.messages import FromLimiter, Ready, Stop

if TYPE_CHECKING:
    from inferpoint.bulk.hosted import HostedJobs

Write = Callable[[Answered], None]

MODELS = "models"
RESPONSES = "responses.sqlite"
JOBS = "jobs"
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
    keys: Keys
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
    """The limiter, the counters and the file of responses that a worker has in common with others.

    What happens once, the one does that `is_first`.
    """

    limiter: LimiterClient
    counters: SharedCounters
    responses: Path
    is_first: bool


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
        key_changes = Changes(home.folder, KEY_CHANGES) if home.folder is not None and shared is not None else None
        keys = await stack.enter_async_context(kept_keys(kept, clock, key_changes))
        limiter = shared.limiter if shared else stack.enter_context(lasting(clock, home.folder, policy.longest_pause))
        breakers, budgets = Breakers(clock), Budgets(clock)
        standings = lambda: groups(limiter, endpoints.all()), lambda: limiter.callers(ANONYMOUS)
        telemetry = Telemetry(*standings, breakers.states, budgets.least, log, shared and shared.counters)
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
        yield Parts(engine, keys, telemetry, clock, http, memory)


async def _vault(folder: Path | None, environ: Mapping[str, str], kept: store.Store) -> Vault:
    """The vault that seals the secrets, with a key that lasts as long as they do."""
    if folder is None:
        return Vault(os.urandom(KEY_BYTES))
    named = await kept.run(credentials.names, "read the credentials", reads=True)
    sealed = bool(named) or any(row.secrets for row in await kept.all())
    return Vault(ring=key_ring(folder, environ, sealed=sealed))


def serve(config: Config, environ: Mapping[str, str], log: Write, file: File) -> None:
    """Run the server until it is told to stop: all of it, or one of several workers where there is a supervisor.

    The server starts with the endpoints of its configuration *file*, which the first of several workers makes.
    """
    services.check_brought()
    inheritance = inherited(environ)
    if inheritance is None:
        uvloop.run(_alone(config, environ, log, file))
    else:
        uvloop.run(_among_others(config, environ, log, inheritance, file))


async def _alone(config: Config, environ: Mapping[str, str], log: Write, file: File) -> None:
    listener, secured = listening(config), certificates(config)
    async with _server(config, environ, log, listener, places=file.places) as (server, lifecycle, jobs):
        for name in STOPPING:
            asyncio.get_running_loop().add_signal_handler(name, server.stop)
        await apply_at_start(lifecycle, file.endpoints)
        announce(config, listener)
        async with contextlib.nullcontext() if jobs is None else jobs.runner.working(server):
            await server.serve(listener, secured)


async def _among_others(
    config: Config, environ: Mapping[str, str], log: Write, inheritance: Inheritance, file: File
) -> None:
    channel: Channel[FromLimiter | Stop] = Channel(FromLimiter | Stop)
    limiter = LimiterClient(channel.send, SystemClock(), config.longest_pause_seconds)
    counters = SharedCounters(inheritance.counters, inheritance.number)
    shared = Shared(limiter, counters, Path(inheritance.counters) / RESPONSES, inheritance.number == 0)
    listener, secured = socket.socket(fileno=inheritance.listener), certificates(config)
    async with _server(config, environ, log, listener, shared, file.places) as (server, lifecycle, jobs):
        stop = partial(server.stop, forced=False)

        def received(message: FromLimiter | Stop) -> None:
            if isinstance(message, Stop):
                server.stop(forced=message.forced)
            else:
                limiter.receive(message)

        def orphaned() -> None:
            limiter.lose()
            stop()

        for name in STOPPING:
            asyncio.get_running_loop().add_signal_handler(name, stop)
        await channel.open(socket.socket(fileno=inheritance.channel), received, orphaned)
        await apply_at_start(lifecycle, file.endpoints if shared.is_first else ())
        channel.send(Ready())
        try:
            async with contextlib.nullcontext() if jobs is None else jobs.runner.working(server):
                await server.serve(listener, secured)
        finally:
            channel.close()


@contextlib.asynccontextmanager
async def _server(
    config: Config,
    environ: Mapping[str, str],
    log: Write,
    listener: socket.socket,
    shared: Shared | None = None,
    places: Mapping[str, Place] | None = None,
) -> AsyncGenerator[tuple[HttpServer, Lifecycle, HostedJobs | None]]:
    """All faces on one engine, ready to serve what comes to *listener*, which the engine itself never calls."""
    folder = Path(config.data_dir)
    home, policy = Home(folder, folder / MODELS), _policy(config, environ)
    async with contextlib.AsyncExitStack() as stack:
        parts = await stack.enter_async_context(assembled(home, policy, environ, log, config.cache, shared))
        if listener.family != socket.AF_UNIX:
            parts.http.avoid(*listener.getsockname()[:2])
        bodies = Bodies(config.limits, parts.memory)
        stack.callback(bodies.close)
        is_open = config.is_for_this_machine or config.insecure
        callers = Callers(parts.keys, is_open=is_open)
        if shared is None or shared.is_first:
            await begin(callers, parts.clock, parts.engine.audit, environ, is_open=is_open)
        origins = config.origins(insecure=config.insecure)
        entrance = Entrance(origins, callers, bodies, config.prefix, config.max_requests_per_key)
        security = Security(Management(parts.keys, parts.clock, parts.engine.audit))
        jobs = await stack.enter_async_context(_jobs(config, places, parts, callers)) if places else None
        first, *others = faces(shared and shared.responses)
        own = (*first.routes, *security.routes(), *JobRoutes(jobs).routes())
        all_faces = (replace(first, routes=own), *others)
        watching = operations.routes(parts.telemetry.exposition, stopping=lambda: server.draining)
        extra = (*watching, *openapi.routes(all_faces, watching))
        application = Server(parts.engine, all_faces, extra, entrance, parts.telemetry, parts.clock)
        exempt = operations.under(config.prefix)
        server = HttpServer(application, config.connection_limits, [PRODUCT], exempt, config.proxies)
        sys.setswitchinterval(0.0005)  # a thread that cuts or reads lets the event loop go on sooner
        garbage.settle()
        yield server, parts.engine.lifecycle, jobs


def _policy(config: Config, environ: Mapping[str, str]) -> Policy:
    return Policy(
        dict(environ),
        not config.skip_validation,
        config.max_chunk_size,
        config.refuse_hints,
        config.longest_pause_seconds,
        config.limits,
        config.longest_timeout_seconds,
        audit.file(config.audit_file),
    )


def _jobs(
    config: Config, places: Mapping[str, Place], parts: Parts, callers: Callers
) -> contextlib.AbstractAsyncContextManager[HostedJobs]:
    """The bulk jobs of the server, for which it reads more than one without places for some."""
    from inferpoint.bulk.hosting import Host, hosted  # noqa: PLC0415

    host = Host(parts.engine, callers, parts.engine.audit, parts.telemetry.jobs, parts.clock)
    return hosted(config.jobs or Path(config.data_dir) / JOBS, places, host, config.max_jobs)
