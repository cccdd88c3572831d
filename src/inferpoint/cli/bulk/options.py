"""The options of the commands that start a job, declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, Literal, cast

import typer

from inferpoint.bulk.job import SHARDS, Spec
from inferpoint.cli.remote import KeyFile
from inferpoint.cli.screen import read_json
from inferpoint.config import ADDRESS, Config
from inferpoint.errors import invalid
from inferpoint.model.times import seconds

DATA_DIR = "INFERPOINT_DATA_DIR"  # of the environment
Folder = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar=DATA_DIR,
        help="The folder of endpoints, as `serve` has it, and of what is written down of jobs.",
    ),
]
FOLDER = Path(Config().data_dir)
Server = Annotated[
    str | None,
    typer.Option(
        "--server", envvar=ADDRESS, metavar="URL", help="The server whose endpoint is asked; without one, the folder's."
    ),
]
Shards = Annotated[int, typer.Option("--shards", min=1, max=64, help="How many stretches of the source are open.")]
Engine = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="ENGINE", help="The engine whose processes do the work: dask://HOST:PORT, ray://HOST:PORT."
    ),
]
Events = Annotated[bool, typer.Option("--json", help="Print events, one a line, for programs.")]


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What is typed of a job that is to be started, or gone on with."""

    source: Annotated[str, typer.Argument(help="Where the texts are: a file, a folder, an address.")]
    endpoint: Annotated[str, typer.Option(metavar="ID", help="The endpoint that is asked.")]
    to: Annotated[str, typer.Option(metavar="SINK", help="Where the results go: a file, a folder, an address.")]
    text: Annotated[str, typer.Option(metavar="FIELD", help="The field that holds a text; dotted where nested.")] = (
        "text"
    )
    id: Annotated[str | None, typer.Option(metavar="FIELD", help="The field that holds an id; else the number.")] = None
    keep: Annotated[list[str] | None, typer.Option(metavar="FIELD", help="A field to take along; repeatable.")] = None
    job: Annotated[str | None, typer.Option(metavar="NAME", help="The job's name; else one by what it does.")] = None
    mode: Annotated[Literal["now", "batch"], typer.Option(help="Now, or by the provider's batches.")] = "now"
    poll: Annotated[str, typer.Option(metavar="TIME", help="How often batches are asked for, such as 60s.")] = "60s"
    fallback: Annotated[
        str | None, typer.Option(metavar="TIME", help="Ask now for what no batch has brought by then, such as 6h.")
    ] = None
    limit: Annotated[int | None, typer.Option(min=1, help="Do so many items, the first ones.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what it would take; nothing is called.")] = False
    server: Server = None
    on_error: Annotated[Literal["skip", "stop"], typer.Option(help="What an item that fails does to the job.")] = "skip"
    max_failed: Annotated[str, typer.Option(metavar="SHARE", help="Stop when more items than that have failed.")] = "1%"
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on although the source or the chunking has changed.")
    ] = False
    task_settings: Annotated[str | None, typer.Option(metavar="JSON", help="Task settings, before its own.")] = None
    shards: Shards = SHARDS
    on: Engine = None
    json: Events = False
    data_dir: Folder = FOLDER
    api_key_file: KeyFile = None

    def spec(self, *, chunk: bool = False) -> Spec:
        """What the job is to do."""
        settings: Any = {} if self.task_settings is None else read_json(self.task_settings, "--task-settings")
        if not isinstance(settings, dict):
            raise invalid("--task-settings is no JSON object")
        return Spec(
            endpoint=self.endpoint,
            source=self.source,
            sink=self.to,
            text=self.text,
            id=self.id,
            keep=tuple(self.keep or ()),
            chunk=chunk,
            mode=self.mode,
            poll=seconds(self.poll, name="--poll"),
            fallback=None if self.fallback is None else seconds(self.fallback, name="--fallback"),
            limit=self.limit,
            on_error=self.on_error,
            max_failed=_share(self.max_failed),
            server=self.server,
            task_settings=cast("dict[str, Any]", settings),
        )


def starting_a_job(command: Callable[Concatenate[JobOptions, ...], None]) -> Callable[..., None]:
    """*command*, which starts the job of its first parameter, with the options of that as its own."""
    every = inspect.signature(JobOptions, eval_str=True).parameters
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    names = {field.name for field in fields(JobOptions)}

    @wraps(command)
    def run(**values: Any) -> None:
        options = JobOptions(**{name: values.pop(name) for name in names})
        command(options, **values)

    shown = [*every.values(), *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own)]
    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined] - where typer looks
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return run


def _share(text: str) -> float:
    """A share as it is typed: `1%` or `0.01`."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise typer.BadParameter(f"[{text}] is no share such as 1% or 0.01", param_hint="--max-failed")
    return share
