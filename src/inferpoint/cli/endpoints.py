"""`inferpoint endpoints`: inference endpoints of a running server."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from inferpoint.cli.assignments import assigned
from inferpoint.cli.remote import URL, InferenceId, Url, ask, ask_object, asking, path
from inferpoint.cli.screen import Output, read_config, show
from inferpoint.model.endpoint import TaskType

_TASK_TYPES = f"What the endpoint does: {', '.join(TaskType)}."
_COLUMNS = ("inference_id", "task_type", "service", "service_settings")

endpoints = typer.Typer(help="Inference endpoints of a running server.", no_args_is_help=True)


@endpoints.command("list")
@asking
def list_endpoints(url: Url = URL, output: Output = "table") -> None:
    """List all endpoints."""
    show(ask_object(url, "GET", "/_inference")["endpoints"], output, _COLUMNS)


@endpoints.command("get")
@asking
def get_endpoint(inference_id: InferenceId, url: Url = URL, output: Output = "json") -> None:
    """Show one endpoint."""
    rows = ask_object(url, "GET", path(inference_id))["endpoints"]
    show(rows if output == "table" else rows[0], output, _COLUMNS)


@endpoints.command("put")
@asking
def put_endpoint(
    inference_id: InferenceId,
    config: Annotated[
        str | None, typer.Argument(help="The endpoint as JSON, a file that holds it, or - for standard input.")
    ] = None,
    task_type: Annotated[TaskType | None, typer.Option(metavar="TYPE", help=_TASK_TYPES)] = None,
    service: Annotated[str | None, typer.Option(help="The service that does it.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A service setting, or one of another section by the section's name and a dot. A value is JSON where"
            " it can be read as such; @env:NAME is that of a variable.",
        ),
    ] = None,
    url: Url = URL,
    output: Output = "json",
) -> None:
    """Create an endpoint."""
    if config is None and not assignments:
        raise typer.BadParameter("Say what the endpoint is: as JSON, or by --service and --set.")
    wanted = assigned(read_config(config) if config else {}, service, assignments or (), os.environ)
    made = ask_object(url, "PUT", path(inference_id, task_type), wanted)
    show([made] if output == "table" else made, output, ("inference_id", "task_type", "service"))


@endpoints.command("delete")
@asking
def delete_endpoint(inference_id: InferenceId, url: Url = URL) -> None:
    """Delete an endpoint."""
    ask(url, "DELETE", path(inference_id))
    print(f"Deleted {inference_id}")


@endpoints.command("test")
@asking
def try_endpoint(inference_id: InferenceId, url: Url = URL) -> None:
    """Call an endpoint once and say what came back."""
    answer = ask_object(url, "POST", path(inference_id), {"input": "how big"})
    (kind, results), *_ = answer.items()
    first = results[0]
    shown = f"{len(first['embedding'])} dimensions" if "embedding" in first else json.dumps(first, ensure_ascii=False)
    print(f"{inference_id} answers: {kind}, {shown}")
