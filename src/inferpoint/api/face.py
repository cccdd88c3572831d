"""The parts of a face: routes from a request to a response, and words for what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from inferpoint.access import actions
from inferpoint.access.actions import Action
from inferpoint.api.headers import retry_headers
from inferpoint.api.openapi.description import Description, Form
from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError, Kind
from inferpoint.model.fields import PLAIN, Vocabulary, read_object
from inferpoint.model.json_body import JsonBody, decoded
from inferpoint.model.requests import Caller, InferenceRequest, Input, RequestStats
from inferpoint.model.results import Delta

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
PROVIDER_FAILED = 502
_encode = msgspec.json.Encoder().encode
_COMMENT = b": ping\n\n"  # https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes
_OURS = (Kind.CONTEXT_OVERFLOW, Kind.OVERLOADED)


class Request(msgspec.Struct):
    """One HTTP request as plain values.

    `path_params` are the variable parts of its path; header names are in lower case. `time` is when it came, in
    seconds of the Unix epoch. In `stats` is counted what its inference comes to. `json` is what the `body` is as JSON;
    both are there once they were read. `client` is the address it came from.
    """

    method: str
    path: str
    path_params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    request_id: str
    time: int = 0
    stats: RequestStats = msgspec.field(default_factory=RequestStats)
    json: JsonBody | None = None
    client: str = ""

    @property
    def manager(self) -> Caller:
        """The caller with its address, as what it changes is written down."""
        return msgspec.structs.replace(self.caller, address=self.client)

    def object(self, words: Vocabulary = PLAIN) -> dict[str, Any]:
        """The object that the body holds as JSON; an error in *words* where it holds none."""
        body = decoded(self.body) if self.json is None else self.json
        members: dict[str, Any] = body.value
        return members if type(members) is dict else read_object(body, words)

    def inference(self, inputs: Input, **members: Any) -> InferenceRequest:
        """The inference of *inputs* for this request's caller, with *members* such as `options` and `timeout`."""
        return InferenceRequest(inputs, caller=self.caller, request_id=self.request_id, stats=self.stats, **members)


class Stream(msgspec.Struct, frozen=True):
    """An answer in pieces: the `first`, and those that come after it.

    `feed` writes each of them, `end` what ends a whole answer alone, `fail` the error that ends a broken one.
    """

    first: Sequence[Delta]
    pieces: AsyncGenerator[Sequence[Delta], None]
    feed: Callable[[Sequence[Delta]], bytes]
    end: Callable[[], bytes]
    fail: Callable[[InferenceError], bytes]


class Response(msgspec.Struct, frozen=True):
    """One HTTP response as plain values: a body, or a stream that is sent as it comes, with a `ping` in a silence."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = {}
    stream: Stream | None = None
    ping: bytes = _COMMENT


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response whose body is *value* as JSON."""
    return Response(status, _encode(value), headers=headers or {})


@dataclass(frozen=True)
class Route:
    """One row of a face's table. `{name}` in the path stands for any one segment; `parameters` are its own queries.

    `action` is what a caller must be allowed to do; one that is `keyless` is for whoever comes. Responses of a route
    that `infers` tell in headers what the inference came to. One that `watches` the server is for machines that ask
    again and again, and logged only where everything is. The schemas that its `form` names are among those of
    its face's description.
    """

    method: str
    path: str
    act: Callable[[Engine, Request], Awaitable[Response]]
    parameters: frozenset[str] = frozenset()
    form: Form = Form()  # noqa: RUF009 - a value without members that change
    infers: bool = False
    watches: bool = False
    action: Action = actions.INFER
    keyless: bool = False


@dataclass(frozen=True)
class Words:
    """How a face tells one kind of error: by an HTTP status, a name and a code.

    `phrase` is the face's sentence for a kind that only the server meets (no such path, not this method), with places
    for `{method}`, `{path}` and `{allowed}`; every other error brings sentences of its own.
    """

    status: int
    name: str = ""
    code: str | None = None
    phrase: str = ""


@dataclass(frozen=True)
class Face:
    """One outside of the server.

    `words` has a row for every kind of error, and `fail` puts an error into the face's form. `prefix` is where paths
    begin that are this face's even when they do not exist. `check` refuses a request before its body is read. `finish`
    gives a response the form that the request asks for. `description` is what its OpenAPI says beyond the routes.
    """

    routes: Sequence[Route]
    words: Mapping[Kind, Words]
    fail: Callable[[InferenceError, Request], Response]
    prefix: str = "/"
    check: Callable[[Request, Route], None] = lambda _request, _route: None
    finish: Callable[[Response, Request], Response] = lambda response, _request: response
    description: Description = field(kw_only=True)


def error_response(error: InferenceError, ours: int, body: Any) -> Response:
    """An error as the makers' own clients take it, with *body* as its form.

    The status is a provider's own below 500, 502 for what else a provider says, and *ours* when none said anything, or
    where clients look for one status: a context that overflows, a provider that is overloaded.
    """
    status = ours
    if error.upstream is not None and error.kind not in _OURS:
        status = error.upstream.status if 400 <= error.upstream.status < 500 else PROVIDER_FAILED
    return json_response(body, status, retry_headers(error, status))


async def streamed(
    pieces: AsyncGenerator[Sequence[Delta], None],
    feed: Callable[[Sequence[Delta]], bytes],
    end: Callable[[], bytes],
    fail: Callable[[InferenceError], bytes],
) -> Response:
    """A stream of events, once its first piece is there: what goes wrong before is raised, and has its own status."""
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # by which nginx does not keep pieces back
    stream = Stream(await anext(pieces), pieces, feed, end, fail)
    return Response(content_type=EVENT_STREAM, headers=headers, stream=stream)
