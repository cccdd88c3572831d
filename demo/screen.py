"""How the demo looks."""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable, Generator
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

WIDTH = 100

console = Console(highlight=False)
console.width = min(console.width, WIDTH)


@contextlib.contextmanager
def step(doing: str, done: str) -> Generator[None]:
    """Turn a spinner while the body runs, and say how long it took."""
    started = time.perf_counter()
    with console.status(f"[dim]{doing} …[/]"):
        yield
    say(f"[green]✓[/] {done} [dim]in {time.perf_counter() - started:.1f} s[/]")


def chapter(title: str) -> None:
    """Begin a part of the demo."""
    console.print(f"\n[bold]{title}[/]")


def show_code(function: Callable[..., Any]) -> None:
    """The lines of *function* below its signature and its docstring."""
    body = inspect.cleandoc("\n" + inspect.getsource(function).partition('"""\n')[2])
    console.print(Padding(Syntax(body, "python", theme="ansi_dark", background_color="default"), (0, 2)))


def say(markup: str) -> None:
    """A line."""
    console.print(markup)


def say_indented(text: Text) -> None:
    """A paragraph."""
    console.print(Padding(text, (0, 2)))


def say_as_is(text: str) -> None:
    """Lines to be copied."""
    console.print(text, markup=False, soft_wrap=True)
