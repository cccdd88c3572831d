"""What a face is made of: routes from an incoming request to an answer, and the words for what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from inferpoint.engine.engine import Engine
from inferpoint.errors import InferenceError
from inferpoint.model.inference import Caller, Journey

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
CUT_HEADER = "x-inferpoint-truncated"  # how many inputs were shortened to fit the model


@dataclass(frozen=True)
class Incoming:
    """One request as plain values. `names` are the variable parts of its path; header names are in lower case.

    `time` is when it came, in seconds of the Unix epoch. In `journey` is counted what its inference comes to.
    """

    method: str
    path: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    caller: Caller
    request_id: str
    time: int = 0
    journey: Journey = field(default_factory=Journey)


@dataclass(frozen=True)
class Answer:
    """What to send back: a body, or pieces that are sent as they come."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: AsyncGenerator[bytes, None] | None = None


@dataclass(frozen=True)
class Route:
    """One row of a face's table. `{name}` in the path stands for any one segment; `parameters` are its own queries.

    Answers of one that `infers` tell in headers what the inference came to.
    """

    method: str
    path: str
    act: Callable[[Engine, Incoming], Awaitable[Answer]]
    parameters: frozenset[str] = frozenset()
    takes_body: bool = False
    infers: bool = False


@dataclass(frozen=True)
class Face:
    """One outside of the server.

    `check` refuses a request before its body is read. `fail` puts an error into the face's words. `finish` gives an
    answer the form that the request asks for. `lost` answers a path that does not exist, `wrong_method` one that
    exists for the methods it is given. `root` is where paths begin that are this face's even when they do not exist.
    """

    routes: Sequence[Route]
    check: Callable[[Incoming, Route], None]
    fail: Callable[[InferenceError, Incoming], Answer]
    finish: Callable[[Answer, Incoming], Answer]
    lost: Callable[[Incoming], Answer]
    wrong_method: Callable[[Incoming, Sequence[str]], Answer]
    root: str = "/"
