"""A running server over HTTP: what it answers, or what it refuses in its own words."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import ssl
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator, Mapping
from contextvars import ContextVar
from functools import wraps
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

import typer

from inferpoint.access.variables import API_KEY, API_KEY_FILE, CA_CERT
from inferpoint.cli.screen import read_text
from inferpoint.config import ADDRESS
from inferpoint.errors import InferenceError, Kind, invalid
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import is_loopback

URL = "http://127.0.0.1:9210"
SECONDS = 600.0

Url = Annotated[str, typer.Option("--url", envvar=ADDRESS, help="The server; its user, if it has one, is told to it.")]
KeyFile = Annotated[
    Path | None,
    typer.Option("--api-key-file", help=f"The file that holds the API key, where it is not in {API_KEY}."),
]
CaCert = Annotated[
    Path | None, typer.Option("--ca-cert", envvar=CA_CERT, help="The certificates of who signed the server's own.")
]
InferenceId = Annotated[str, typer.Argument(help="The endpoint's id.")]


Command = TypeVar("Command", bound=Callable[..., None])
_KEY_FILE: ContextVar[Path | None] = ContextVar("key file", default=None)
_CA_CERT: ContextVar[Path | None] = ContextVar("certificates", default=None)


def asking(command: Command) -> Command:
    """*command*, which asks a server, with the options that say by which key and how that server is known."""
    own = inspect.signature(command, eval_str=True)
    options = {"api_key_file": KeyFile, "ca_cert": CaCert}

    @wraps(command)
    def run(*args: Any, api_key_file: Path | None, ca_cert: Path | None, **kwargs: Any) -> None:
        _KEY_FILE.set(api_key_file)
        _CA_CERT.set(ca_cert)
        command(*args, **kwargs)

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in options.items()
    ]
    run.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = {**{name: one.annotation for name, one in own.parameters.items()}, **options}
    return run  # type: ignore[return-value] - with more options than it needs


def events(response: Any) -> Iterator[str]:
    """The data of each event of a stream."""
    with response, _reading(response.url):
        for line in response:
            if line.startswith(b"data: "):
                yield line[len(b"data: ") :].decode().rstrip("\n")


def ask(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The server's response, open; what it refuses is raised in its own words."""
    url, headers = without_user(url)
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["content-type"] = "application/json"
    key = api_key(_KEY_FILE.get())
    try:
        request = Request(url.rstrip("/") + path, data, headers, method=method)  # noqa: S310
        if key is not None:
            request.add_unredirected_header("x-api-key", key)  # the user in the address may be a proxy's
        return _opener(url).open(request, timeout=SECONDS)
    except HTTPError as error:
        with error:
            # A refused stream has its error in an event.
            raise refused(_json_or_nothing(error.read().rpartition(b"\ndata: ")[2]), error.code) from None
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InferenceError(Kind.CUT_OFF, f"No server answers at {url}: {reason}") from None


def without_user(url: str) -> tuple[str, dict[str, str]]:
    """The address *url* as it may be shown, and the header for the user and the password in it, if there are some."""
    scheme, there, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not there or not at:
        return url, {}
    credentials = b64encode(unquote(user if ":" in user else f"{user}:").encode()).decode()
    return f"{scheme}://{host}{slash}{path}", {"authorization": f"Basic {credentials}"}


def _opener(url: str) -> OpenerDirector:
    """By the proxy that the environment names, but not to this machine itself."""
    handlers: list[Any] = [ProxyHandler({})] if is_loopback(urlsplit(url).hostname or "") else []
    if (certificates := _CA_CERT.get()) is not None:
        try:
            handlers.append(HTTPSHandler(context=ssl.create_default_context(cafile=certificates)))
        except OSError as error:
            raise invalid(f"The certificates {certificates} cannot be read: {error.strerror}") from None
    return build_opener(*handlers)


def api_key(file: Path | None) -> str | None:
    """The API key that is sent: of the *file* that was named, of the environment, or of the file that it names."""
    key = os.environ.get(API_KEY) if file is None else None
    if not key and (name := file or os.environ.get(API_KEY_FILE)):
        key = read_text(str(name)).strip()
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise invalid("The API key is not one word of letters, digits and signs")
    return key or None


def refused(answer: Any, status: int) -> InferenceError:
    """The error that the body of a refusal tells; that of its *status* where it tells none."""
    match answer:
        case {"error": {"reason": str(reason), "caused_by": {"reason": str(cause)}}}:
            return InferenceError(Kind.INVALID, f"{reason} Caused by: {cause}")
        case {"error": {"reason": str(reason)}} | {"error": {"message": str(reason)}} | {"error": str(reason)}:
            return InferenceError(Kind.INVALID, reason)
        case _:
            return InferenceError(Kind.INVALID, f"The server answered with status {status}")


def ask_object(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The object that the server answers."""
    response = ask(url, method, path, body)
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


def path(inference_id: str, task_type: TaskType | None = None) -> str:
    """The path of an endpoint."""
    kind = f"/{task_type}" if task_type else ""
    return f"/_inference{kind}/{quote(inference_id, safe='')}"
