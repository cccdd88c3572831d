"""The engine in your own program: `Inferpoint` for code that awaits, `connect` for code that does not."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import platformdirs

from inferpoint.app import MODELS, Parts, Place, assembled, origins
from inferpoint.engine.engine import Engine, Policy
from inferpoint.engine.lifecycle import Lifecycle
from inferpoint.model.endpoint import task_type as type_of
from inferpoint.model.inference import ANONYMOUS, Delta, InferenceRequest, InferenceResult, purpose
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
        place = Place(folder, (folder or Path(platformdirs.user_data_dir("inferpoint"))) / MODELS)
        policy = Policy(origins(os.environ), validate)
        self._assembled: AbstractAsyncContextManager[Parts] = assembled(place, policy, os.environ, _unwritten)
        self._engine: Engine | None = None

    async def __aenter__(self) -> Self:
        """Open the folder."""
        self._engine = (await self._assembled.__aenter__()).engine
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections and the folder."""
        await self._assembled.__aexit__(kind, error, trace)

    async def put(
        self,
        inference_id: str,
        *,
        task_type: str,
        service: str,
        service_settings: Settings,
        task_settings: Settings | None = None,
        chunking_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Create an endpoint after trying it once, and show it. `timeout` is in seconds."""
        config = {"task_type": task_type, "service": service, "service_settings": service_settings}
        given = {"task_settings": task_settings, "chunking_settings": chunking_settings}
        config |= {name: value for name, value in given.items() if value is not None}
        return (await self._lifecycle.create(ANONYMOUS, inference_id, config, seconds=timeout)).shown()

    async def update(
        self,
        inference_id: str,
        *,
        service_settings: Settings | None = None,
        task_settings: Settings | None = None,
        chunking_settings: Settings | None = None,
    ) -> dict[str, Any]:
        """Change what may be changed, secrets included, after trying it, and show the endpoint."""
        given = {
            "service_settings": service_settings,
            "task_settings": task_settings,
            "chunking_settings": chunking_settings,
        }
        config = {name: value for name, value in given.items() if value is not None}
        return (await self._lifecycle.update(ANONYMOUS, inference_id, config)).shown()

    async def get(self, inference_id: str) -> dict[str, Any]:
        """Show one endpoint."""
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
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> InferenceResult:
        """The result for *texts*, whole: `Embeddings` or a `Completion`, by what the endpoint does."""
        return await self._running.infer(inference_id, _request(texts, input_type, task_settings, timeout))

    async def stream(
        self,
        inference_id: str,
        texts: str | Sequence[str],
        *,
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Delta]:
        """The result as it comes; `timeout` is for its first piece."""
        request = _request(texts, None, task_settings, timeout)
        async for deltas in self._running.stream(inference_id, request):
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
    """`Inferpoint` with methods that wait. Its event loop runs in a thread of its own."""

    def __init__(self, inferpoint: Inferpoint) -> None:
        self._inferpoint = inferpoint
        self._portal = _Portal()

    def __enter__(self) -> Self:
        """Start the thread and open the folder."""
        self._portal.start()
        try:
            self._portal.wait(self._inferpoint.__aenter__())
        except BaseException:
            self._portal.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the folder and end the thread."""
        try:
            self._portal.wait(self._inferpoint.__aexit__(kind, error, trace))
        finally:
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
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Create an endpoint after trying it once, and show it. `timeout` is in seconds."""
        return self._portal.wait(self._inferpoint.put(**_given(locals())))

    def update(
        self,
        inference_id: str,
        *,
        service_settings: Settings | None = None,
        task_settings: Settings | None = None,
        chunking_settings: Settings | None = None,
    ) -> dict[str, Any]:
        """Change what may be changed, secrets included, after trying it, and show the endpoint."""
        return self._portal.wait(self._inferpoint.update(**_given(locals())))

    def get(self, inference_id: str) -> dict[str, Any]:
        """Show one endpoint."""
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
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> InferenceResult:
        """The result for *texts*, whole: `Embeddings` or a `Completion`, by what the endpoint does."""
        return self._portal.wait(self._inferpoint.infer(**_given(locals())))

    def stream(
        self,
        inference_id: str,
        texts: str | Sequence[str],
        *,
        task_settings: Settings | None = None,
        timeout: float | None = None,
    ) -> Iterator[Delta]:
        """The result as it comes; `timeout` is for its first piece."""
        return self._portal.each(self._inferpoint.stream(**_given(locals())))


class _Portal:
    """An event loop in a thread, and ways to wait for what goes on in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="inferpoint", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # whoever is interrupted does not pay for the rest
            raise

    def each(self, pieces: AsyncGenerator[T]) -> Iterator[T]:
        try:
            while True:
                yield self.wait(anext(pieces))  # type: ignore[arg-type] - of a generator it is a coroutine
        except StopAsyncIteration:
            return
        finally:
            self.wait(pieces.aclose())


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """A method's own arguments."""
    return {name: value for name, value in values.items() if name != "self"}


def _request(
    texts: str | Sequence[str], input_type: str | None, task_settings: Settings | None, timeout: float | None
) -> InferenceRequest:
    return InferenceRequest(
        (texts,) if isinstance(texts, str) else tuple(texts),
        None if input_type is None else purpose(input_type),
        options=task_settings or {},
        timeout=timeout,
    )


def _unwritten(_answered: Answered) -> None:
    """A library writes no log."""
