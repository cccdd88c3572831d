"""Events as records: a request that was answered, a call that was made, a call that is made again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True)
class Answered:
    """One request, after its answer. `route` is the pattern that matched, so that ids do not become labels."""

    time: datetime
    request_id: str
    caller: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    size: int
    opaque_id: str = ""


@dataclass(frozen=True)
class Called:
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
