"""The engine in your own program: `Inferpoint` for code that awaits, `connect` for code that does not."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import wraps
from inspect import signature
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypedDict, TypeVar, Unpack, cast

import platformdirs

from inferpoint import services
from inferpoint.app import MODELS, Home, Parts, assembled
from inferpoint.endpoints.lifecycle import Lifecycle
from inferpoint.endpoints.sections import EndpointChanges, EndpointConfig
from inferpoint.engine.engine import Engine, Policy
from inferpoint.errors import invalid
from inferpoint.model.endpoint import task_type as type_of
from inferpoint.model.requests import ANONYMOUS, Chunking, InferenceRequest, Texts, purpose
from inferpoint.model.results import Delta, InferenceResult
from inferpoint.portal import Portal
from inferpoint.telemetry.events import Answered

P = ParamSpec("P")
T = TypeVar("T")

Settings = Mapping[str, Any]


class InferenceOptions(TypedDict, total=False):
    """The ways in which an inference may differ from the endpoint's own: the keyword arguments of `infer`."""

    input_type: str | None
    chunked: bool
    chunking_settings: Settings | None
    partial: bool
    task_settings: Settings | None
    timeout: float | None


class Inferpoint:
    """Endpoints and inference without a server.

    With `data_dir` endpoints are kept there, and the folder is this program's alone; without one they are kept in
    memory. What goes wrong is an `InferenceError`.
    """

    def __init__(self, data_dir: str | Path | None = None, *, validate: bool = True) -> None:
        folder = None if data_dir is None else Path(data_dir)
        self._home = Home(folder, (folder or Path(platformdirs.user_data_dir("inferpoint"))) / MODELS)
        services.check_brought()
        self._policy = Policy(dict(os.environ), validate)
        self._opened: AbstractAsyncContextManager[Parts] | None = None
        self._engine: Engine | None = None

    async def __aenter__(self) -> Self:
        """Open the folder; `CONFLICT` when another process has it."""
        if self._opened is not None:
            raise RuntimeError("This Inferpoint is open already")
        self._opened = assembled(self._home, self._policy, os.environ, _unwritten)
        try:
            self._engine = (await self._opened.__aenter__()).engine
        except BaseException:
            self._opened = None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections and the folder."""
        opened, self._opened, self._engine = self._opened, None, None
        if opened is not None:
            await opened.__aexit__(kind, error, trace)

    async def put(
        self, inference_id: str, *, timeout: float | None = None, **config: Unpack[EndpointConfig]
    ) -> dict[str, Any]:
        """Create an endpoint after trying it once, and show it.

        `task_type`, `service` and `service_settings` are needed; `task_settings`, `chunking_settings`, `aliases` and
        `cache` are not. The settings are those of the service's page. `aliases` are other ids by which the endpoint is
        found. With a `cache`, be it `{}`, no text is embedded twice. `timeout`, in seconds, is for trying the endpoint.
        An id that exists already is `CONFLICT`, and changes nothing.
        """
        _check_names("put", config, EndpointConfig)
        return (await self._lifecycle.create(ANONYMOUS, inference_id, _as_json(config), seconds=timeout)).shown()

    async def update(self, inference_id: str, **changes: Unpack[EndpointChanges]) -> dict[str, Any]:
        """Change what may be changed of an endpoint, secrets included, after trying it, and show the endpoint.

        `service_settings` and `task_settings` change what they name. `chunking_settings`, `aliases` and `cache` replace
        what is there; a cache of `{"memory_bytes": 0}` is none.
        """
        _check_names("update", changes, EndpointChanges)
        return (await self._lifecycle.update(ANONYMOUS, inference_id, _as_json(changes))).shown()

    async def get(self, inference_id: str) -> dict[str, Any]:
        """Show one endpoint, found by its id or an alias, without its secrets."""
        return self._lifecycle.get(ANONYMOUS, inference_id).shown()

    async def all(self, task_type: str | None = None) -> list[dict[str, Any]]:
        """Show all endpoints, or those of one task type, in the order of their ids."""
        kind = None if task_type is None else type_of(task_type)
        return [resolved.shown() for resolved in self._lifecycle.all(ANONYMOUS, kind)]

    async def delete(self, inference_id: str) -> None:
        """Delete an endpoint; `NOT_FOUND` when there is none of that id."""
        await self._lifecycle.delete(ANONYMOUS, inference_id)

    async def infer(
        self, inference_id: str, texts: str | Sequence[str], **options: Unpack[InferenceOptions]
    ) -> InferenceResult:
        """The whole result for *texts*: `Embeddings` or a `Completion`, by what the endpoint does.

        `input_type` tells what embeddings are for: `search` goes before `ingest` where calls wait. With `chunked` long
        texts are cut, by `chunking_settings` or else the endpoint's, and the result is `ChunkedEmbeddings`. With
        `partial` an input that cannot be embedded has its error in the result's `errors`, and the others their vectors.
        `task_settings` go before the endpoint's. `timeout` is in seconds: 30 when none is given, 120 for completions.
        """
        _check_names("infer", options, InferenceOptions)
        input_type = options.get("input_type")
        request = InferenceRequest(
            _checked_texts(texts),
            None if input_type is None else purpose(input_type),
            options=options.get("task_settings") or {},
            chunking=_chunking(options.get("chunking_settings"), chunked=options.get("chunked", False)),
            partial=options.get("partial", False),
            timeout=options.get("timeout"),
        )
        return await self._running.infer(self._running.find(ANONYMOUS, inference_id), request)

    async def stream(
        self,
        inference_id: str,
        texts: str | Sequence[str],
        *,
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Delta]:
        """The result piece by piece, of tasks that stream: text, an end, a cost.

        Leaving the iteration early closes the provider's connection. `task_settings` go before the
        endpoint's. `timeout`, in seconds, is for the first piece.
        """
        request = InferenceRequest(_checked_texts(texts), options=task_settings or {}, timeout=timeout)
        resolved = self._running.find(ANONYMOUS, inference_id)
        async with aclosing(self._running.stream(resolved, request)) as pieces:
            async for deltas in pieces:
                for delta in deltas:
                    yield delta

    @property
    def _running(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("Inferpoint is used inside `async with Inferpoint(…) as ip:`")
        return self._engine

    @property
    def _lifecycle(self) -> Lifecycle:
        return self._running.lifecycle


def connect(data_dir: str | Path | None = None, *, validate: bool = True) -> Connected:
    """Endpoints and inference for code that does not await, notebooks too: `with inferpoint.connect(…) as ip:`."""
    return Connected(Inferpoint(data_dir, validate=validate))


class Connected:
    """`Inferpoint` with methods that wait, for any number of threads. Its event loop runs in a thread of its own."""

    def __init__(self, inferpoint: Inferpoint) -> None:
        self._inferpoint = inferpoint
        self._portal = Portal()

    def __enter__(self) -> Self:
        """Start the thread and open the folder."""
        self._portal.start(self._inferpoint)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel the calls that other threads wait for, close the folder and end the thread."""
        self._portal.stop()

    @staticmethod
    def _waiting(
        method: Callable[Concatenate[Inferpoint, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[Connected, P], T]:
        """*method* for code that does not await."""

        @wraps(method)
        def wait(self: Connected, *args: P.args, **kwargs: P.kwargs) -> T:
            return self._portal.wait(method(self._inferpoint, *args, **kwargs))

        return wait

    @staticmethod
    def _iterating(
        method: Callable[Concatenate[Inferpoint, P], AsyncGenerator[T]],
    ) -> Callable[Concatenate[Connected, P], Generator[T]]:
        """*method*, an asynchronous generator, for code that does not await."""

        @wraps(method)
        def iterate(self: Connected, *args: P.args, **kwargs: P.kwargs) -> Generator[T]:
            return self._portal.iterate(method(self._inferpoint, *args, **kwargs))

        shown = signature(method)
        shown = shown.replace(return_annotation=shown.return_annotation.removeprefix("Async"))
        iterate.__signature__ = shown  # type: ignore[attr-defined] - where help() looks
        return iterate

    put = _waiting(Inferpoint.put)
    update = _waiting(Inferpoint.update)
    get = _waiting(Inferpoint.get)
    all = _waiting(Inferpoint.all)
    delete = _waiting(Inferpoint.delete)
    infer = _waiting(Inferpoint.infer)
    stream = _iterating(Inferpoint.stream)


def _check_names(method: str, named: Mapping[str, object], declared: Any) -> None:
    """`TypeError` for names that the typed dictionary *declared* lacks or misses, as for Python's own parameters."""
    for name in named:
        if name not in declared.__annotations__:
            raise TypeError(f"Inferpoint.{method}() got an unexpected keyword argument {name!r}")
    if missing := sorted(declared.__required_keys__ - named.keys()):
        names = ", ".join(map(repr, missing))
        raise TypeError(f"Inferpoint.{method}() is missing required keyword arguments: {names}")


def _as_json(config: Mapping[str, Any]) -> dict[str, Any]:
    """*config* as it would be read from JSON: any mapping a dict, any sequence a list, and no None."""
    return {name: _plain(value) for name, value in config.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(cast("Settings", value))
    if isinstance(value, Iterable) and not isinstance(value, str):
        return list(cast("Iterable[Any]", value))
    return value


def _checked_texts(texts: str | Sequence[str]) -> Texts:
    """One text or several as a tuple; `INVALID` for none, or for what is no text (a program need not have types)."""
    several = (texts,) if isinstance(texts, str) else tuple(texts)
    if not several:
        raise invalid("There is no text")
    if not all(isinstance(text, str) for text in several):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise invalid("Every text must be a string")
    return several


def _chunking(settings: Settings | None, *, chunked: bool) -> Chunking | None:
    """How long texts are to be cut, or None; `INVALID` for settings without *chunked*."""
    if chunked:
        return Chunking(None if settings is None else dict(settings), return_text=True)
    if settings is not None:
        raise invalid("[chunking_settings] needs [chunked] to be true")
    return None


def _unwritten(_answered: Answered) -> None:
    """Leave an access log unwritten: a library writes none."""
