"""Printing results and reading JSON, for all commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inferpoint.errors import invalid

Form = Literal["table", "json"]
Output = Annotated[Form, typer.Option("--output", "-o", help="A table for people or JSON for programs.")]


def show(results: Any, output: Form, columns: Sequence[str]) -> None:
    """Print *results*, as a table of those *columns* that have something in them, or whole."""
    if output == "json":
        print(json.dumps(results, indent=2, ensure_ascii=False))
        return
    if not results:
        print("none")
        return
    rows = [{column: _cell(row.get(column, "")) for column in columns} for row in results]
    shown = [column for column in columns if any(row[column] for row in rows)]
    table = Table()
    for column in shown:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[column]) for column in shown))  # brackets in it are no markup
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[Any]", value)))
    if isinstance(value, dict):
        return ", ".join(f"{name}={inner}" for name, inner in cast("dict[str, Any]", value).items())
    return str(value)


def read_config(text: str) -> Mapping[str, Any]:
    """The configuration that *text* is or names: JSON, a file that holds it, or - for standard input."""
    if text.lstrip().startswith("{"):
        return read_json(text, "the argument")
    return read_json(read_text(text), "standard input" if text == "-" else text)


def read_text(name: str) -> str:
    """The text of the file called *name*, or of standard input for -; `INVALID` when it is none."""
    try:
        return (sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()).decode("utf-8")
    except OSError as error:
        raise invalid(f"The file {name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise invalid(f"The file {name} is not UTF-8") from None


def read_json(text: str, source: str) -> Any:
    """*text* as JSON; *source* is what it is called in an error."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid(f"{source} is not JSON: {error}") from None
