"""Events as records: a request that was answered, a call that was made or made again, something worth a line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How much a line of the log matters, the least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Answered(msgspec.Struct, frozen=True, gc=False):
    """One request, after its answer. `route` is the pattern that matched, so that ids do not become labels.

    `client` is the address it came from, `certificate` the subject of its certificate, `endpoint` is the id of the one
    that was asked, by whatever alias; `attempts` are the calls that its provider got. Of one that failed, also in
    the midst of a stream, `kind` and `reason` say why.
    """

    time: datetime
    level: Level
    request_id: str
    caller: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    size: int
    opaque_id: str = ""
    client: str = ""
    certificate: str = ""
    endpoint: str = ""
    attempts: int = 0
    kind: str = ""
    reason: str = ""


class Noted(msgspec.Struct, frozen=True):
    """Something that is no request and worth a line: a start, a warning, a failure with its traceback."""

    time: datetime
    level: Level
    message: str
    members: Mapping[str, str] = {}


class Called(msgspec.Struct, frozen=True, gc=False):
    """One call to a provider; a status of 0 means that no reply came."""

    service: str
    status: int
    seconds: float


class Retry(StrEnum):
    """Why a call was made again; or, for `BUDGET`, that it was not, although it would have been worth it."""

    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    BUDGET = "budget"
