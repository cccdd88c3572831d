"""`inferpoint chunk`: see where a text would be cut. No server, no provider."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer
from msgspec.structs import asdict
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from inferpoint.chunking import chunk as cut
from inferpoint.chunking.search_time import SearchTime
from inferpoint.chunking.settings import LARGEST, Strategy
from inferpoint.cli.screen import read_text
from inferpoint.clock import SystemClock
from inferpoint.engine.chunked import preview, wanted
from inferpoint.model.requests import Chunking
from inferpoint.model.results import Previewed

# A terminal obeys these and a text may hold any; their pictures are as long as they are.
_PICTURES = {
    **{code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


Form = Literal["text", "json"]


def chunk(
    files: Annotated[list[str], typer.Argument(help="The texts; - is standard input.")],
    strategy: Annotated[Strategy, typer.Option(help="How to cut.")] = "sentence",
    max_chunk_size: Annotated[int | None, typer.Option(help="The most words in a chunk (default: 250).")] = None,
    overlap: Annotated[int | None, typer.Option(help="Words that neighbours share; for words.")] = None,
    sentence_overlap: Annotated[int | None, typer.Option(help="Sentences that neighbours share, 0 or 1.")] = None,
    separator_group: Annotated[
        str | None, typer.Option(help="Separators for a text of a kind: plaintext, markdown.")
    ] = None,
    separators: Annotated[list[str] | None, typer.Option("--separator", help="Regular expressions, in order.")] = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="Text in colours, or JSON for programs.")] = "text",
) -> None:
    """Show the chunks of texts, their borders and what they share."""
    options: dict[str, Any] = {
        "max_chunk_size": max_chunk_size,
        "overlap": overlap,
        "sentence_overlap": sentence_overlap,
        "separator_group": separator_group,
        "separators": separators,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    settings = wanted(Chunking({"strategy": strategy, **chosen}), None, largest=LARGEST)
    for name in files:
        text = read_text(name)
        chunks = preview(text, cut(text, settings, search_time=SearchTime(SystemClock().monotonic)))
        if output == "json":
            print(json.dumps({"file": name, "chunks": [asdict(piece) for piece in chunks]}, ensure_ascii=False))
        else:
            _draw(name, chunks)


def _draw(name: str, chunks: Sequence[Previewed]) -> None:
    console = Console(highlight=False)
    console.rule(f"[bold]{escape(name)}[/], {len(chunks)} chunk{'s' if len(chunks) != 1 else ''}", style="dim")
    end = 0
    for number, piece in enumerate(chunks, 1):
        shared = f", {piece.overlap} of them shared with the chunk before" if piece.overlap else ""
        console.print(
            f"[bold cyan]┌ {number}[/] [dim]{piece.start_offset} to {piece.end_offset}, {piece.words} words{shared}[/]"
        )
        console.print(_coloured(piece, max(0, end - piece.start_offset)))
        end = piece.end_offset


def _coloured(piece: Previewed, shared: int) -> Text:
    """A chunk's text, with what the chunk before has too in another colour."""
    text = Text(piece.text.strip("\n").translate(_PICTURES))
    skipped = len(piece.text) - len(piece.text.lstrip("\n"))
    text.stylize("yellow on grey15", 0, max(0, shared - skipped))
    return text
