"""`connect`: endpoints and inference for code that does not await, notebooks too."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from inspect import signature
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from inferpoint.library.awaiting import Inferpoint
from inferpoint.portal import Portal

P = ParamSpec("P")
T = TypeVar("T")


def connect(data_dir: str | Path | None = None, *, api_key: str | None = None, validate: bool = True) -> Connected:
    """Endpoints and inference for code that does not await: `with inferpoint.connect(…) as ip:`.

    `data_dir` is a folder, None for none, or the address of a server (`http://…`), which is sent `api_key`.
    """
    return Connected(Inferpoint(data_dir, api_key=api_key, validate=validate))


class Connected:
    """`Inferpoint` with methods that wait, for any number of threads. Its event loop runs in a thread of its own."""

    def __init__(self, inferpoint: Inferpoint) -> None:
        self._inferpoint = inferpoint
        self._portal = Portal()

    def open(self) -> Self:
        """Open the folder, or the way to the server, for code without a block; what is open stays so.

        A folder that another process has is `CONFLICT`.
        """
        if not self._portal.is_open:
            self._portal.start(self._inferpoint)
        return self

    def close(self) -> None:
        """Give up the calls that others wait for, and close connections and the folder; what is closed stays so.

        What was closed may be opened again.
        """
        self._portal.stop()

    def __enter__(self) -> Self:
        """Start the thread and open the folder, once."""
        self._portal.start(self._inferpoint)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel the calls that other threads wait for, close the folder and end the thread."""
        self.close()

    def __repr__(self) -> str:
        return repr(self._inferpoint).replace("Inferpoint", "Connected", 1)

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
    embed = _waiting(Inferpoint.embed)
    sparse = _waiting(Inferpoint.sparse)
    rerank = _waiting(Inferpoint.rerank)
    complete = _waiting(Inferpoint.complete)
    chat = _waiting(Inferpoint.chat)
    stream = _iterating(Inferpoint.stream)
    stream_chat = _iterating(Inferpoint.stream_chat)
