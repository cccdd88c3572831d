"""A call of an endpoint as a job for its way out; what it asks is said by whoever makes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime

import msgspec

from inferpoint.calls.provider_errors import complaint
from inferpoint.calls.sizing import Load, Sizing, load_of
from inferpoint.endpoints.resolved import Resolved
from inferpoint.model.deadline import NEVER, Deadline
from inferpoint.model.http import Call, Reply
from inferpoint.model.quota import Allowance, Cost, Lane
from inferpoint.model.requests import Caller, InferenceRequest, InputType, RequestStats
from inferpoint.model.results import InferenceResult, Usage
from inferpoint.model.secrets import Secrets
from inferpoint.outbound.ticket import Ticket
from inferpoint.protocols.service import Moment

_LANES = {InputType.SEARCH: Lane.SEARCH, InputType.INGEST: Lane.INGEST}


class EndpointJob(ABC):
    """One call of the endpoint *resolved*, at the address *origin*; *like* is a request with all but the inputs.

    `token` is that of the endpoint's grant, where it has one; `stats` counts what happens.
    """

    def __init__(self, resolved: Resolved, origin: str, like: InferenceRequest, stats: RequestStats) -> None:
        self.resolved = resolved
        self.origin = origin
        self.caller = like.caller
        self.lane = lane(like)
        self.stats = stats
        self.token = ""

    @abstractmethod
    def request(self) -> InferenceRequest | None:
        """What to ask, which does not change any more; None when nobody wants it."""

    @abstractmethod
    def tokens(self) -> int:
        """The tokens of the call as far as is known."""

    def cost(self) -> Cost:
        """What the call takes of each limit, as far as is known; asked when its turn comes."""
        return Cost(tokens=self.tokens())

    @abstractmethod
    def deadline(self) -> Deadline:
        """By when an attempt must begin, so that its answer still comes in time."""

    @property
    def service(self) -> str:
        """The name of the provider's service, for counters."""
        return self.resolved.service.name

    @property
    def group(self) -> str:
        """The rate group whose limits the call counts against."""
        return self.resolved.group

    @property
    def secrets(self) -> Secrets:
        """What must not be seen of the call: the endpoint's secrets and its token."""
        known = self.resolved.secrets
        return Secrets((*known.values, self.token)) if self.token else known

    def ticket(self, *, ahead: bool) -> Ticket:
        """The place to wait at; *ahead* of its caller's others once it had a turn."""
        return ticket(self.resolved, self.caller, self.lane, self.deadline(), ahead=ahead)

    def call(self) -> Call | None:
        """The call, encoded by the service; None when nobody wants it any more."""
        request = self.request()
        return None if request is None else encoded(self.resolved, request, self.origin)

    def sign(self, call: Call, now: datetime) -> Call:
        """The call with its signature, made anew for every attempt."""
        return self.resolved.service.sign(call, self.resolved.endpoint.settings, Moment(now, self.token))

    def retries(self, status: int) -> bool:
        """Whether a reply of that status is worth another try, beside 429."""
        return status in self.resolved.task.failures.retried

    def is_final(self, reply: Reply) -> bool:
        """Whether a refusal is one that no retry will change."""
        return self.resolved.task.failures.exhausted(complaint(self.resolved, reply, self.secrets))

    def allowance(self, headers: Mapping[str, str], now: datetime) -> Allowance:
        """What a reply's headers tell of the provider's limits."""
        return self.resolved.service.quota(headers, now)

    def decode(self, reply: Reply) -> InferenceResult:
        """The result that *reply* holds; `UNREADABLE` when it holds none."""
        request, endpoint = self.request(), self.resolved.endpoint
        assert request is not None
        return self.resolved.task.decode(reply, request, endpoint.settings, endpoint.options)


class SingleJob(EndpointJob):
    """The call of one request that shares it with no other."""

    def __init__(self, resolved: Resolved, origin: str, request: InferenceRequest, sizing: Sizing) -> None:
        super().__init__(resolved, origin, request, request.stats)
        self._request = request
        self._sizing = sizing
        self._load = _load(request)

    def request(self) -> InferenceRequest:
        """The request, as it came."""
        return self._request

    def tokens(self) -> int:
        """What the request is estimated to have, and what a model may write."""
        written = int(self._sizing.output) if self.resolved.endpoint.task_type.generates else 0
        return self.input_tokens() + written

    def input_tokens(self) -> int:
        """What the request alone is estimated to have."""
        return self._sizing.tokens(self._load)

    def deadline(self) -> Deadline:
        """By when an attempt must begin, so that its answer still comes in time."""
        return self._sizing.begin_by(self._request.deadline)


def cost_of(usage: Usage) -> Cost:
    """What a call took of each limit in the end, as its provider counted."""
    return Cost(tokens=usage.input + usage.output)


def lane(request: InferenceRequest) -> Lane:
    """What a request is for, as its input type tells."""
    return Lane.OTHER if request.input_type is None else _LANES.get(request.input_type, Lane.OTHER)


def ticket(
    resolved: Resolved, caller: Caller, lane: Lane, deadline: Deadline = NEVER, *, ahead: bool = False
) -> Ticket:
    """The place where calls of *resolved* wait."""
    return Ticket(resolved.group, resolved.rate, caller, lane, resolved.service.name, deadline, ahead)


def encoded(resolved: Resolved, request: InferenceRequest, origin: str) -> Call:
    """The call that asks *request* of the provider, not signed yet."""
    endpoint = resolved.endpoint
    return resolved.task.encode(request, endpoint.settings, endpoint.options, origin)


def _load(request: InferenceRequest) -> Load:
    """What is asked by a request that has a call of its own: of a chat also its tools, and what an image is called."""
    match request.input:
        case (str(text),):
            return load_of(text)
        case asked:
            return Load(1, len(msgspec.json.encode(asked)))
