"""Methods that await become methods that wait, for code that does not await."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from inferpoint.portal import Portal

A = TypeVar("A")
B = TypeVar("B")
P = ParamSpec("P")
T = TypeVar("T")


class Waits(Generic[A]):
    """An object whose methods are those of *awaited*, run in the event loop of *portal* and waited for."""

    def __init__(self, awaited: A, portal: Portal) -> None:
        self._awaited = awaited
        self._portal = portal

    @staticmethod
    def waiting(method: Callable[Concatenate[B, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Waits[B], P], T]:
        """*method* for code that does not await."""

        @wraps(method)
        def wait(self: Waits[B], *args: P.args, **kwargs: P.kwargs) -> T:
            return self._portal.wait(method(self._awaited, *args, **kwargs))

        return wait

    @staticmethod
    def iterating(
        method: Callable[Concatenate[B, P], AsyncGenerator[T]],
    ) -> Callable[Concatenate[Waits[B], P], Generator[T]]:
        """*method*, an asynchronous generator, for code that does not await."""

        @wraps(method)
        def iterate(self: Waits[B], *args: P.args, **kwargs: P.kwargs) -> Generator[T]:
            return self._portal.iterate(method(self._awaited, *args, **kwargs))

        shown = signature(method)
        shown = shown.replace(return_annotation=shown.return_annotation.removeprefix("Async"))
        iterate.__signature__ = shown  # type: ignore[attr-defined] - where help() looks
        return iterate
