"""The command line: endpoints and inference on a running server, chunks, models and services on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from inferpoint import services
from inferpoint.cli import configuration
from inferpoint.cli.chunk import chunk
from inferpoint.cli.complete import complete
from inferpoint.cli.embed import embed
from inferpoint.cli.endpoints import endpoints
from inferpoint.cli.infer import infer
from inferpoint.cli.jobs import jobs
from inferpoint.cli.keys import keys
from inferpoint.cli.models import models
from inferpoint.cli.quotas import quotas
from inferpoint.cli.screen import Output, show
from inferpoint.cli.secrets import secrets
from inferpoint.version import __version__

app = typer.Typer(
    name="inferpoint",
    help="The Elasticsearch Inference API for every model provider.",
    epilog="Exit status: 0 when it is done, 1 when it failed, 2 for what cannot be understood, and for what differs by"
    " `diff`, 130 when interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(endpoints, name="endpoints")
app.add_typer(jobs, name="jobs")
app.add_typer(keys, name="keys")
app.add_typer(models, name="models")
app.add_typer(quotas, name="quotas")
app.add_typer(secrets, name="secrets")
app.command()(infer)
app.command()(embed)
app.command()(complete)
app.command()(chunk)
app.command()(configuration.export)
app.command()(configuration.diff)
app.command()(configuration.apply)
app.add_typer(configuration.config, name="config")


def run() -> None:
    """Read the command line and do what it says."""
    app()


@app.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
def serve(_arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> None:
    """Run the server; `inferpoint serve --help` lists its options."""
    raise AssertionError("`serve` is answered before this file is read")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - an option's value
    if wanted:
        version()
        raise typer.Exit


_VERSION = typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")


@app.callback()
def options(_version: Annotated[bool, _VERSION] = False) -> None:  # noqa: FBT002 - a flag is a keyword to who types it
    """Take the options that go before a command."""


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command("services")
def list_services(output: Output = "table") -> None:
    """List the services and the tasks each of them does."""
    rows = [
        {"service": service.name, "name": service.title, "task_types": [kind.value for kind in service.tasks]}
        for service in map(services.find, services.names())
    ]
    show(rows, output, ("service", "name", "task_types"))
