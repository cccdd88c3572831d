"""A running server over HTTP: what it answers, or what it refuses in its own words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator, Mapping
from http.client import HTTPException
from typing import Annotated, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

import typer

from inferpoint.errors import InferenceError, Kind
from inferpoint.model.endpoint import TaskType
from inferpoint.model.http import is_loopback

URL = "http://127.0.0.1:9210"
SECONDS = 600.0

Url = Annotated[str, typer.Option("--url", envvar="INFERPOINT_URL", help="The server.")]
InferenceId = Annotated[str, typer.Argument(help="The endpoint's id.")]


def events(response: Any) -> Iterator[str]:
    """The data of each event of a stream."""
    with response, _reading(response.url):
        for line in response:
            if line.startswith(b"data: "):
                yield line[len(b"data: ") :].decode().rstrip("\n")


def ask(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """The server's response, open; what it refuses is raised in its own words."""
    data = None if body is None else json.dumps(body).encode()
    headers = {} if data is None else {"content-type": "application/json"}
    try:
        return _opener(url).open(Request(url.rstrip("/") + path, data, headers, method=method), timeout=SECONDS)  # noqa: S310
    except HTTPError as error:
        with error:
            # A refused stream has its error in an event.
            raise refused(_json_or_nothing(error.read().rpartition(b"\ndata: ")[2]), error.code) from None
    except (URLError, OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InferenceError(Kind.CUT_OFF, f"No server answers at {url}: {reason}") from None


def _opener(url: str) -> OpenerDirector:
    """By the proxy that the environment names, but not to this machine itself."""
    own = is_loopback(urlsplit(url).hostname or "")
    return build_opener(ProxyHandler({})) if own else build_opener()


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
