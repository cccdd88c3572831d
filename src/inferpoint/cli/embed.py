"""`inferpoint embed`: any number of texts from a file, a bucket or an index into a file or a database."""

from __future__ import annotations

from typing import Annotated

import typer

from inferpoint.cli.bulk.options import JobOptions, starting_a_job


@starting_a_job
def embed(
    options: JobOptions,
    chunk: Annotated[bool, typer.Option("--chunk", help="Cut long texts, and make a row of each chunk.")] = False,  # noqa: FBT002 - a flag is a keyword to the person who types it
) -> None:
    """Embed all texts of SOURCE into a sink, each once, whatever comes between; typed again, it goes on.

    Exit status: 0 when all is done, 3 when it is but for some items that failed, 4 when more failed than may, 5 when
    the source has changed, 130 when interrupted, 1 for any other failure.
    """
    from inferpoint.cli.bulk.starting import start  # noqa: PLC0415 - other commands need none of it

    start(options, embeds=True, chunk=chunk)
