"""The engine in your own program: `Inferpoint` for code that awaits, `connect` for code that does not."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import platformdirs

from inferpoint.app import MODELS, Parts, Place, assembled, origins
from inferpoint.engine.engine import Engine, Policy
from inferpoint.engine.lifecycle import Lifecycle
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import task_type as type_of
from inferpoint.model.inference import ANONYMOUS, Cutting, Delta, InferenceRequest, InferenceResult, Texts, purpose
from inferpoint.runtime.telemetry import Answered

T = TypeVar("T")

Settings = Mapping[str, Any]


class Inferpoint:
    """Endpoints and inference without a server.

    With `data_dir` endpoints are kept there, and the folder is this program's alone; without one they are kept in
    memory. What goes wrong is an `InferenceError`.
    """

    def __init__(self, data_dir: str | Path | None = None, *, validate: bool = True) -> None:
        folder = None if data_dir is None else Path(data_dir)
        self._place = Place(folder, (folder or Path(platformdirs.user_data_dir("inferpoint"))) / MODELS)
        self._policy = Policy(origins(os.environ), validate)
        self._opened: AbstractAsyncContextManager[Parts] | None = None
        self._engine: Engine | None = None

    async def __aenter__(self) -> Self:
        """Open the folder."""
        if self._opened is not None:
            raise RuntimeError("This Inferpoint is open already")
        self._opened = assembled(self._place, self._policy, os.environ, _unwritten)
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
        self,
        inference_id: str,
        *,
        task_type: str,
        service: str,
        service_settings: Settings,
        task_settings: Settings | None = None,
        chunking_settings: Settings | None = None,
        aliases: Sequence[str] | None = None,
        cache: Settings | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Create an endpoint after trying it once, and show it.

        The settings are those of the service's page. `aliases` are other ids by which it is found. With a `cache`, be
        it `{}`, no text is embedded twice. An id that exists already is an error and changes nothing. `timeout`, in
        seconds, is for trying it.
        """
        config = {"task_type": task_type, "service": service} | _sections(
            service_settings=service_settings,
            task_settings=task_settings,
            chunking_settings=chunking_settings,
            aliases=aliases,
            cache=cache,
        )
        return (await self._lifecycle.create(ANONYMOUS, inference_id, config, seconds=timeout)).shown()

    async def update(
        self,
        inference_id: str,
        *,
        service_settings: Settings | None = None,
        task_settings: Settings | None = None,
        chunking_settings: Settings | None = None,
        aliases: Sequence[str] | None = None,
        cache: Settings | None = None,
    ) -> dict[str, Any]:
        """Change what may be changed, secrets included, after trying it, and show the endpoint.

        `aliases` and a `cache` are put in place of what is there; `{"memory_bytes": 0}` is no cache.
        """
        config = _sections(
            service_settings=service_settings,
            task_settings=task_settings,
            chunking_settings=chunking_settings,
            aliases=aliases,
            cache=cache,
        )
        return (await self._lifecycle.update(ANONYMOUS, inference_id, config)).shown()

    async def get(self, inference_id: str) -> dict[str, Any]:
        """Show one endpoint, without its secrets."""
        return self._lifecycle.get(ANONYMOUS, inference_id).shown()

    async def all(self, task_type: str | None = None) -> list[dict[str, Any]]:
        """Show every endpoint, or every one of a task type, by id."""
        kind = None if task_type is None else type_of(task_type)
        return [resolved.shown() for resolved in self._lifecycle.all(ANONYMOUS, kind)]

    async def delete(self, inference_id: str) -> None:
        """Forget an endpoint."""
        await self._lifecycle.delete(ANONYMOUS, inference_id)

    async def infer(
        self,
        inference_id: str,
        texts: str | Sequence[str],
        *,
        input_type: str | None = None,
        chunked: bool = False,
        chunking_settings: Settings | None = None,
        partial: bool = False,
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> InferenceResult:
        """The result for *texts*, whole: `Embeddings` or a `Completion`, by what the endpoint does.

        `input_type` says what embeddings are for: `search` goes before `ingest` where calls wait. With `chunked` long
        texts are cut, by `chunking_settings` or else the endpoint's, and the result is `ChunkedEmbeddings`. With
        `partial` an input that cannot be embedded has its error in the result's `errors`, and the others their vectors.
        `task_settings` go before the endpoint's. `timeout` is in seconds: 30 when none is given, 120 for completions.
        """
        request = InferenceRequest(
            _texts(texts),
            None if input_type is None else purpose(input_type),
            options=task_settings or {},
            cutting=_cutting(chunking_settings, chunked=chunked),
            partial=partial,
            timeout=timeout,
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
        """The result as it comes, for tasks that stream: text, an end, a cost.

        Whoever stops reading closes the provider's connection. `task_settings` go before the endpoint's. `timeout`, in
        seconds, is for the first piece.
        """
        request = InferenceRequest(_texts(texts), options=task_settings or {}, timeout=timeout)
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
    """The same for code that does not await: `with inferpoint.connect(…) as ip:`. Works in notebooks, too."""
    return Connected(Inferpoint(data_dir, validate=validate))


class Connected:
    """`Inferpoint` with methods that wait, for any number of threads. Its event loop runs in a thread of its own."""

    def __init__(self, inferpoint: Inferpoint) -> None:
        self._inferpoint = inferpoint
        self._portal = _Portal()

    def __enter__(self) -> Self:
        """Start the thread and open the folder."""
        self._portal.start(self._inferpoint)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give up what others still wait for, close the folder and end the thread."""
        self._portal.stop()

    def put(
        self,
        inference_id: str,
        *,
        task_type: str,
        service: str,
        service_settings: Settings,
        task_settings: Settings | None = None,
        chunking_settings: Settings | None = None,
        aliases: Sequence[str] | None = None,
        cache: Settings | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Create an endpoint after trying it once, and show it.

        The settings are those of the service's page. `aliases` are other ids by which it is found. With a `cache`, be
        it `{}`, no text is embedded twice. An id that exists already is an error and changes nothing. `timeout`, in
        seconds, is for trying it.
        """
        return self._portal.wait(self._inferpoint.put(**_given(locals())))

    def update(
        self,
        inference_id: str,
        *,
        service_settings: Settings | None = None,
        task_settings: Settings | None = None,
        chunking_settings: Settings | None = None,
        aliases: Sequence[str] | None = None,
        cache: Settings | None = None,
    ) -> dict[str, Any]:
        """Change what may be changed, secrets included, after trying it, and show the endpoint.

        `aliases` and a `cache` are put in place of what is there; `{"memory_bytes": 0}` is no cache.
        """
        return self._portal.wait(self._inferpoint.update(**_given(locals())))

    def get(self, inference_id: str) -> dict[str, Any]:
        """Show one endpoint, without its secrets."""
        return self._portal.wait(self._inferpoint.get(inference_id))

    def all(self, task_type: str | None = None) -> list[dict[str, Any]]:
        """Show every endpoint, or every one of a task type, by id."""
        return self._portal.wait(self._inferpoint.all(task_type))

    def delete(self, inference_id: str) -> None:
        """Forget an endpoint."""
        self._portal.wait(self._inferpoint.delete(inference_id))

    def infer(
        self,
        inference_id: str,
        texts: str | Sequence[str],
        *,
        input_type: str | None = None,
        chunked: bool = False,
        chunking_settings: Settings | None = None,
        partial: bool = False,
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> InferenceResult:
        """The result for *texts*, whole: `Embeddings` or a `Completion`, by what the endpoint does.

        `input_type` says what embeddings are for: `search` goes before `ingest` where calls wait. With `chunked` long
        texts are cut, by `chunking_settings` or else the endpoint's, and the result is `ChunkedEmbeddings`. With
        `partial` an input that cannot be embedded has its error in the result's `errors`, and the others their vectors.
        `task_settings` go before the endpoint's. `timeout` is in seconds: 30 when none is given, 120 for completions.
        """
        return self._portal.wait(self._inferpoint.infer(**_given(locals())))

    def stream(
        self,
        inference_id: str,
        texts: str | Sequence[str],
        *,
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> Generator[Delta]:
        """The result as it comes, for tasks that stream: text, an end, a cost.

        Whoever stops reading closes the provider's connection. `task_settings` go before the endpoint's. `timeout`, in
        seconds, is for the first piece.
        """
        return self._portal.each(self._inferpoint.stream(**_given(locals())))


class _Portal:
    """An event loop in a thread, and ways to wait for what goes on in it."""

    def __init__(self) -> None:
        self._submitting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, inside: AbstractAsyncContextManager[Any]) -> None:
        """Run a loop, all that is done in it *inside*; raises what entering raises."""
        if self._thread is not None:
            raise RuntimeError("This Inferpoint is open already")
        self._loop, self._ending = asyncio.new_event_loop(), asyncio.Event()
        entered, self._ended = Future[None](), Future[None]()
        run = partial(self._run, self._loop, self._serve(inside, entered))
        # A program that ends without closing does not wait for a daemon.
        self._thread = threading.Thread(target=run, name="inferpoint", daemon=True)
        self._thread.start()
        try:
            entered.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Give up what runs in the loop, and end it; raises what leaving raises."""
        with self._submitting:
            loop, self._loop = self._loop, None
            if loop is not None:
                loop.call_soon_threadsafe(self._ending.set)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._ended.result()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of *work*. Whoever is interrupted gives it up, and it has ended by then."""
        outcome: Future[T] = Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            tasks.append(self._begin(work))
            tasks[0].add_done_callback(partial(_told, outcome))

        def give_up() -> None:
            if tasks:
                tasks[0].cancel()
            else:  # interrupted before it was handed over
                work.close()
                outcome.cancel()

        try:
            if self._submit(begin):
                return outcome.result()
        except BaseException:
            if not outcome.done() and self._submit(give_up):
                futures.wait([outcome])
            raise
        work.close()
        raise RuntimeError("Inferpoint is used inside `with inferpoint.connect(…) as ip:`")

    def each(self, pieces: AsyncGenerator[T]) -> Generator[T]:
        """*pieces* one after the other, and closed when nobody reads on."""
        try:
            while True:
                yield self.wait(anext(pieces))  # type: ignore[arg-type] - of a generator it is a coroutine
        except StopAsyncIteration:
            return
        finally:
            self._close(pieces)

    def _close(self, pieces: AsyncGenerator[Any]) -> None:
        """End *pieces*; where the loop has ended, they have too."""
        if threading.current_thread() is self._thread:  # garbage is collected anywhere, and the loop must not wait
            self._begin(_closed(pieces))
        elif self._loop is not None:
            self.wait(_closed(pieces))

    def _submit(self, act: Callable[[], object]) -> bool:
        """Have *act* done in the loop; False when there is none, or it is about to end."""
        with self._submitting:
            if self._loop is None:
                return False
            self._loop.call_soon_threadsafe(act)
            return True

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _run(self, loop: asyncio.AbstractEventLoop, serving: Coroutine[Any, Any, None]) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serving)
            self._ended.set_result(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
            self._ended.set_exception(error)

    async def _serve(self, inside: AbstractAsyncContextManager[Any], entered: Future[None]) -> None:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(inside)
            except BaseException as error:  # noqa: BLE001 - likewise
                with self._submitting:
                    self._loop = None
                entered.set_exception(error)
                return
            entered.set_result(None)
            await self._ending.wait()
            given_up = list(self._running)
            for task in given_up:
                task.cancel()
            await asyncio.gather(*given_up, return_exceptions=True)


def _told(outcome: Future[T], task: asyncio.Task[T]) -> None:
    """Tell who waits in another thread how *task* ended."""
    if task.cancelled():
        outcome.set_exception(InferenceError(Kind.CUT_OFF, "Inferpoint was closed before the answer came"))
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())


async def _closed(pieces: AsyncGenerator[Any]) -> None:
    await pieces.aclose()


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """A method's own arguments."""
    return {name: value for name, value in values.items() if name != "self"}


def _sections(*, aliases: Sequence[str] | None, **given: Settings | None) -> dict[str, Any]:
    """The sections of an endpoint's configuration that are given, as JSON would have them."""
    sections: dict[str, Any] = {name: dict(settings) for name, settings in given.items() if settings is not None}
    if aliases is not None:
        sections["aliases"] = aliases if isinstance(aliases, str) else list(aliases)
    return sections


def _texts(given: str | Sequence[str]) -> Texts:
    """One text or several; what a program without types gives instead is refused in a sentence."""
    texts = (given,) if isinstance(given, str) else tuple(given)
    if not texts:
        raise invalid("There is no text")
    if not all(isinstance(text, str) for text in texts):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise invalid("Every text must be a string")
    return texts


def _cutting(settings: Settings | None, *, chunked: bool) -> Cutting | None:
    if chunked:
        return Cutting(None if settings is None else dict(settings), return_text=True)
    if settings is not None:
        raise invalid("[chunking_settings] needs [chunked] to be true")
    return None


def _unwritten(_answered: Answered) -> None:
    """A library writes no log."""
